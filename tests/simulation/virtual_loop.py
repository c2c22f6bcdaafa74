"""A deterministic event loop: virtual time, and callbacks in an order that a seed draws."""

from __future__ import annotations

import asyncio
import random
import selectors
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")
MOST_STEPS = 400_000
MOST_AT_ONCE = 50_000
"""Steps of the loop, or looks at the clock in one of them, while no time passes."""


class Stranded(Exception):
    """Somebody waits, and nothing will ever happen."""


class VirtualSelector(selectors.SelectSelector):
    """Lets time pass in place of waiting for sockets, of which there are none."""

    passed: Callable[[float], None]

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None:
            raise Stranded("a task waits for ever")
        if timeout > 0:
            self.passed(timeout)
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """Time passes only when nothing is left to do. Threads are not started: their work is done at once."""

    def __init__(self, seed: int) -> None:
        self._virtual, self._steps, self._order = 1000.0, 0, random.Random(seed)
        self._at_once = 0
        selector = VirtualSelector()
        selector.passed = self._pass
        super().__init__(selector)

    def _pass(self, seconds: float) -> None:
        self._virtual += seconds
        self._at_once = 0

    def look(self) -> float:
        """The time, for the clock. Who looks again and again, and lets no time pass, goes round for ever."""
        self._at_once += 1
        if self._at_once > MOST_AT_ONCE:
            raise Stranded("it goes round, and no time passes")
        return self._virtual

    def time(self) -> float:
        return self._virtual

    def run_in_executor(self, executor: Any, func: Callable[..., T], *args: Any) -> asyncio.Future[T]:  # type: ignore[override]
        future: asyncio.Future[T] = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:  # noqa: BLE001 - as an executor hands it over
            future.set_exception(error)
        return future

    def _run_once(self) -> None:
        self._steps += 1
        self._at_once += 1
        if self._steps > MOST_STEPS or self._at_once > MOST_AT_ONCE:
            raise Stranded("it goes on for ever")
        ready: deque[Any] = self._ready  # type: ignore[attr-defined]  # asyncio's own queue
        order = list(ready)
        self._order.shuffle(order)
        ready.clear()
        ready.extend(order)
        super()._run_once()  # type: ignore[misc]


class VirtualClock:
    """Keeps the contract of doorkey.clock.Clock by the loop's time."""

    def now(self) -> float:
        loop = asyncio.get_running_loop()
        return loop.look() if isinstance(loop, VirtualLoop) else loop.time()

    def wall(self) -> float:
        return 1_700_000_000.0 + self.now()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


def simulate(seed: int, work: Coroutine[Any, Any, T]) -> T:
    """What *work* returns on a loop of its own."""
    loop = VirtualLoop(seed)
    try:
        return loop.run_until_complete(work)
    finally:
        loop.close()
