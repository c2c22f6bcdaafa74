"""`POST /mcp`: the Model Context Protocol, spoken by an ASGI application that the service carries."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeAlias

from aiohttp import web

from doorkey.service.access import ACCESS, Access
from doorkey.service.body import read_whole
from doorkey.service.client_writer import UNREAD, ClientWriter
from doorkey.service.failure import Refusal
from doorkey.service.middleware import BEGUN, Begun

Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
App: TypeAlias = Callable[[Message, Receive, Send], Awaitable[None]]
"""An ASGI application."""
AppOf: TypeAlias = Callable[[Access | None], Awaitable[App]]
"""Returns the application for the rights of a key; None is the service's own key."""
HOP_BY_HOP = (b"connection", b"transfer-encoding", b"keep-alive")


def agent_routes(app_of: AppOf | None) -> list[web.RouteDef]:
    """*app_of* is None where agents are not served."""

    async def answer(request: web.Request) -> web.StreamResponse:
        access = request.get(ACCESS)
        if access is not None and not access.agents:
            raise Refusal(
                403, "not_allowed_for_key",
                f"the key {access.name!r} is not for agents. If it should be, set service.keys.{access.name}.agents",
            )  # fmt: skip
        if app_of is None:
            raise Refusal(404, "not_found", "this service has no tools for agents")
        return await carry(await app_of(access), request)

    return [web.post("/mcp", answer)]


async def carry(app: App, request: web.Request) -> web.StreamResponse:
    """Let the ASGI application *app* answer *request*."""
    came: list[Message] = [{"type": "http.request", "body": await read_whole(request), "more_body": False}]
    writer, responses = ClientWriter(request, UNREAD), list[web.StreamResponse]()

    async def receive() -> Message:
        if not came:
            await asyncio.Event().wait()  # a client that leaves cancels this request
        return came.pop()

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            response = web.StreamResponse(status=message["status"])
            for name, value in message.get("headers", ()):
                if name.lower() not in HOP_BY_HOP:
                    response.headers.add(name.decode("latin-1"), value.decode("latin-1"))
            responses.append(response)
            await response.prepare(request)
            request[BEGUN] = Begun(response, None)
        elif message["type"] == "http.response.body" and message.get("body"):
            await writer.write(responses[0], message["body"])

    await app(_scope(request), receive, send)
    if not responses:
        raise RuntimeError("the agents' tools gave no answer")
    await writer.end(responses[0])
    return responses[0]


def _scope(request: web.Request) -> Message:
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": f"{request.version.major}.{request.version.minor}",
        "method": request.method,
        "scheme": request.scheme,
        "path": request.path,
        "raw_path": request.path.encode(),
        "root_path": "",
        "query_string": request.query_string.encode(),
        "headers": [(name.lower(), value) for name, value in request.raw_headers],
        "client": None,
        "server": None,
    }
