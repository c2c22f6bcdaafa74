"""The live pages that are open, one per session key. They end when unused, when replaced, and when there are many."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from doorkey.clock import Clock
from doorkey.model.session import Key, Session

if TYPE_CHECKING:
    from doorkey.browser.live.live_page import LivePage


@dataclass(eq=False, slots=True)
class _Entry:
    live_page: LivePage
    exits: AsyncExitStack
    session: Session
    resting: asyncio.Task[None] | None = None
    retired: bool = False


class LivePages:
    """Closes a live page that was unused for `idle` seconds, and the least recently used one of more than `most`."""

    def __init__(self, clock: Clock, *, idle: float = 120.0, most: int = 4) -> None:
        self._clock, self._idle, self._most = clock, idle, most
        self._kept: dict[Key, _Entry] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def keep(self, session: Session, live_page: LivePage, exits: AsyncExitStack) -> None:
        """Keep *live_page*, whose visit made *session*, until it is replaced. *exits* releases its resources."""
        before = self._kept.pop(session.key, None)
        kept = self._kept[session.key] = _Entry(live_page, exits, session)
        live_page.changed = lambda: self._review(session.key, kept)
        for old in [before, *self._pop_unused()]:
            if old is not None:
                self._retire(old)
        self._review(session.key, kept)

    def find(self, session: Session) -> tuple[LivePage, Session] | None:
        """Return the live page for *session*, and the session of its visit: the same, or a newer one of its key."""
        kept = self._kept.get(session.key)
        if kept is None or not kept.live_page.alive or kept.session.born < session.born:
            return None
        return kept.live_page, kept.session

    def update(self, session: Session) -> None:
        """The live page of *session*'s key holds its cookies now."""
        self._kept[session.key].session = session

    def __repr__(self) -> str:
        return f"<LivePages {', '.join(key.site for key in self._kept) or 'none'}>"

    async def wait_closed(self) -> None:
        """Wait until every page that was to be closed is closed."""
        while self._tasks:
            await asyncio.gather(*self._tasks)

    async def close(self) -> None:
        kept, self._kept = list(self._kept.values()), {}
        for one in kept:
            one.retired = True
            self._spawn(self._end(one))
        await self.wait_closed()

    def _pop_unused(self) -> list[_Entry]:
        """Remove and return the pages above the limit: unused ones only, the least recently used first."""
        unused = [key for key, kept in list(self._kept.items())[:-1] if not kept.live_page.busy]
        return [self._kept.pop(key) for key in unused[: max(0, len(self._kept) - self._most)]]

    def _review(self, key: Key, kept: _Entry) -> None:
        """React to a request that began or ended, or to the death of the page."""
        if kept.resting is not None:
            kept.resting.cancel()
            kept.resting = None
        if kept.retired:
            self._retire(kept)
        elif not kept.live_page.alive:
            if self._kept.get(key) is kept:
                del self._kept[key]
            self._retire(kept)
        elif not kept.live_page.busy:
            kept.resting = asyncio.create_task(self._rest(key, kept))
        else:
            self._kept[key] = self._kept.pop(key)  # now the most recently used

    def _retire(self, kept: _Entry) -> None:
        """Send no new request there, and close it after its last one."""
        kept.retired = True
        if kept.resting is not None:
            kept.resting.cancel()
            kept.resting = None
        if not kept.live_page.busy:
            kept.live_page.changed = lambda: None
            self._spawn(self._end(kept))

    async def _rest(self, key: Key, kept: _Entry) -> None:
        await self._clock.sleep(self._idle)
        kept.resting = None
        if self._kept.get(key) is kept:
            del self._kept[key]
        self._retire(kept)

    async def _end(self, kept: _Entry) -> None:
        if kept.resting is not None:
            kept.resting.cancel()
        kept.live_page.changed = lambda: None
        await kept.live_page.close()
        await kept.exits.aclose()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
