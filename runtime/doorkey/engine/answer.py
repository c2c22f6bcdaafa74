"""An answer that has begun: items as they come, each batch one read of the network."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from doorkey.errors import Blocked, DoorkeyError, EmptyAnswer, name_caller_timeout
from doorkey.model.chat import FinishReason
from doorkey.model.cookies import Change
from doorkey.model.request import Decoder, Head, MiB
from doorkey.model.session import Session
from doorkey.model.verdict import OK, Kind, Verdict
from doorkey.rate.limiter import Slot
from doorkey.transport.stream import Stream
from doorkey.transport.websocket import WebSocket

T = TypeVar("T")
READ_LIMIT = 8 * MiB


@dataclass(slots=True)
class Raw:
    """The decoder of answers that are wanted as they are: bytes in, the same bytes out, and their end is their end."""

    verdict: Verdict | None = None
    finish_reason: FinishReason | None = None

    def feed(self, data: bytes) -> Sequence[bytes]:
        return (data,)

    def close(self) -> Sequence[bytes]:
        self.verdict = OK
        return ()


class Answer(Generic[T]):
    """`head` is the site's, `renewed` how often the session was renewed for it, `transport` what carried it.

    `verdict` is OK, or says why this is the site's refusal: only an answer of `Engine.send` is ever handed out so.
    `cookies` are what the call's answers have set. `by_timeout`: the caller has set the limit on the whole answer.

    Iterate it once, by `batches()` or item by item; leave it by `async with` or `aclose()`, which ends the upstream
    request. A failure on the way is raised from the iteration, after all items that came before it.
    """

    def __init__(
        self,
        site: str,
        head: Head,
        session: Session,
        renewed: int,
        stream: Stream | None = None,
        decoder: Decoder[T] | None = None,
        *,
        first: Sequence[T] = (),
    ) -> None:
        self.site = site
        self.head = head
        self.session = session
        self.renewed = renewed
        self.transport = "direct" if stream is None else stream.transport
        self.verdict = OK
        self.cookies: tuple[Change, ...] = ()
        self.by_timeout = False
        self.on_failed: Callable[[Verdict], DoorkeyError] | None = None
        self._slot: Slot | None = None
        self._stream = stream
        self._decoder = decoder
        self._first = first
        self._chunks: AsyncGenerator[bytes, None] | None = None

    @property
    def waited(self) -> float:
        """Seconds that the call waited for its turn at the site."""
        return 0.0 if self._slot is None else self._slot.waited

    @property
    def finish_reason(self) -> FinishReason | None:
        """Why the site ended the answer, in its own word, once the answer has ended; None where it does not say."""
        return None if self._decoder is None else self._decoder.finish_reason

    def hold(self, slot: Slot) -> None:
        """Take over a place among the calls at the site, which is given back as soon as the answer has ended."""
        self._slot = slot
        if self._stream is None or self._stream.body is not None:
            slot.leave()

    async def begin(self) -> Verdict:
        """Read until the first items or the end; the verdict is OK when there is something to give to the caller."""
        if self._decoder is None or self._stream is None:
            return OK
        self._chunks = self._stream.chunks()
        self._first = await self._next(self._chunks, self._decoder)
        verdict = self._decoder.verdict
        if self._first or verdict is None:
            return OK
        if verdict.kind is Kind.OK:
            if self.finish_reason == "content_filter":
                raise Blocked(f"{self.site}: the site's content filter stopped the answer", site=self.site)
            raise EmptyAnswer(f"{self.site}: the answer is empty", site=self.site)
        return verdict

    async def batches(self) -> AsyncGenerator[Sequence[T], None]:
        """The items, in batches of one read each. Raises DoorkeyError where the answer fails on the way."""
        try:
            if self._first:
                first, self._first = self._first, ()
                yield first
            decoder = self._decoder
            if decoder is None or self._stream is None:
                return
            self._chunks = self._chunks or self._stream.chunks()
            while decoder.verdict is None:
                batch = await self._next(self._chunks, decoder)
                if batch:
                    yield batch
            if decoder.verdict.kind is not Kind.OK:
                if self.on_failed is not None:
                    raise self.on_failed(decoder.verdict)
                raise decoder.verdict.error(self.site, self.head.status)
        finally:
            await self.aclose()

    async def __aiter__(self) -> AsyncIterator[T]:
        async for batch in self.batches():
            for item in batch:
                yield item

    async def read(self: Answer[bytes], limit: int = READ_LIMIT) -> bytes:
        """The whole body, in place of iterating. Raises Changed past *limit* bytes."""
        if self._stream is None:
            raise ValueError("this answer is no stream of bytes")
        body = self._stream.body
        if body is not None and len(body) <= limit and self._stream.websocket is None:
            if self._slot is not None:
                self._slot.leave()
            return body
        try:
            return await self._stream.read(limit)
        except DoorkeyError as error:
            self._explain(error)
            raise
        finally:
            await self.aclose()

    @property
    def websocket(self) -> WebSocket | None:
        """The WebSocket that the request opened. `aclose` ends it without a close frame, if it is still open."""
        return None if self._stream is None else self._stream.websocket

    @property
    def body(self: Answer[bytes]) -> bytes | None:
        """The whole body, where all of it has come already."""
        return None if self._stream is None else self._stream.body

    async def pieces(self: Answer[bytes]) -> AsyncGenerator[bytes, None]:
        """The body as it comes, in place of iterating: one piece for each read of the network."""
        if self._stream is None:
            raise ValueError("this answer is no stream of bytes")
        try:
            async with aclosing(self._stream.chunks()) as chunks:
                async for piece in chunks:
                    yield piece
            if self._slot is not None and self._stream.body is not None:
                self._slot.leave()
        except DoorkeyError as error:
            self._explain(error)
            raise

    def _explain(self, error: DoorkeyError) -> None:
        error.site = error.site or self.site
        if self.by_timeout:
            name_caller_timeout(error)

    async def aclose(self) -> None:
        """End the upstream request, unless the answer was read to its end. May be called twice."""
        if self._slot is not None:
            self._slot.leave()
        if self._stream is not None:
            self._stream.close()
        if self._chunks is not None:
            await self._chunks.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        await self.aclose()

    async def _next(self, chunks: Any, decoder: Decoder[T]) -> Sequence[T]:
        """The next batch that is not empty; after it the decoder's verdict tells whether more may come."""
        try:
            async for chunk in chunks:
                batch = decoder.feed(chunk)
                if batch or decoder.verdict is not None:
                    return batch
            return decoder.close()
        except DoorkeyError as error:
            self._explain(error)
            raise


def origin_headers(answer: Answer[Any]) -> dict[str, str]:
    """Headers that say which site answered, by which transport, after how many renewals and how long a wait."""
    headers = {
        "x-doorkey-site": answer.site,
        "x-doorkey-transport": answer.transport,
        "x-doorkey-renewed": str(answer.renewed),
    }
    if answer.waited:
        headers["x-doorkey-waited"] = f"{answer.waited:.1f}"
    return headers


async def name_timeout(answering: Awaitable[Answer[T]]) -> Answer[T]:
    """*answering*'s answer. Errors of its total limit name the caller's timeout, which that limit is."""
    try:
        answer = await answering
    except DoorkeyError as error:
        name_caller_timeout(error)
        raise
    answer.by_timeout = True
    return answer
