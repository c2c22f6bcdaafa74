"""The live contexts that are kept, one for a key: ended when unused, when replaced, and when they are many."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

from doorkey.browser.live.live_page import LivePage
from doorkey.clock import Clock
from doorkey.model.session import Key, Session


@dataclass(eq=False, slots=True)
class _Kept:
    live_page: LivePage
    exits: AsyncExitStack
    session: Session
    resting: asyncio.Task[None] | None = None
    retired: bool = False


class LivePages:
    """A context unused for `idle` seconds is closed, and the one unused the longest where there are over `most`."""

    def __init__(self, clock: Clock, *, idle: float = 120.0, most: int = 4) -> None:
        self._clock, self._idle, self._most = clock, idle, most
        self._kept: dict[Key, _Kept] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def keep(self, session: Session, live_page: LivePage, exits: AsyncExitStack) -> None:
        """Keep *stay*, which *session* came from, until it is replaced. *exits* gives back what it holds."""
        before = self._kept.pop(session.key, None)
        kept = self._kept[session.key] = _Kept(live_page, exits, session)
        live_page.changed = lambda: self._review(session.key, kept)
        for old in [before, *self._many()]:
            if old is not None:
                self._retire(old)
        self._review(session.key, kept)

    def of(self, session: Session) -> tuple[LivePage, Session] | None:
        """The live context for *session*, and the one it came from: *session* itself, or a newer one of its key."""
        kept = self._kept.get(session.key)
        if kept is None or not kept.live_page.alive or kept.session.born < session.born:
            return None
        return kept.live_page, kept.session

    def __repr__(self) -> str:
        return f"<Stays {', '.join(key.site for key in self._kept) or 'none'}>"

    async def settled(self) -> None:
        """Return when everything that was to be closed is closed."""
        while self._tasks:
            await asyncio.gather(*self._tasks)

    async def close(self) -> None:
        kept, self._kept = list(self._kept.values()), {}
        for one in kept:
            one.retired = True
            self._spawn(self._end(one))
        await self.settled()

    def _many(self) -> list[_Kept]:
        """Those to give up: not in use, the oldest ones first."""
        unused = [key for key, kept in list(self._kept.items())[:-1] if not kept.live_page.busy]
        return [self._kept.pop(key) for key in unused[: max(0, len(self._kept) - self._most)]]

    def _review(self, key: Key, kept: _Kept) -> None:
        """A request began or ended there, or its page died."""
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
            self._kept[key] = self._kept.pop(key)  # used last

    def _retire(self, kept: _Kept) -> None:
        """No new request goes there; it ends with its last one."""
        kept.retired = True
        if kept.resting is not None:
            kept.resting.cancel()
            kept.resting = None
        if not kept.live_page.busy:
            kept.live_page.changed = lambda: None
            self._spawn(self._end(kept))

    async def _rest(self, key: Key, kept: _Kept) -> None:
        await self._clock.sleep(self._idle)
        kept.resting = None
        if self._kept.get(key) is kept:
            del self._kept[key]
        self._retire(kept)

    async def _end(self, kept: _Kept) -> None:
        if kept.resting is not None:
            kept.resting.cancel()
        kept.live_page.changed = lambda: None
        await kept.live_page.close()
        await kept.exits.aclose()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
