"""A request body that is read while it is sent. A short one is kept, so that it can be sent again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Callable

KEPT = 8 * 1024 * 1024
"""The most bytes that are kept for sending a body again."""


class Upload:
    """The bytes of *pieces*, which are read once, as fast as they are sent. `length` is None if it is not known.

    Iterate over it for each attempt: first come the bytes that were kept, then those that are still to be read. At
    most *keep* bytes are kept. For a longer body, or if reading failed, `repeatable` is False. `aclose` stops reading.
    """

    def __init__(self, pieces: AsyncIterable[bytes], length: int | None = None, *, keep: int = KEPT) -> None:
        self.length = length
        self.failure: Exception | None = None
        self.moved: Callable[[], None] | None = None
        """Called for each piece, so that a slow upload does not count as a late answer."""
        self._pieces = pieces
        self._source = aiter(pieces)
        self._keep = keep if length is None or length <= keep else 0
        self._kept: list[bytes] = []
        self._read_so_far = 0
        self._ended = self._dropped = False
        self._reading: asyncio.Task[None] | None = None

    @property
    def repeatable(self) -> bool:
        """Whether the body can be sent, or sent again, from its start."""
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
        """This body with *start* before it. The two share what has been read."""
        return _After(start, self)

    async def aclose(self) -> None:
        """Stop reading the body."""
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
    """A body with bytes put before it."""

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
