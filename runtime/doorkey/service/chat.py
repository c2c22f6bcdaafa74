"""`POST /v1/chat/completions`: answers a chat, whole or as a stream."""

from __future__ import annotations

import base64
import re
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from aiohttp import web

from doorkey.clock import Clock
from doorkey.errors import EmptyAnswer
from doorkey.model.chat import Delta, Image
from doorkey.service.body import read_object
from doorkey.service.client_writer import ClientWriter
from doorkey.service.cutter import Cutter
from doorkey.service.failure import Failure
from doorkey.service.middleware import BEGUN, ID, ONCE, Begun
from doorkey.service.openai import ChatRequest, Chunks, parse_chat, usage, whole

if TYPE_CHECKING:
    from doorkey.engine.answer import Answer
    from doorkey.runtime import Runtime


def chat_routes(runtime: Runtime, clock: Clock, unread: float) -> list[web.RouteDef]:
    async def complete(request: web.Request) -> web.StreamResponse:
        asked = parse_chat(await read_object(request))
        if runtime.draws(asked.model):
            request[ONCE] = True
        answer = await runtime.answer(asked.model, asked.messages, options=asked.options)
        async with answer, aclosing(_texts(answer, Cutter(asked.stop, asked.max_tokens))) as texts:
            head = {"id": f"chatcmpl-{request[ID]}", "created": int(clock.wall()), "model": asked.model}
            if asked.stream:
                return await _stream(ClientWriter(request, unread), asked, answer, texts, head)
            return await _whole(asked, answer, texts, head)

    return [web.post("/v1/chat/completions", complete)]


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


class End:
    """The last item of an answer's texts: why it ended, and how long it was."""

    def __init__(self, answer: Answer[Delta], cutter: Cutter) -> None:
        self.reason = cutter.reason or answer.finish_reason or "stop"
        self.tokens = cutter.tokens


async def _texts(answer: Answer[Delta], cutter: Cutter) -> AsyncGenerator[str | End, None]:
    """Yield the answer's text, one piece for each batch that has some, then its End. Raises EmptyAnswer for none."""
    came = False
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
    yield End(answer, cutter)


async def _whole(
    asked: ChatRequest, answer: Answer[Delta], texts: AsyncIterator[str | End], head: dict[str, Any]
) -> web.Response:
    pieces: list[str] = []
    reason, count = "stop", 0
    async for text in texts:
        if isinstance(text, End):
            reason, count = text.reason, text.tokens
        else:
            pieces.append(text)
    body = whole(head, "".join(pieces), reason, usage(asked.prompt_tokens, count))
    return web.json_response(body, headers={**origin_headers(answer), **asked.headers})


async def _stream(
    writer: ClientWriter,
    asked: ChatRequest,
    answer: Answer[Delta],
    texts: AsyncIterator[str | End],
    head: dict[str, Any],
) -> web.StreamResponse:
    chunks = Chunks(head, include_usage=asked.include_usage)
    response = web.StreamResponse(
        headers={
            "Content-Type": "text/event-stream; charset=utf-8",
            "Cache-Control": "no-cache",
            "X-Accel-Buffering": "no",
            **origin_headers(answer),
            **asked.headers,
        }
    )
    opening = chunks.role()
    async for text in texts:
        if not response.prepared:
            # Not earlier: a failure before the first text still gets its true status.
            await response.prepare(writer.request)
            writer.request[BEGUN] = Begun(response, Failure.event)
        if isinstance(text, End):
            counted = usage(asked.prompt_tokens, text.tokens)
            await writer.write(response, opening + chunks.end(text.reason, counted))
        else:
            await writer.write(response, opening + chunks.text(text))
        opening = b""
    await writer.end(response)
    return response


def _join(batch: Sequence[Delta]) -> str:
    return "".join(_markdown(delta) if isinstance(delta, Image) else delta for delta in batch)


def _markdown(image: Image) -> str:
    """Return a picture as Markdown: its URL at the site if there is one, else the picture itself."""
    alt = re.sub(r"[\[\]()\s]+", " ", image.alt).strip() or "image"
    return f"![{alt}]({image.url or data_url(image)})"


def data_url(image: Image) -> str:
    return f"data:{image.media_type or 'image/png'};base64,{base64.b64encode(image.data).decode()}"
