"""The server of the agents' tools over HTTP, on this machine only."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import TYPE_CHECKING, Any, TypeAlias

from doorkey.errors import ConfigurationError
from doorkey.service.admission import read_keys
from doorkey.service.key import matches

if TYPE_CHECKING:
    from mcp.server.mcpserver import MCPServer

HOST = "127.0.0.1"
PATH = "/mcp"
Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]


def require_key(app: App, key: str) -> App:
    """Return *app* behind *key*, which clients show as `Authorization: Bearer …` or `x-api-key`."""

    async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            headers = {name.decode("latin-1").title(): value.decode("latin-1") for name, value in scope["headers"]}
            headers["x-api-key"] = headers.get("X-Api-Key", "")
            if not any(matches(shown, key) for shown in read_keys(headers)):
                body = {"error": {"code": "invalid_api_key", "message": "the agents' key was expected"}}
                start = [(b"content-type", b"application/json"), (b"www-authenticate", b"Bearer")]
                await send({"type": "http.response.start", "status": 401, "headers": start})
                await send({"type": "http.response.body", "body": json.dumps(body).encode()})
                return
        await app(scope, receive, send)

    return guarded


async def serve_http(server: MCPServer, port: int, key: str, told: Callable[[str], None]) -> None:
    """Serve until the task is cancelled. *told* gets the URL once clients can connect. Port 0 takes a free one.

    The library refuses requests whose Host or Origin is not this machine's. Raises ConfigurationError when the port
    is taken.
    """
    import uvicorn

    app = require_key(server.streamable_http_app(streamable_http_path=PATH, host=HOST), key)
    config = uvicorn.Config(app, host=HOST, port=port, log_config=None, access_log=False, timeout_graceful_shutdown=5)
    config.load()
    # The steps of uvicorn's `serve`, without its signal handlers: the command has its own.
    listening = uvicorn.Server(config)
    listening.lifespan = config.lifespan_class(config)
    try:
        await listening.startup()
    except SystemExit:
        raise ConfigurationError(f"{HOST}:{port} can't be listened on: is it taken? Choose another by --port") from None
    told(f"http://{HOST}:{listening.servers[0].sockets[0].getsockname()[1]}{PATH}")
    try:
        await listening.main_loop()
    finally:
        await listening.shutdown()
