"""Finds how the answers of a dead session look, where the status does not tell: GraphQL says it in JSON."""

from __future__ import annotations

import re
from collections.abc import Sequence

from doorkey.learning.draft import SendDraft
from doorkey.learning.recording import Exchange

OPERATION = re.compile(r"\s*(?:query|mutation|subscription|fragment)\b|\s*\{\s*\w")
NAMED = "json:errors.0.extensions.code=UNAUTHENTICATED"
WORDED = (
    r"""body:/(?i)^\s*\{.{0,400}?"errors"\s*:\s*\[.{0,400}?(unauthenticated|not (logged|signed) in|"""
    r"""(token|jwt|session|signature)( has| is)? (expired|invalid)|invalid (token|session)|"""
    r"""(log|sign) in (first|again)|(must|need to|have to) be (logged|signed) in)/"""
)
"""What servers say of a session that they do not know. Missing permissions are another thing, and not listed."""


def find_refusals(exchanges: Sequence[Exchange], sends: Sequence[SendDraft], *, sure: bool) -> tuple[str | int, ...]:
    """Return the rules of `stale` for a site whose calls are GraphQL, or carry a bearer token; none for others.

    *sure*: a session check tells by itself whether the session is dead. Without one, HTTP 401 has to tell it: the
    server did not take the token, so it did not process the request.
    """
    for one in exchanges:
        if any(leaf.path == "query" and OPERATION.match(leaf.value) for leaf in one.fields if leaf.kind == "json"):
            return (NAMED, WORDED)
    bears = any(name.lower() == "authorization" for rule in sends for name in rule.header)
    return (401,) if bears and not sure else ()
