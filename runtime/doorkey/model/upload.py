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
        self._read_so_far = 0
        self._ended = self._dropped = False
        self._reading: asyncio.Task[None] | None = None

    @property
    def repeatable(self) -> bool:
        """Whether it can begin (again)."""
        return not self._dropped and self.failure is None

    async def __aiter__(self) -> AsyncGenerator[bytes, None]:
        if not self.repeatable:
            raise ValueError("this body was read already, and is too long to be kept")
        at = 0
        while True:
            if at == len(self._kept):
                if self._ended:
                    return
                await self._more()
                if self.moved is not None:
                    self.moved()
                continue
            piece = self._kept[at]
            at += 1
            if self._read_so_far > self._keep:
                del self._kept[:at]
                at, self._dropped = 0, True
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

    async def _more(self) -> None:
        # A task of its own: an attempt that is given up must not end the source, which the next one goes on with. A
        # piece that comes when nobody waits any more is the next one's, as all that was read before it.
        if self.failure is None and (self._reading is None or self._reading.done()):
            self._reading = asyncio.create_task(self._read())
        if self._reading is not None:
            await asyncio.wait([self._reading])
            self._reading.result()
        if self.failure is not None:
            raise self.failure

    async def _read(self) -> None:
        try:
            self._kept.append(await anext(self._source))
        except StopAsyncIteration:
            self._ended = True
        except Exception as error:  # noqa: BLE001 - the caller's own source: its error goes to the caller as it is
            self.failure = error
        else:
            self._read_so_far += len(self._kept[-1])


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
