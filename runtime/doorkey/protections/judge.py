"""The default verdict on an answer, for what its provider does not know."""

from __future__ import annotations

import re
from dataclasses import replace
from urllib.parse import urljoin, urlsplit

from doorkey.model.request import Head, Request
from doorkey.model.verdict import OK, Kind, Verdict
from doorkey.protections.advice import ADVICE
from doorkey.protections.finding import read_pause, recognize_head
from doorkey.protections.signs import Finding, Obstacle

KINDS = {
    Obstacle.WAIT: Kind.CHALLENGED,
    Obstacle.PERSON: Kind.CHALLENGED,
    Obstacle.HEADLESS: Kind.CHALLENGED,
    Obstacle.BLOCK: Kind.BLOCKED,
    Obstacle.CONTENT: Kind.BLOCKED,
    Obstacle.RATE: Kind.RATE_LIMITED,
    Obstacle.QUOTA: Kind.QUOTA,
    Obstacle.EXPIRED: Kind.STALE,
    Obstacle.UNEXPECTED: Kind.CHANGED,
}
"""The verdict on an answer of each kind of protection."""

LOGIN = re.compile(
    r"(?:(?<![A-Za-z])|(?<=[a-z])(?=[A-Z]))"
    r"(?i:(?:user|wp)?(?:log|sign)[-_]?(?:in|on)|sso|auth(?:orize|enticate|entication)?)"
    r"(?![a-z]|(?<=[A-Z])[A-Z])"
)
"""Words that URLs of login pages usually hold. This is weak evidence: a redirect there is only likely a refusal."""


def default_verdict(request: Request, head: Head, known: Verdict = OK) -> Verdict:
    """Judge an answer. What the provider knows of the site's own protections (*known*) comes first, then the table.

    401, 403, 419, 440, a redirect to a login page, and HTML where something else was asked, are refusals that a renewed
    session may cure. 5xx are not, whatever their body.
    """
    if known is not OK and not known:
        pause = read_pause(head) if known.kind is Kind.RATE_LIMITED else None
        return replace(known, detail=f"{known.detail}; {ADVICE[known.kind]}", retry_after=pause)
    found = recognize_head(request, head)
    if found is not None:
        return _to_verdict(found, request, head)
    status = head.status
    if status >= 500:
        return Verdict(Kind.SITE_DOWN, f"{request.what} met HTTP {status}", head.retry_after)
    if status in (401, 403, 419, 440):
        return Verdict(Kind.REFUSED, f"{request.what} was refused with HTTP {status} ({head.media_type or 'no type'})")
    if 300 <= status < 400 and status != 304 and _leads_to_login(head):
        return Verdict(Kind.REFUSED, f"{request.what} was redirected to a login page (HTTP {status})")
    if request.expects and head.is_html and not any("html" in kind for kind in request.expects):
        return Verdict(Kind.REFUSED, f"{request.what} got a page where {' or '.join(request.expects)} was expected")
    if status >= 400 and request.expects:
        return Verdict(Kind.CHANGED, f"{request.what} met HTTP {status} ({head.media_type or 'no type'})")
    return OK


def _leads_to_login(head: Head) -> bool:
    try:
        path = urlsplit(urljoin(head.url, head.headers.get("location", ""))).path
    except ValueError:
        return False  # it is no URL, which is for the caller to see
    return LOGIN.search(path) is not None


def _to_verdict(found: Finding, request: Request, head: Head) -> Verdict:
    todo = f"; {found.protection.todo}" if found.protection.todo else ""
    detail = f"{request.what} met HTTP {head.status}, {found.obstacle.value} ({found.name}){todo}"
    return Verdict(KINDS[found.obstacle], detail, found.retry_after, found.name)
