"""The body of an answer that a page receives: DevTools events fill it, and it is read like aiohttp's own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from doorkey.errors import DoorkeyError


class IncomingBody:
    """A buffer of bytes. `on_read` is called with the number of bytes that a reader took."""

    def __init__(self, on_read: Callable[[int], None]) -> None:
        self._on_read = on_read
        self._pieces: list[bytes] = []
        self._changed = asyncio.Event()
        self._failure: DoorkeyError | None = None
        self.ended = False

    def feed(self, data: bytes) -> None:
        if data and not self.ended:
            self._pieces.append(data)
            self._changed.set()

    def end(self, failure: DoorkeyError | None = None) -> None:
        """Mark the end. *failure* is raised once all bytes before it were read."""
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
        self._on_read(len(data))
        return data

    async def readany(self) -> bytes:
        while not self._pieces and not self.ended:
            self._changed.clear()
            await self._changed.wait()
        return self.read_nowait()
