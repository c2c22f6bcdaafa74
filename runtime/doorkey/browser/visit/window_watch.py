"""Reads the page of a person's window until they close it."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from doorkey.browser.visit.parts import VisitParts
from doorkey.browser.visit.snapshot import Snapshot, take_snapshot
from doorkey.clock import Clock
from doorkey.errors import BrowserFailed
from doorkey.model.events import SiteEvents

LOOK = 0.5
"""Seconds between two readings."""


async def watch_window(parts: VisitParts, lost: asyncio.Event, clock: Clock, events: SiteEvents) -> Snapshot:
    """Return the last snapshot of the page before it was closed, or the browser was *lost*. Raises BrowserFailed."""
    last: Snapshot | None = None
    page = parts.inspector.page
    while not page.is_closed() and not lost.is_set():
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
