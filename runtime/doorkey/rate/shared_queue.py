"""The queues at sites that the processes of one store wait in together: a site sees one doorkey."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

from doorkey.clock import Clock
from doorkey.errors import DoorkeyError
from doorkey.rate.site_queue import KEPT, Admission, SiteQueue, read_queue, write_queue
from doorkey.shared_notes import SharedTexts

log = logging.getLogger("doorkey.rate")


class SharedQueues:
    """The queues by their places: one for each site and origin.

    While the texts can't be reached, each process keeps the limits by itself.
    """

    def __init__(self, texts: SharedTexts, clock: Clock) -> None:
        self._texts = texts
        self._clock = clock
        self._inside: dict[str, set[str]] = {}
        self._heart: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._away = False

    async def enter(self, place: str, token: str, at_once: int, step: float) -> Admission:
        """Ask whether the call *token* may begin; see `SiteQueue.enter`."""
        admission = await self._take(place, lambda queue, wall: queue.enter(token, at_once, step, wall))
        if admission.wait <= 0:
            self._inside.setdefault(place, set()).add(token)
            if self._heart is None or self._heart.done():
                self._heart = asyncio.create_task(self._beat(), name="queues at sites")
        return admission

    async def take_token(self, place: str, step: float) -> Admission:
        """Ask whether a request without a place may begin; see `SiteQueue.take_token`."""
        return await self._take(place, lambda queue, wall: queue.take_token(step, wall))

    def leave(self, place: str, token: str) -> None:
        """Tell, in the background, that the call has ended or waits no longer."""
        tokens = self._inside.get(place, set())
        tokens.discard(token)
        if not tokens:
            self._inside.pop(place, None)
        self._start(self._tell(place, lambda queue, wall: queue.leave(token)))

    def begin_rest(self, place: str, length: float, kind: str, detail: str) -> None:
        """Tell, in the background, that the site wants no requests for *length* seconds."""
        self._start(self._tell(place, lambda queue, wall: queue.begin_rest(length, kind, detail, wall)))

    async def close(self) -> None:
        """Give back the places that are still held."""
        if self._heart is not None:
            self._heart.cancel()
            await asyncio.gather(self._heart, return_exceptions=True)
        for place, tokens in list(self._inside.items()):
            for token in list(tokens):
                self.leave(place, token)
        await asyncio.gather(*self._tasks)

    async def _beat(self) -> None:
        while self._inside:
            await self._clock.sleep(KEPT / 3)
            for place, tokens in list(self._inside.items()):
                alive = tuple(tokens)
                await self._tell(place, lambda queue, wall, alive=alive: queue.keep(alive, wall))  # type: ignore[misc]

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _tell(self, place: str, change: Callable[[SiteQueue, float], SiteQueue]) -> None:
        await self._take(place, lambda queue, wall: (change(queue, wall), Admission(0.0)))

    async def _take(self, place: str, step: Callable[[SiteQueue, float], tuple[SiteQueue, Admission]]) -> Admission:
        def decide(text: str, wall: float) -> tuple[str | None, Admission]:
            queue, admission = step(read_queue(text), wall)
            written = write_queue(queue)
            return (written if written != text else None), admission

        try:
            admission = await self._texts.share(f"queue {place}", decide)
        except DoorkeyError as error:
            if not self._away:
                log.warning("the limits of sites are kept by this process alone now: %s", error.message)
            self._away = True
            return Admission(0.0)
        self._away = False
        return admission
