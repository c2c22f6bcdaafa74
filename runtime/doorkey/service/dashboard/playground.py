"""`POST /dashboard/ask`: a question from the dashboard's playground, answered as lines of JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence

from aiohttp import web

from doorkey.engine.answer import origin_headers
from doorkey.errors import EmptyAnswer
from doorkey.model.chat import Delta, Image
from doorkey.service.access import require_sites
from doorkey.service.answers import data_url
from doorkey.service.body import read_object
from doorkey.service.client_writer import ClientWriter
from doorkey.service.dashboard.dashboard import Dashboard
from doorkey.service.dashboard.viewers import FORM_HEADER
from doorkey.service.failure import Failure
from doorkey.service.middleware import BEGUN, ONCE, Begun
from doorkey.service.openai import parse_chat

LINES = {"Content-Type": "application/x-ndjson", "Cache-Control": "no-store", "X-Accel-Buffering": "no"}


def playground_routes(dashboard: Dashboard, unread: float) -> list[web.RouteDef]:
    async def ask(request: web.Request) -> web.StreamResponse:
        dashboard.viewers.check_form(request, request.headers.get(FORM_HEADER, ""))
        question = parse_chat(await read_object(request))
        require_sites(request, dashboard.runtime.sites_of(question.model))
        if dashboard.runtime.draws(question.model):
            request[ONCE] = True
        answer = await dashboard.runtime.answer(question.model, question.messages, options=question.options)
        writer = ClientWriter(request, unread)
        response = web.StreamResponse(headers=LINES | origin_headers(answer))
        async with answer:
            async for batch in answer.batches():
                if not batch:
                    continue
                if not response.prepared:
                    await response.prepare(request)
                    request[BEGUN] = Begun(response, _write_failure)
                await writer.write(response, _write_lines(batch))
        if not response.prepared:
            raise EmptyAnswer(f"{answer.site}: the answer is empty", site=answer.site)
        await writer.write(response, _line({"end": answer.finish_reason or "stop"}))
        await writer.end(response)
        return response

    return [web.post("/dashboard/ask", ask)]


def _write_lines(batch: Sequence[Delta]) -> bytes:
    return b"".join(_line(_describe(delta)) for delta in batch)


def _describe(delta: Delta) -> dict[str, str]:
    """Return a piece of an answer for the page's script. A picture without data is a link: the page loads nothing."""
    if not isinstance(delta, Image):
        return {"text": delta}
    return {"image": data_url(delta) if delta.data else "", "url": delta.url, "alt": delta.alt}


def _write_failure(failure: Failure) -> bytes:
    return _line({"error": failure.message})


def _line(value: dict[str, str]) -> bytes:
    return json.dumps(value).encode() + b"\n"
