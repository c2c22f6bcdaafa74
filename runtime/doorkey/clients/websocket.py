"""A WebSocket of a client, in aiohttp's manners.

async with wiki.ws_connect("/live") as socket:
    await socket.send_str("hello")
    async for message in socket:
        print(message.data)
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Generator
from types import TracebackType
from typing import Any

import aiohttp

from doorkey.clients.response import Response
from doorkey.engine.answer import Answer
from doorkey.errors import Changed, Cut
from doorkey.transport.websocket import Message, WebSocket

TYPES = {"text": aiohttp.WSMsgType.TEXT, "binary": aiohttp.WSMsgType.BINARY, "pong": aiohttp.WSMsgType.PONG}
LOST = 1006
"""The close code of a WebSocket that ended without a close frame (RFC 6455, section 7.1.5)."""
NO_TEXT = 1007
"""The close code that answers a text which is no UTF-8 (RFC 6455, section 8.1)."""


class ClientWebSocket:
    """An open WebSocket. Pings are answered by itself. `close_code` is None until it has ended."""

    def __init__(self, answer: Answer[bytes], socket: WebSocket) -> None:
        self.headers = answer.head.headers
        self.protocol = socket.subprotocol
        self.renewed = answer.renewed
        self.close_code: int | None = None
        self._answer = answer
        self._socket = socket

    @property
    def closed(self) -> bool:
        return self.close_code is not None

    async def send_str(self, data: str) -> None:
        await self._socket.send(Message("text", data.encode()))

    async def send_bytes(self, data: bytes) -> None:
        await self._socket.send(Message("binary", bytes(data)))

    async def send_json(self, data: Any) -> None:
        await self.send_str(json.dumps(data))

    async def ping(self, message: bytes = b"") -> None:
        await self._socket.send(Message("ping", message))

    async def receive(self) -> aiohttp.WSMessage:
        """Return the next message. At the end its type is CLOSE, with code and reason, or CLOSED for a lost connection
        and everything after the end."""
        if self.closed:
            return aiohttp.WSMessage(aiohttp.WSMsgType.CLOSED, None, None)
        try:
            message = await self._socket.receive()
            while message.kind == "ping":
                await self._socket.send(Message("pong", message.data))
                message = await self._socket.receive()
        except Cut:
            self.close_code = LOST
            return aiohttp.WSMessage(aiohttp.WSMsgType.CLOSED, None, None)
        if message.kind == "close":
            self.close_code = message.code
            await self._socket.close(message.code)
            return aiohttp.WSMessage(aiohttp.WSMsgType.CLOSE, message.code, message.data.decode(errors="replace"))
        if message.kind != "text":
            return aiohttp.WSMessage(TYPES[message.kind], message.data, None)
        try:
            return aiohttp.WSMessage(aiohttp.WSMsgType.TEXT, message.data.decode(), None)
        except UnicodeDecodeError:
            self.close_code = NO_TEXT
            await self._socket.close(NO_TEXT)
            return aiohttp.WSMessage(aiohttp.WSMsgType.CLOSED, None, None)

    async def receive_str(self) -> str:
        """Return the next message, a text. Raises TypeError for another, Cut at the end."""
        return str(await self._receive(aiohttp.WSMsgType.TEXT))

    async def receive_bytes(self) -> bytes:
        """Return the next message, a binary one. Raises TypeError for another, Cut at the end."""
        return bytes(await self._receive(aiohttp.WSMsgType.BINARY))

    async def receive_json(self) -> Any:
        return json.loads(await self.receive_str())

    async def _receive(self, kind: aiohttp.WSMsgType) -> Any:
        message = await self.receive()
        if message.type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED):
            raise Cut(f"the WebSocket has ended (close code {self.close_code})", site=self._answer.site)
        if message.type is not kind:
            raise TypeError(f"expected a {kind.name.lower()} message, received a {message.type.name.lower()} one")
        return message.data

    async def __aiter__(self) -> AsyncIterator[aiohttp.WSMessage]:
        """The messages until the end."""
        while (message := await self.receive()).type not in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED):
            yield message

    async def close(self, *, code: int = 1000, message: bytes = b"") -> None:
        """Close the WebSocket. Does nothing if it has ended."""
        if not self.closed:
            self.close_code = code
            await self._socket.close(code, message)
        await self._answer.aclose()


class PendingWebSocket:
    """A WebSocket to be opened: by `await`, or by `async with`, which also closes it."""

    def __init__(self, open_socket: Callable[[], Awaitable[ClientWebSocket]]) -> None:
        self._open = open_socket
        self._socket: ClientWebSocket | None = None

    def __await__(self) -> Generator[Any, None, ClientWebSocket]:
        return self._open().__await__()

    async def __aenter__(self) -> ClientWebSocket:
        self._socket = await self
        return self._socket

    async def __aexit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        if self._socket is not None:
            await self._socket.close()


async def take_websocket(response: Response) -> ClientWebSocket:
    """Return the WebSocket that *response* opened. Raises SiteError (or a subclass) if the site refused it."""
    answer = response.answer
    if answer.websocket is not None:
        return ClientWebSocket(answer, answer.websocket)
    await response.aclose()
    response.raise_for_status()
    message = f"{answer.site}: {response.method} {response.url.partition('?')[0]} was answered with HTTP"
    raise Changed(f"{message} {response.status}, not with a WebSocket", site=answer.site)
