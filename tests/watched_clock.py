"""A clock by which a test sees that somebody waits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from doorkey.clock import SystemClock


class WatchedClock(SystemClock):
    """Tells each time that somebody sleeps by it."""

    def __init__(self) -> None:
        self.slept = asyncio.Event()

    async def sleep(self, seconds: float) -> None:
        self.slept.set()
        await super().sleep(seconds)

    async def until(self, condition: Callable[[], object]) -> None:
        """Return once *condition* holds; it is asked whenever somebody sleeps."""
        while not condition():
            self.slept.clear()
            await self.slept.wait()
