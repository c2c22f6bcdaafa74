"""The requests under way: how many there may be at a time, who waits, and their end when the service stops."""

from __future__ import annotations

import asyncio
import math
from collections import deque

from doorkey.service.failure import Refusal
from doorkey.service.workers.place import Place

LAST_WORDS = 2.0
"""Seconds that a stopped request has to tell its client so."""
LOOK = 0.05
"""Seconds between two looks of a request that waits at whether one of another worker has ended."""
RECENT = 0.1
"""The share of the latest request in the average of how long one takes."""


class RunningRequests:
    """The requests under way, each by its task. `stop` ends them when the service's time to finish is over.

    At most *at_once* are served at a time; *queue* more may wait, first come, first served. Those of all workers count;
    *place* is this one's.
    """

    def __init__(self, at_once: int, queue: int, place: Place | None = None) -> None:
        self.stops = asyncio.Event()
        """Set when the service is being stopped: answers without an end of their own end then."""
        self.stopped = False
        self._at_once = at_once
        self._most_waiting = queue
        place = place or Place.alone()
        self._worker, self._recheck = place.number, None if place.is_alone else LOOK
        self._under_way, self._waits = place.memory.load.under_way, place.memory.load.waiting
        self._tasks: set[asyncio.Task[object]] = set()
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._took = 0.0

    def __len__(self) -> int:
        return len(self._tasks)

    @property
    def stopping(self) -> bool:
        return self.stops.is_set()

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    @property
    def whole_under_way(self) -> int:
        """The requests of all workers, those that wait included."""
        return sum(self._under_way)

    @property
    def whole_waiting(self) -> int:
        return sum(self._waits)

    @property
    def full(self) -> bool:
        """Whether more are under way than may be, so that a request that is among them already has to wait."""
        return sum(self._under_way) - sum(self._waits) > self._at_once

    def adopt(self, at_once: int, queue: int) -> None:
        """Take over other limits."""
        self._at_once, self._most_waiting = at_once, queue
        self._wake()

    def add(self, task: asyncio.Task[object]) -> bool:
        """Count a request. Return whether more are under way than may be, so that it has to wait for its turn."""
        self._tasks.add(task)
        self._under_way[self._worker] = len(self._tasks)
        return sum(self._under_way) - sum(self._waits) > self._at_once

    def remove(self, task: asyncio.Task[object], took: float) -> None:
        """*took* is the seconds from the request's arrival to its end."""
        self._tasks.discard(task)
        self._under_way[self._worker] = len(self._tasks)
        self._took += RECENT * (took - self._took)
        if self._waiting:
            self._wake()

    async def wait_turn(self) -> None:
        """Wait until an earlier request ends. Raises Refusal 429 if too many wait already."""
        waiting = sum(self._waits)
        if waiting >= self._most_waiting:
            after = max(1, min(60, math.ceil(self._took * (waiting + 1) / self._at_once)))
            raise Refusal(
                429,
                "queue_full",
                f"{self._at_once} requests are under way and {waiting} wait, which is the most "
                "(service.at_once, service.queue); send it again later",
                headers={"Retry-After": str(after)},
            )
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        self._waits[self._worker] = len(self._waiting)
        try:
            while not turn.done():
                await asyncio.wait([turn], timeout=self._recheck)
                self._wake()
        finally:
            if turn in self._waiting:
                self._waiting.remove(turn)
                self._waits[self._worker] = len(self._waiting)

    def _wake(self) -> None:
        """Let those that wait begin, as long as there is place for one more."""
        while self._waiting:
            turn = self._waiting.popleft()
            self._waits[self._worker] = len(self._waiting)
            if self.full:  # counted first, asked then: two workers never both take the last place
                self._waiting.appendleft(turn)
                self._waits[self._worker] = len(self._waiting)
                return
            turn.set_result(None)

    async def drain(self, limit: float) -> None:
        """Wait until no request is under way, at most *limit* seconds, then stop those that are left."""
        self.stops.set()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=limit)
        self.stopped = True
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=LAST_WORDS)
