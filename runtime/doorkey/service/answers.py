"""Answers a question to a model in the shape of one API, whole or as an event stream."""

from __future__ import annotations

import asyncio
import base64
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from aiohttp import web

from doorkey.engine.answer import Answer, origin_headers
from doorkey.errors import Changed, DoorkeyError, EmptyAnswer
from doorkey.model.chat import Delta, Image
from doorkey.model.request import MiB
from doorkey.service.access import ACCESS, require_sites
from doorkey.service.client_writer import ClientWriter
from doorkey.service.cutter import Cutter
from doorkey.service.failure import Failure, Refusal
from doorkey.service.middleware import BEGUN, ONCE, PLAIN, Begun
from doorkey.service.question import BYTES_PER_TOKEN, Question

if TYPE_CHECKING:
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
    if len(request) > PLAIN and ACCESS in request:
        require_sites(request, runtime.sites_of(question.model))
    heartbeat = read_heartbeat(request) if HEARTBEAT in request.headers else None
    try:
        asking = runtime.answer(question.model, question.messages, options=question.options)
        if question.stream:
            return await _Stream(ClientWriter(request, unread), shape, question, heartbeat).run(asking)
        return await _answer_whole(await asking, shape, question)
    except DoorkeyError:
        if runtime.draws(question.model):
            request[ONCE] = True
        raise


async def _answer_whole(answer: Answer[Delta], shape: Shape, question: Question) -> web.Response:
    texts, pieces, held = _Texts(answer, question), [], 0
    async with aclosing(answer), aclosing(answer.batches()) as batches:
        while (text := await texts.read(batches)) is not None:
            held += len(text)
            if held > HELD:
                raise Changed(f"the answer is longer than {HELD} characters; ask for it as a stream", site=answer.site)
            pieces.append(text)
    rest, end = texts.end()
    return web.json_response(shape.whole("".join(pieces) + rest, end), headers=_headers(answer, question))


def read_heartbeat(request: web.Request) -> float | None:
    """Return the seconds after which a comment is wanted. Raises Refusal for a value that is no such number."""
    given = request.headers.get(HEARTBEAT)
    if given is None:
        return None
    if not re.fullmatch(r"\d{1,3}(\.\d+)?", given) or not 1 <= float(given) <= 300:
        raise Refusal(400, "invalid_header", f"{HEARTBEAT} must be a number of seconds from 1 to 300")
    return float(given)


def _headers(answer: Answer[Any], question: Question) -> dict[str, str]:
    headers = origin_headers(answer)
    return headers | _ignored(question) if question.ignored else headers


def _ignored(question: Question) -> dict[str, str]:
    return {"x-doorkey-ignored": ", ".join(question.ignored)}


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
        self._response = EventResponse(headers=STREAM_HEADERS)

    async def run(self, asking: Coroutine[Any, Any, Answer[Delta]]) -> web.StreamResponse:
        response, writer, shape, patient = self._response, self._writer, self._shape, self._heartbeat is None
        answer = await (asking if patient else self._wait(asking, _close))
        response.headers.update(_headers(answer, self._question))
        opening, texts = shape.opening(), _Texts(answer, self._question)
        async with aclosing(answer), aclosing(answer.batches()) as batches:
            while True:
                coming = texts.read(batches)
                text = await (coming if patient else self._wait(coming))
                if text is None:
                    break
                if not response.prepared:
                    await self._begin()
                await writer.write(response, opening + shape.text(text))
                opening = b""
        rest, end = texts.end()
        if not response.prepared:
            await self._begin()
        if rest:
            await writer.write(response, opening + shape.text(rest))
            opening = b""
        await writer.end(response, opening + shape.end(end))
        return response

    async def _begin(self) -> None:
        # Not before the first text: a failure until then still gets its true status.
        await self._response.prepare(self._writer.request)
        self._writer.request[BEGUN] = Begun(self._response, self._shape.failure)

    async def _wait(self, coming: Awaitable[T], discard: Callable[[T], Awaitable[None]] | None = None) -> T:
        """Return what *coming* gives. Comments go out meanwhile if they were asked for; the first sends the status."""
        task = asyncio.ensure_future(coming)
        try:
            while not (await asyncio.wait([task], timeout=self._heartbeat))[0]:
                if not self._response.prepared:
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


class _Texts:
    """The text of *answer*, cut where *question* says so."""

    def __init__(self, answer: Answer[Delta], question: Question) -> None:
        self._answer = answer
        cuts = question.stop or question.max_tokens is not None
        self._cutter = Cutter(question.stop, question.max_tokens) if cuts else None
        self._bytes = 0

    async def read(self, batches: AsyncIterator[Sequence[Delta]]) -> str | None:
        """Return the next text that is not empty, of one batch; None once the answer has ended or is cut."""
        cutter = self._cutter
        if cutter is not None and cutter.reason is not None:
            return None
        async for batch in batches:
            text = ""
            for delta in batch:
                text += _write_markdown(delta) if isinstance(delta, Image) else delta
            if cutter is not None:
                text = cutter.feed(text)
            self._bytes += len(text.encode("utf-8", "surrogatepass"))
            if text:
                return text
            if cutter is not None and cutter.reason is not None:
                break
        return None

    def end(self) -> tuple[str, End]:
        """Return the text that was held back, and how the answer ended. Raises EmptyAnswer if it had no text."""
        cutter, rest = self._cutter, ""
        if cutter is not None:
            rest = cutter.rest()
            self._bytes += len(rest.encode("utf-8", "surrogatepass"))
        reason, stop = (None, None) if cutter is None else (cutter.reason, cutter.stop)
        if not self._bytes and reason is None:
            site = self._answer.site
            raise EmptyAnswer(f"{site}: the answer is empty", site=site)
        tokens = -(-self._bytes // BYTES_PER_TOKEN)
        return rest, End(reason or self._answer.finish_reason or "stop", tokens, stop)


def _write_markdown(image: Image) -> str:
    """Return a picture as Markdown: its URL at the site if there is one, else the picture itself."""
    alt = re.sub(r"[\[\]()\s]+", " ", image.alt).strip() or "image"
    return f"![{alt}]({image.url or data_url(image)})"


def data_url(image: Image) -> str:
    return f"data:{image.media_type or 'image/png'};base64,{base64.b64encode(image.data).decode()}"
