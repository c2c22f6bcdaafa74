"""A body that is read while it is sent, of which as much is kept as sending it again takes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Callable

KEPT = 8 * 1024 * 1024
"""Bytes up to which a body can be sent again."""


class Upload:
    """The bytes of *pieces*, read once, as fast as they are sent. `length`: how many, None when nobody knows yet.

    Iterate it anew for each attempt: what was kept comes first, then what is still to be read. Past *keep* bytes
    nothing is kept any more; then, or when reading failed, `repeatable` is False. `aclose` ends the reading.
    """

    def __init__(self, pieces: AsyncIterable[bytes], length: int | None = None, *, keep: int = KEPT) -> None:
        self.length = length
        self.failure: Exception | None = None
        self.moved: Callable[[], None] | None = None
        """Called at each piece: a slow upload is no answer that fails to come."""
        self._pieces = pieces
        self._source = aiter(pieces)
        self._keep = keep if length is None or length <= keep else 0
        self._kept: list[bytes] = []
        self._held = 0
        self._lost = False
        self._reading: asyncio.Task[bytes | None] | None = None

    @property
    def repeatable(self) -> bool:
        """Whether it can begin (again)."""
        return not self._lost and self.failure is None

    async def __aiter__(self) -> AsyncGenerator[bytes, None]:
        if not self.repeatable:
            raise ValueError("this body was read already, and is too long to be kept")
        at = 0
        while True:
            if at < len(self._kept):
                piece: bytes | None = self._kept[at]
            else:
                piece = await self._next()
                if self.moved is not None:
                    self.moved()
            if piece is None:
                return
            at += 1
            yield piece

    def after(self, start: bytes) -> Upload:
        """This body with *start* before it. They are one body: what was read of either was read of both."""
        return _After(start, self)

    async def aclose(self) -> None:
        """Read no more of it."""
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.wait([self._reading])
        if isinstance(self._pieces, AsyncGenerator):
            await self._pieces.aclose()

    async def _next(self) -> bytes | None:
        # A task of its own: an attempt that is given up must not end the source, which the next one goes on with.
        if self._reading is None:
            self._reading = asyncio.create_task(self._read())
        await asyncio.wait([self._reading])
        if self.failure is not None:
            raise self.failure
        reading, self._reading = self._reading, None
        return reading.result()

    async def _read(self) -> bytes | None:
        try:
            piece = await anext(self._source, None)
        except Exception as error:  # noqa: BLE001 - the caller's own source: its error goes to the caller as it is
            self.failure = error
            return None
        if piece is None or self._lost:
            return piece
        self._held += len(piece)
        if self._held > self._keep:
            self._kept.clear()
            self._lost = True
        else:
            self._kept.append(piece)
        return piece


class _After(Upload):
    """What came to be before a body that only its own reader knows."""

    def __init__(self, start: bytes, rest: Upload) -> None:
        super().__init__(rest, None if rest.length is None else len(start) + rest.length, keep=0)
        self._start = start
        self._rest = rest

    @property
    def repeatable(self) -> bool:
        return self._rest.repeatable

    async def __aiter__(self) -> AsyncGenerator[bytes, None]:
        self._rest.moved = self._told
        yield self._start
        try:
            async for piece in self._rest:
                yield piece
        finally:
            self.failure = self._rest.failure

    def _told(self) -> None:
        if self.moved is not None:
            self.moved()

    async def aclose(self) -> None:
        await self._rest.aclose()
