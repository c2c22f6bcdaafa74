"""Tells what stands before a site, from the head of an answer or from a page in a browser."""

from __future__ import annotations

import re
from email.utils import parsedate_to_datetime

from doorkey.model.request import Head, Request
from doorkey.protections.signs import Facts, Finding, Obstacle, Protection
from doorkey.protections.table import PROTECTIONS, STANDING

SIGNS = tuple((row, sign) for row in PROTECTIONS for sign in row.signs)
SIGNS_OF_200 = tuple((row, sign) for row, sign in SIGNS if not sign.status or 200 in sign.status)
SELECTORS = tuple(
    dict.fromkeys(css for row in PROTECTIONS for mark in row.marks for css in (mark.has, mark.lacks) if css)
)
"""What a page is asked for, so that `of_page` can tell."""
PAGE = Request(url="/", what="the page", expects=("text/html",))
EPOCH = 1e9
"""X-RateLimit-Reset is in seconds at some sites, a time since 1970 at others: no pause is that long."""


def of_head(request: Request, head: Head) -> Finding | None:
    """What stands before the site, as *head*, the answer to *request*, tells; None: nothing that has a name."""
    if head.status == 200:
        # Nearly every answer. What stands before a site with 200 is a page.
        kind = head.headers.get("content-type", "")
        if kind and "html" not in kind:
            return None
        signs = SIGNS_OF_200
    else:
        signs = SIGNS
    for row, sign in signs:
        if sign.shows(request, head):
            return Finding(row, pause_of(head) if row.obstacle in (Obstacle.RATE, Obstacle.QUOTA) else None)
    return None


def of_page(page: Facts, *, widgets: bool) -> Finding | None:
    """What stands before the site, as a *page* in a browser tells; None: nothing that is known.

    *widgets*: whether one that sites' own pages hold as well counts, where the page is little else.
    """
    head = Head(status=page.status, headers=page.headers, url=page.url)
    for row in PROTECTIONS:
        if row.obstacle in STANDING and (not row.widget or (widgets and page.little_else)) and _stands(row, page, head):
            return Finding(row, pause_of(head) if row.obstacle is Obstacle.RATE else None)
    return None


def pause_of(head: Head) -> float | None:
    """For how many seconds the site wants to be left alone; None where it does not say.

    Retry-After (seconds or a date), else the reset of RateLimit (IETF draft "RateLimit header fields"), else that of
    X-RateLimit-Reset (no standard: seconds, or a time; a time is held against the answer's own Date).
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
    try:
        now = parsedate_to_datetime(head.headers.get("date", "")).timestamp()
    except (TypeError, ValueError):
        return None
    return max(0.0, (reset / 1000 if reset > 100 * EPOCH else reset) - now)


def _stands(row: Protection, page: Facts, head: Head) -> bool:
    if any(mark.shows(page) for mark in row.marks):
        return True
    # Of its document only the head is looked at here: what its body says, the marks tell of the page as it is now.
    return any(sign.header and not sign.holds and not sign.matches and sign.shows(PAGE, head) for sign in row.signs)
