"""Reads the page of a person's window until they close it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

from doorkey.browser.live_view.handovers import Handovers
from doorkey.browser.live_view.live_view import LiveView
from doorkey.browser.visit.parts import VisitParts
from doorkey.browser.visit.snapshot import Snapshot, take_snapshot
from doorkey.clock import Clock
from doorkey.errors import BrowserFailed, NeedsPerson
from doorkey.model.events import SiteEvents

LOOK = 0.5
LAST_WORDS = 0.2
"""Seconds: between two readings; that viewers are given to be told the end."""


async def watch_window(
    parts: VisitParts,
    lost: asyncio.Event,
    clock: Clock,
    events: SiteEvents,
    is_over: Callable[[], bool] = lambda: False,
) -> Snapshot:
    """Return the last snapshot of the page before it was closed, the browser was *lost*, or it *is_over*.

    Raises BrowserFailed.
    """
    last: Snapshot | None = None
    page = parts.inspector.page
    while not (page.is_closed() or lost.is_set() or (last is not None and is_over())):
        try:
            stood = await parts.reader.find(widgets=False)
            snapshot = await take_snapshot(parts.inspector, clock)
            last = replace(snapshot, stood=stood.name if stood is not None else "")
        except BrowserFailed:
            events.report("window", "the page is busy or was closed")
        await clock.sleep(LOOK)
    if last is None:
        raise BrowserFailed("the window was closed before its page could be read")
    return last


async def watch_view(
    parts: VisitParts, handovers: Handovers, lost: asyncio.Event, clock: Clock, events: SiteEvents
) -> Snapshot:
    """`watch_window` of a page that people see in the live view, until one of them says that they are done.

    Raises NeedsPerson if one gives up, or nobody is done in time.
    """
    view = LiveView(parts.inspector.page, events.site, f"{events.site} is open. Press Done to close it.")
    with handovers.offer(view) as handover:

        def is_over() -> bool:
            return view.done.is_set() or view.given_up.is_set() or clock.now() >= handover.until

        left = await watch_window(parts, lost, clock, events, is_over)
        view.say("done" if view.done.is_set() else "failed", "The page is closed now.")
        await clock.sleep(LAST_WORDS)
    if view.given_up.is_set():
        raise NeedsPerson("the person gave up: nothing was kept")
    if not view.done.is_set():
        raise NeedsPerson(f"nobody said that they were done within {handovers.patience:g} s: nothing was kept")
    return left
