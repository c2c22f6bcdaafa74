"""Answers a question to a model in the shape of one API, whole or as an event stream."""

from __future__ import annotations

import asyncio
import base64
import re
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from aiohttp import web

from doorkey.errors import Changed, EmptyAnswer
from doorkey.model.chat import Delta, Image
from doorkey.model.request import MiB
from doorkey.service.access import ACCESS, require_sites
from doorkey.service.client_writer import ClientWriter
from doorkey.service.cutter import Cutter
from doorkey.service.failure import Failure, Refusal
from doorkey.service.middleware import BEGUN, ONCE, Begun
from doorkey.service.question import Question

if TYPE_CHECKING:
    from doorkey.engine.answer import Answer
    from doorkey.runtime import Runtime

T = TypeVar("T")
HEARTBEAT = "x-doorkey-heartbeat"
"""The header that asks for a comment in a stream after each so many seconds without an event."""
HELD = 32 * MiB
"""Characters of the longest answer that is given whole."""
COMMENT = b": heartbeat\n\n"
STREAM_HEADERS = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-cache",
    "X-Accel-Buffering": "no",
}


@dataclass(frozen=True, slots=True)
class End:
    """How an answer ended. `reason` is stop, length or content_filter; `stop` is the stop text that cut it."""

    reason: str
    tokens: int
    stop: str | None = None


class Shape(Protocol):
    """One API's form of an answer. A new one is made for each."""

    def whole(self, text: str, end: End) -> dict[str, Any]:
        """Return the whole answer."""

    def opening(self) -> bytes:
        """Return the events before the first text."""

    def text(self, text: str) -> bytes:
        """Return the event of one piece of text."""

    def end(self, end: End) -> bytes:
        """Return the last events of an answer that is complete."""

    def failure(self, failure: Failure) -> bytes:
        """Return the last event of a stream that failed on its way."""


async def answer_question(
    request: web.Request, runtime: Runtime, question: Question, shape: Shape, unread: float
) -> web.StreamResponse:
    """Ask a model, and answer *request* in *shape*. A failure before the first text is raised, with its true status."""
    if ACCESS in request:
        require_sites(request, runtime.sites_of(question.model))
    if runtime.draws(question.model):
        request[ONCE] = True
    heartbeat = read_heartbeat(request)
    asking = runtime.answer(question.model, question.messages, options=question.options)
    if question.stream:
        return await _Stream(ClientWriter(request, unread), shape, question, heartbeat).run(asking)
    answer = await asking
    async with answer, aclosing(_read_texts(answer, question)) as texts:
        pieces: list[str] = []
        held = 0
        async for text in texts:
            if isinstance(text, End):
                return web.json_response(shape.whole("".join(pieces), text), headers=_headers(answer, question))
            held += len(text)
            if held > HELD:
                raise Changed(f"the answer is longer than {HELD} characters; ask for it as a stream", site=answer.site)
            pieces.append(text)
    raise AssertionError("texts end with an End")


def read_heartbeat(request: web.Request) -> float | None:
    """Return the seconds after which a comment is wanted. Raises Refusal for a value that is no such number."""
    given = request.headers.get(HEARTBEAT)
    if given is None:
        return None
    if not re.fullmatch(r"\d{1,3}(\.\d+)?", given) or not 1 <= float(given) <= 300:
        raise Refusal(400, "invalid_header", f"{HEARTBEAT} must be a number of seconds from 1 to 300")
    return float(given)


def origin_headers(answer: Answer[Any]) -> dict[str, str]:
    """Return headers that say which site answered, by which transport, after how many renewals and how long a wait."""
    headers = {
        "x-doorkey-site": answer.site,
        "x-doorkey-transport": answer.transport,
        "x-doorkey-renewed": str(answer.renewed),
    }
    if answer.waited:
        headers["x-doorkey-waited"] = f"{answer.waited:.1f}"
    return headers


def _headers(answer: Answer[Any], question: Question) -> dict[str, str]:
    return origin_headers(answer) | _ignored(question)


def _ignored(question: Question) -> dict[str, str]:
    return {"x-doorkey-ignored": ", ".join(question.ignored)} if question.ignored else {}


class EventResponse(web.StreamResponse):
    """An event stream whose head goes out together with its first event: one packet, and one wake of the client."""

    _send_headers_immediately = False


class _Stream:
    """One streamed answer on its way to the client."""

    def __init__(self, writer: ClientWriter, shape: Shape, question: Question, heartbeat: float | None) -> None:
        self._writer = writer
        self._shape = shape
        self._question = question
        self._heartbeat = heartbeat
        self._response = EventResponse(headers=STREAM_HEADERS | _ignored(question))

    async def run(self, asking: Coroutine[Any, Any, Answer[Delta]]) -> web.StreamResponse:
        answer = await self._wait(asking, _close)
        self._response.headers.update(origin_headers(answer))
        opening = self._shape.opening()
        async with answer, aclosing(_read_texts(answer, self._question)) as texts:
            while True:
                text = await self._wait(anext(texts))
                await self._begin()
                if isinstance(text, End):
                    await self._writer.end(self._response, opening + self._shape.end(text))
                    return self._response
                await self._writer.write(self._response, opening + self._shape.text(text))
                opening = b""

    async def _begin(self) -> None:
        # Not before the first text: a failure until then still gets its true status.
        if not self._response.prepared:
            await self._response.prepare(self._writer.request)
            self._writer.request[BEGUN] = Begun(self._response, self._shape.failure)

    async def _wait(self, coming: Awaitable[T], discard: Callable[[T], Awaitable[None]] | None = None) -> T:
        """Return what *coming* gives. Comments go out meanwhile if they were asked for; the first sends the status."""
        if self._heartbeat is None:
            return await coming
        task = asyncio.ensure_future(coming)
        try:
            while not (await asyncio.wait([task], timeout=self._heartbeat))[0]:
                await self._begin()
                await self._writer.write(self._response, COMMENT)
            return task.result()
        except BaseException:
            task.cancel()
            await asyncio.wait([task])
            if discard is not None and not task.cancelled() and task.exception() is None:
                await discard(task.result())
            raise


async def _close(answer: Answer[Delta]) -> None:
    await answer.aclose()


async def _read_texts(answer: Answer[Delta], question: Question) -> AsyncGenerator[str | End, None]:
    """Yield the answer's text, one piece for each batch that has some, then its End. Raises EmptyAnswer for none."""
    cutter, came = Cutter(question.stop, question.max_tokens), False
    batches: AsyncIterator[Sequence[Delta]]
    async with aclosing(answer.batches()) as batches:  # type: ignore[type-var]  # an async generator, typed as iterator
        async for batch in batches:
            text = cutter.feed(_join(batch))
            came = came or bool(text)
            if text:
                yield text
            if cutter.reason is not None:
                break
    text = cutter.rest()
    if text:
        yield text
    elif not came and cutter.reason is None:
        raise EmptyAnswer(f"{answer.site}: the answer is empty", site=answer.site)
    yield End(cutter.reason or answer.finish_reason or "stop", cutter.tokens, cutter.stop)


def _join(batch: Sequence[Delta]) -> str:
    return "".join(_write_markdown(delta) if isinstance(delta, Image) else delta for delta in batch)


def _write_markdown(image: Image) -> str:
    """Return a picture as Markdown: its URL at the site if there is one, else the picture itself."""
    alt = re.sub(r"[\[\]()\s]+", " ", image.alt).strip() or "image"
    return f"![{alt}]({image.url or data_url(image)})"


def data_url(image: Image) -> str:
    return f"data:{image.media_type or 'image/png'};base64,{base64.b64encode(image.data).decode()}"
