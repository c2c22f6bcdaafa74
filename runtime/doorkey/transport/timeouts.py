"""Timeouts for blocks of code. All of a loop share one timer, as nearly all blocks end long before their limit."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from functools import cached_property
from types import TracebackType
from typing import Any

from doorkey.errors import TimeLimit
from doorkey.model.upload import Upload


class Timeouts:
    """The timeouts that are running in one event loop. No timer runs while there are none."""

    def __init__(self) -> None:
        self.open: set[Timeout] = set()
        self.rings = float("inf")
        self._timer: asyncio.TimerHandle | None = None

    @cached_property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The running loop. It is kept, as each `get_running_loop` asks the system for the process id."""
        return asyncio.get_running_loop()

    def ring_at(self, at: float) -> None:
        self.close()
        self.rings = at
        self._timer = self.loop.call_at(at, self._ring)

    def close(self) -> None:
        """Stop the timer. Blocks that are still running have no limit from now on."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer, self.rings = None, float("inf")

    def _ring(self) -> None:
        """End the blocks whose time is over, and set the timer for the next one."""
        self._timer, self.rings = None, float("inf")
        now = self.loop.time()
        for wait in [wait for wait in self.open if wait.at <= now]:
            self.open.discard(wait)
            wait.end()
        if self.open:
            self.ring_at(min(wait.at for wait in self.open))


@dataclass(slots=True, eq=False)
class Timeout:
    """Limits a block of the current task to *limit* seconds, and to the loop's time *deadline*.

    Raises TimeLimit, which names *what* the block waited for, or "total" if the deadline has come. Each piece that
    *upload* sends begins the limit anew.
    """

    waits: Timeouts
    what: str
    limit: float
    deadline: float
    upload: Upload | None = None
    at: float = field(init=False)
    _began: float = field(init=False)
    _task: asyncio.Task[Any] = field(init=False)
    _cancelling: int = field(init=False)
    _over: bool = field(init=False, default=False)

    def __enter__(self) -> None:
        waits = self.waits
        loop = waits.loop
        task = asyncio.current_task(loop)
        if task is None:
            raise RuntimeError("a timeout needs a running task")
        self._task = task
        self._cancelling = task.cancelling()
        self._began = began = loop.time()
        self.at = min(began + self.limit, self.deadline)
        if self.upload is not None:
            self.upload.moved = self._moved
        waits.open.add(self)
        if self.at < waits.rings:
            waits.ring_at(self.at)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.waits.open.discard(self)
        if self.upload is not None:
            self.upload.moved = None
        # A cancellation from elsewhere at the same moment takes precedence, as in asyncio.timeout.
        if self._over and self._task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
            if self.at == self.deadline:
                left = round(max(0.0, self.deadline - self._began), 3)
                raise TimeLimit("total", left, setting="limits.total") from None
            setting = f"limits.{self.what.replace(' ', '_')}"
            raise TimeLimit(self.what, self.limit, setting=setting) from None

    def end(self) -> None:
        self._over = True
        self._task.cancel()

    def _moved(self) -> None:
        self.at = min(self.waits.loop.time() + self.limit, self.deadline)
