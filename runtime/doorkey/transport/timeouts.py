"""Limits on waiting: one timer of the event loop serves all who wait, as nearly all waits end long before theirs."""

from __future__ import annotations

import asyncio
from functools import cached_property
from types import TracebackType

from doorkey.errors import TimeLimit
from doorkey.model.upload import Upload


class Timeouts:
    """The waits under way in one event loop. Starts no timer before the first."""

    def __init__(self) -> None:
        self.open: set[Timeout] = set()
        self.rings = float("inf")
        self._timer: asyncio.TimerHandle | None = None

    @cached_property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The loop that all of them run in. Python asks the system for the process at each look for it."""
        return asyncio.get_running_loop()

    def ring_at(self, at: float) -> None:
        self.close()
        self.rings = at
        self._timer = self.loop.call_at(at, self._ring)

    def close(self) -> None:
        """Stop the timer: what still waits then waits without a limit."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer, self.rings = None, float("inf")

    def _ring(self) -> None:
        """End the waits that are over; the others, begun or moved on since, get their turn."""
        self._timer, self.rings = None, float("inf")
        now = self.loop.time()
        for wait in [wait for wait in self.open if wait.at <= now]:
            self.open.discard(wait)
            wait.end()
        if self.open:
            self.ring_at(min(wait.at for wait in self.open))


class Timeout:
    """A block of the current task that may take *limit* seconds, and no longer than until *deadline* (loop time).

    Raises TimeLimit, which names *what* was waited for, or "total" at the deadline. While *upload* moves, *limit*
    begins anew.
    """

    def __init__(self, waits: Timeouts, what: str, limit: float, deadline: float, upload: Upload | None = None) -> None:
        self._waits = waits
        self._what = what
        self._limit = limit
        self._deadline = deadline
        self._upload = upload
        self._over = False

    def __enter__(self) -> None:
        waits = self._waits
        loop = waits.loop
        task = asyncio.current_task(loop)
        if task is None:
            raise RuntimeError("only a task can wait")
        self._task = task
        self._cancelling = task.cancelling()
        self._began = began = loop.time()
        self.at = min(began + self._limit, self._deadline)
        if self._upload is not None:
            self._upload.moved = self._moved
        waits.open.add(self)
        if self.at < waits.rings:
            waits.ring_at(self.at)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._waits.open.discard(self)
        if self._upload is not None:
            self._upload.moved = None
        # Somebody else's cancellation at the same moment goes before ours (as in asyncio.timeout).
        if self._over and self._task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
            if self.at == self._deadline:
                left = round(max(0.0, self._deadline - self._began), 3)
                raise TimeLimit("total", left, setting="limits.total") from None
            setting = f"limits.{self._what.replace(' ', '_')}"
            raise TimeLimit(self._what, self._limit, setting=setting) from None

    def end(self) -> None:
        self._over = True
        self._task.cancel()

    def _moved(self) -> None:
        self.at = min(self._waits.loop.time() + self._limit, self._deadline)
