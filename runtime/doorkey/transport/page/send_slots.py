"""Limits how many requests a live page sends at once: one, if answers set cookies that others must not send."""

from __future__ import annotations

import asyncio
from typing import Literal

MOST_AT_ONCE = 6
"""Connections that Chromium opens to one host over HTTP/1.1. It would queue further requests unseen."""


class SendSlots:
    """The slots of one live page. The first request goes alone: only its answer tells whether answers set cookies."""

    def __init__(self, at_once: int = MOST_AT_ONCE) -> None:
        self._places = asyncio.Semaphore(at_once)
        self._alone = asyncio.Lock()
        self.mode: Literal["unknown", "together", "alone"] = "unknown"

    async def take(self) -> SendSlot:
        await self._places.acquire()
        try:
            if self.mode == "together":
                return SendSlot(self, alone=False)
            await self._alone.acquire()
        except BaseException:
            self._places.release()
            raise
        turn = SendSlot(self, alone=True)
        turn.go_on()
        return turn

    def give_back(self, *, alone: bool) -> None:
        if alone:
            self._alone.release()
        else:
            self._places.release()


class SendSlot:
    """The slot of one request. `over` gives it back, once nothing of the request is left on the wire."""

    def __init__(self, turns: SendSlots, *, alone: bool) -> None:
        self._turns, self._alone, self._held = turns, alone, True

    def answered(self, *, mixed: bool) -> None:
        """The answer's head has come. *mixed*: it set cookies that are not the session's."""
        if mixed:
            self._turns.mode = "alone"
        elif self._turns.mode == "unknown":
            self._turns.mode = "together"
        self.go_on()

    def go_on(self) -> None:
        """Let other requests go beside this one, if that is known to be harmless."""
        if self._alone and self._turns.mode == "together":
            self._alone = False
            self._turns.give_back(alone=True)

    def over(self) -> None:
        if self._held:
            self._held = False
            self._turns.give_back(alone=False)
            if self._alone:
                self._turns.give_back(alone=True)
