"""Which requests an agent may send to a site."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import unquote, unquote_plus

from doorkey.config.agent_schema import READS, AgentSettings
from doorkey.errors import RequestError

OVERRIDES = ("_method", "_httpmethod", "http_method", "x-http-method", "x-http-method-override", "x-method-override")
"""Names of parameters by which frameworks take another method than that of the request."""


def is_write(method: str) -> bool:
    return method not in READS


def check_request(settings: AgentSettings, site: str, method: str, target: str) -> None:
    """Raise RequestError if an agent may not send *method* to *target*, a path of *site* with its query."""
    if not re.fullmatch(r"/(?!/)[!-~]*", target) or "#" in target or "\\" in target:
        raise RequestError(
            "path must be a path of the site in ASCII (other characters percent-encoded), like /api/items?page=2: "
            "no URL, no fragment, no backslash",
            param="path",
        )
    path, _, query = target.partition("?")
    parts = unquote(path).split("/")[1:]
    if any(part in (".", "..") or re.search(r"[\\\x00-\x1f;]", part) for part in parts) or "" in parts[:-1]:
        raise RequestError("path must not hold empty parts, dots, `;`, backslashes or controls", param="path")
    override = next((name for name in _names(query) if name in OVERRIDES), None)
    if override is not None:
        raise RequestError(f"the query must not set {override}: sites read it as another method", param="path")
    if is_write(method) and not any(_matches(rule, method, path) for rule in settings.write):
        allowed = ", ".join(settings.write) or "none"
        raise RequestError(
            f"agents may send GET and HEAD to {site}, and of other requests: {allowed}. The user can allow more by "
            f"sites.{site}.agents.write",
            param="method",
        )


def _matches(rule: str, method: str, path: str) -> bool:
    """Whether *rule*, such as "POST /api/items/*", covers the request. `*` stands for one or more characters of a part.

    A part with an encoded slash has none of its own in the rule, so it matches nothing.
    """
    rule_method, _, pattern = rule.partition(" ")
    expected, came = pattern.split("/"), [unquote(part) for part in path.split("/")]
    return (
        rule_method == method
        and len(expected) == len(came)
        and all(_matches_part(one, other) for one, other in zip(expected, came, strict=True))
    )


def _matches_part(pattern: str, part: str) -> bool:
    literal = (re.escape(unquote(piece)) for piece in pattern.split("*"))
    return re.fullmatch("[^/]+".join(literal), part) is not None


def _names(query: str) -> Iterator[str]:
    """Yield the names of a query's parameters as the most lenient readers see them (PHP changes ` .[` to `_`)."""
    for pair in re.split("[&;]", query):
        name = unquote_plus(pair.partition("=")[0]).lstrip(" ").lower()
        yield name
        yield re.sub(r"[ .\[]", "_", name)
