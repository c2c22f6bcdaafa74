"""Recognizes a protection by a page in a browser."""

from __future__ import annotations

from collections.abc import Callable

from doorkey.model.request import HEAD_BYTES, Head, Request
from doorkey.model.verdict import Kind, Verdict
from doorkey.protections.advice import ADVICE
from doorkey.protections.judge import read_pause
from doorkey.protections.signs import Facts, Finding, Obstacle, Protection
from doorkey.protections.table import PROTECTIONS, STANDING

SELECTORS = tuple(
    dict.fromkeys(css for row in PROTECTIONS for mark in row.marks for css in (mark.has, mark.lacks) if css)
)
"""Selectors that a page is searched for, so that `recognize_page` can decide."""
PAGE = Request(url="/", what="the page", expects=("text/html",))
OBSTACLES = {Kind.RATE_LIMITED: Obstacle.RATE, Kind.BLOCKED: Obstacle.BLOCK}
"""What a provider's verdicts mean for a visit."""


def recognize_page(page: Facts, *, widgets: bool, patient: bool = False) -> Finding | None:
    """Return the protection that a *page* in a browser shows; None if it is no known one.

    *widgets*: whether to count a challenge that sites also put into their own pages, if the page holds little else.
    *patient*: whether a page that may open by itself is given the time, although its status alone means a refusal.
    """
    head = Head(status=page.status, headers=page.headers, url=page.url)
    for row in PROTECTIONS:
        if (
            row.obstacle in STANDING
            and (not row.widget or (widgets and page.is_mostly_widget))
            and not (row.bare and patient and page.may_open)
            and not (row.unnamed and page.ready)
            and _is_shown(row, page, head)
        ):
            pause = read_pause(head) if row.obstacle is Obstacle.RATE else None
            return Finding(row, pause, page if row.unnamed else None)
    return None


def recognize_own(page: Facts, request: Request, recognize: Callable[[Request, Head], Verdict]) -> Finding | None:
    """Return what stands before the site by its own provider, which *recognize* asks about the page that *request*
    led to. A page that shows what only the site's own page has is not asked about.
    """
    if page.ready:
        return None
    kind = page.headers.get("content-type", "text/html").partition(";")[0]
    whole = page.text if kind.endswith("json") else f"{page.html}\n{page.title}\n{page.text}"
    body = whole.encode("utf-8", "replace")
    headers = {**page.headers, "content-type": f"{kind}; charset=utf-8"}
    head = Head(status=page.status, headers=headers, url=page.url, start=body[:HEAD_BYTES], held=body, complete=True)
    verdict = recognize(request, head)
    if verdict:
        return None
    obstacle = OBSTACLES.get(verdict.kind, Obstacle.PERSON if verdict.by_hand else Obstacle.WAIT)
    row = Protection(name=verdict.by, obstacle=obstacle, source="set", todo=ADVICE[verdict.kind])
    return Finding(row, read_pause(head) if obstacle is Obstacle.RATE else None)


def _is_shown(row: Protection, page: Facts, head: Head) -> bool:
    if any(mark.shows(page) for mark in row.marks):
        return True
    # Of the document only the head counts here. The marks describe the page as it is now.
    return any(sign.header and not sign.holds and not sign.matches and sign.shows(PAGE, head) for sign in row.signs)
