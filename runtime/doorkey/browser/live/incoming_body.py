"""A body as it comes in from a page: fed by events, read like aiohttp's own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from doorkey.errors import DoorkeyError


class IncomingBody:
    """What was fed and not read yet. `taken` is told how many bytes a reader took."""

    def __init__(self, taken: Callable[[int], None]) -> None:
        self._taken = taken
        self._pieces: list[bytes] = []
        self._changed = asyncio.Event()
        self._failure: DoorkeyError | None = None
        self.ended = False

    def feed(self, data: bytes) -> None:
        if data and not self.ended:
            self._pieces.append(data)
            self._changed.set()

    def end(self, failure: DoorkeyError | None = None) -> None:
        """No more comes. *failure* is raised once all that came before it was read."""
        if not self.ended:
            self.ended, self._failure = True, failure
            self._changed.set()

    def at_eof(self) -> bool:
        return self.ended and not self._pieces and self._failure is None

    def read_nowait(self) -> bytes:
        if not self._pieces:
            if self._failure is not None:
                raise self._failure.again()
            return b""
        data = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        self._pieces.clear()
        self._taken(len(data))
        return data

    async def readany(self) -> bytes:
        while not self._pieces and not self.ended:
            self._changed.clear()
            await self._changed.wait()
        return self.read_nowait()
