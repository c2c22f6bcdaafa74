"""Limits how many requests a live page sends at once: one, if answers set cookies that others must not send."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Literal

MOST_AT_ONCE = 6
"""Connections that Chromium opens to one host over HTTP/1.1. It would queue further requests unseen."""


class Places:
    """A few places, given out in the order of asking; those who ask for one `first` come before all others."""

    def __init__(self, count: int) -> None:
        self._free = count
        self._first: deque[asyncio.Future[None]] = deque()
        self._others: deque[asyncio.Future[None]] = deque()

    async def acquire(self, *, first: bool = False) -> None:
        if self._free:
            self._free -= 1
            return
        queue = self._first if first else self._others
        turn = asyncio.get_running_loop().create_future()
        queue.append(turn)
        try:
            await turn
        except BaseException:
            if turn in queue:
                queue.remove(turn)
            elif turn.done() and not turn.cancelled():
                self.release()
            raise

    def release(self) -> None:
        for queue in (self._first, self._others):
            while queue:
                turn = queue.popleft()
                if not turn.done():
                    turn.set_result(None)
                    return
        self._free += 1


class SendSlots:
    """The slots of one live page. The first request goes alone: only its answer tells whether answers set cookies.

    A request goes alone from its start until its answer's head has come and the cookies are in order again. Bodies
    change no cookies, so a stream under way neither waits for others nor holds them up.
    """

    def __init__(self, at_once: int = MOST_AT_ONCE) -> None:
        self._places = Places(at_once)
        self._alone = Places(1)
        self._starting = 0
        self._none_starting = asyncio.Event()
        self._none_starting.set()
        self.mode: Literal["unknown", "together", "alone"] = "unknown"

    async def take(self) -> SendSlot:
        """The slot of an ordinary request."""
        slot = await self._acquire()
        if self.mode == "together":
            slot.go_beside_others()
        return slot

    async def take_alone(self) -> SendSlot:
        """The slot of a session check: it comes before all who wait, and goes alone whatever the mode.

        It waits for requests that are being started, as they must not send its cookies; not for their answers.
        """
        slot = await self._acquire(check=True)
        try:
            await self._none_starting.wait()
        except BaseException:
            slot.over()
            raise
        return slot

    async def _acquire(self, *, check: bool = False) -> SendSlot:
        await self._places.acquire(first=check)
        try:
            await self._alone.acquire(first=check)
        except BaseException:
            self._places.release()
            raise
        return SendSlot(self, check=check)

    def give_back_alone(self) -> None:
        self._alone.release()

    def give_back_place(self) -> None:
        self._places.release()

    def count_starting(self, change: int) -> None:
        self._starting += change
        if self._starting:
            self._none_starting.clear()
        else:
            self._none_starting.set()


class SendSlot:
    """The slot of one request. `over` gives it back, once nothing of the request is left on the wire."""

    def __init__(self, slots: SendSlots, *, check: bool) -> None:
        self._slots, self._check = slots, check
        self._held, self._alone, self._starting = True, True, False

    def go_beside_others(self) -> None:
        """Let others start, too. Until `started`, a check waits for this request."""
        self._starting = True
        self._slots.count_starting(1)
        self._end_alone()

    def started(self) -> None:
        """The browser has the request, with its cookies."""
        if self._starting:
            self._starting = False
            self._slots.count_starting(-1)

    def answered(self, *, mixed: bool) -> None:
        """The head has come, and the jar is in order. *mixed*: the answer set cookies that are not the session's."""
        if not self._check and mixed:
            self._slots.mode = "alone"
        elif not self._check and self._slots.mode == "unknown":
            self._slots.mode = "together"
        self._end_alone()

    def over(self) -> None:
        self.started()
        self._end_alone()
        if self._held:
            self._held = False
            self._slots.give_back_place()

    def _end_alone(self) -> None:
        if self._alone:
            self._alone = False
            self._slots.give_back_alone()
