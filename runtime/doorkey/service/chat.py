"""`POST /v1/chat/completions` and `POST /v1/completions`: chats in OpenAI's shape."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

from doorkey.clock import Clock
from doorkey.service.answers import answer_question
from doorkey.service.body import read_object
from doorkey.service.middleware import ID
from doorkey.service.openai import ChatShape, CompletionShape, parse_chat, parse_completion

if TYPE_CHECKING:
    from doorkey.runtime import Runtime


def chat_routes(runtime: Runtime, clock: Clock, unread: float) -> list[web.RouteDef]:
    async def chat(request: web.Request) -> web.StreamResponse:
        question = parse_chat(await read_object(request))
        shape = ChatShape(f"chatcmpl-{request[ID]}", int(clock.wall()), question)
        return await answer_question(request, runtime, question, shape, unread)

    async def complete(request: web.Request) -> web.StreamResponse:
        question = parse_completion(await read_object(request))
        shape = CompletionShape(f"cmpl-{request[ID]}", int(clock.wall()), question)
        return await answer_question(request, runtime, question, shape, unread)

    return [web.post("/v1/chat/completions", chat), web.post("/v1/completions", complete)]
