"""Judges an answer by its head: recognizes protections, and gives the default verdict for the rest."""

from __future__ import annotations

import re
from dataclasses import replace
from urllib.parse import urlsplit

from doorkey.model.request import Head, Request
from doorkey.model.verdict import OK, Kind, Verdict
from doorkey.protections.advice import ADVICE
from doorkey.protections.signs import Finding, Obstacle
from doorkey.protections.table import PROTECTIONS

SIGNS = tuple((row, sign) for row in PROTECTIONS for sign in row.signs)
SIGNS_OF_200 = tuple((row, sign) for row, sign in SIGNS if not sign.status or 200 in sign.status)
SIGNS_OF_DATA = tuple((row, sign) for row, sign in SIGNS_OF_200 if sign.media == "json")
DATA_HEADER = "mediawiki-api-error"
"""The header of all of these."""
EPOCH = 1e9
"""X-RateLimit-Reset is a number of seconds at some sites, a time since 1970 at others. Larger values are times."""
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
    if request.expects and head.is_html and "html" not in " ".join(request.expects):
        return Verdict(Kind.REFUSED, f"{request.what} got a page where {' or '.join(request.expects)} was expected")
    if status >= 400 and request.expects:
        return Verdict(Kind.CHANGED, f"{request.what} met HTTP {status} ({head.media_type or 'no type'})")
    return OK


def _leads_to_login(head: Head) -> bool:
    # A Location that is no URL is for the caller to see.
    return head.location is not None and LOGIN.search(urlsplit(head.location).path) is not None


def _to_verdict(found: Finding, request: Request, head: Head) -> Verdict:
    todo = f"; {found.protection.todo}" if found.protection.todo else ""
    detail = f"{request.what} met HTTP {head.status}, {found.obstacle.value} ({found.name}){todo}"
    return Verdict(KINDS[found.obstacle], detail, found.retry_after, found.name)


def recognize_head(request: Request, head: Head) -> Finding | None:
    """Return the protection that answered *request* with *head*; None if it is no known one."""
    if head.status == 200:
        # Nearly every answer has status 200. What stands before a site answers with a page then.
        kind = head.headers.get("content-type", "")
        if kind and "html" not in kind:
            if DATA_HEADER not in head.headers:
                return None
            signs = SIGNS_OF_DATA
        else:
            signs = SIGNS_OF_200
    else:
        signs = SIGNS
    headers, start = head.headers, head.start
    for row, sign in signs:
        # Of most signs the first thing that they need is not there.
        if (sign.header and sign.header not in headers) or (sign.holds and sign.holds[0] not in start):
            continue
        if sign.shows(request, head):
            return Finding(row, read_pause(head) if row.obstacle in (Obstacle.RATE, Obstacle.QUOTA) else None)
    return None


def read_pause(head: Head) -> float | None:
    """Return for how many seconds the site asks to wait; None if it does not say.

    Retry-After (seconds or a date), else the reset of RateLimit (IETF draft "RateLimit header fields"), else that of
    X-RateLimit-Reset (no standard: seconds, or a time, which counts from the answer's `clock_time`).
    """
    if head.retry_after is not None:
        return head.retry_after
    found = re.search(r"\b(?:t|reset)=(\d{1,9})\b", head.headers.get("ratelimit", ""))
    if found is not None:
        return float(found[1])
    value = head.headers.get("ratelimit-reset") or head.headers.get("x-ratelimit-reset") or ""
    if not re.fullmatch(r"\s*\d{1,13}(\.\d+)?\s*", value):
        return None
    reset = float(value)
    if reset < EPOCH:
        return reset
    if head.clock_time is None:
        return None
    return max(0.0, (reset / 1000 if reset > 100 * EPOCH else reset) - head.clock_time)
