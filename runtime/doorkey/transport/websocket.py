"""A WebSocket to a site: messages both ways, until one side closes it."""

from __future__ import annotations

import ssl
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import aiohttp
from yarl import URL

from doorkey.errors import Cut, SiteDown
from doorkey.model.request import MiB

LARGEST = 64 * MiB
"""Bytes of the longest message that is held. A longer one closes the WebSocket with code 1009."""
CLOSING = 5.0
"""Seconds for which the other side's answer to a close frame is waited for."""
DEFLATE = 15
"""The window that is offered for permessage-deflate, as browsers offer it."""
NO_STATUS = 1005
"""What stands for the code of a close frame that has none (RFC 6455, section 7.1.5). It is never sent."""

Kind = Literal["text", "binary", "ping", "pong", "close"]


@dataclass(frozen=True, slots=True)
class Message:
    """One frame or message. `data` is UTF-8 in a text; `code` and `data` (the reason) are those of a close frame."""

    kind: Kind
    data: bytes = field(default=b"", repr=False)
    code: int = NO_STATUS


class WebSocket(Protocol):
    """An open WebSocket. One task may receive while another sends."""

    @property
    def subprotocol(self) -> str | None:
        """The subprotocol that the site chose."""

    async def receive(self) -> Message:
        """Return the next message, pings and pongs included. After a "close" nothing more comes.

        Raises Cut if the connection is lost, or if the site breaks the protocol.
        """

    async def send(self, message: Message) -> None:
        """Send *message*. Raises SiteDown if the connection is lost. A "close" is sent as `close` sends it."""

    async def close(self, code: int = 1000, reason: bytes = b"") -> None:
        """Send a close frame and end the connection. Does nothing on a WebSocket that has ended."""

    def abort(self) -> None:
        """End the connection without a close frame."""


KINDS: dict[aiohttp.WSMsgType, Kind] = {
    aiohttp.WSMsgType.TEXT: "text",
    aiohttp.WSMsgType.BINARY: "binary",
    aiohttp.WSMsgType.PING: "ping",
    aiohttp.WSMsgType.PONG: "pong",
}
FRAMES = {kind: frame for frame, kind in KINDS.items()}


class _Refused(Exception):
    """Ends aiohttp's `ws_connect` before it closes the answer to a refused upgrade."""


async def open_websocket(
    connector: aiohttp.BaseConnector,
    url: URL,
    *,
    subprotocols: tuple[str, ...],
    headers: Mapping[str, str],
    proxy: str | None,
    tls: ssl.SSLContext | bool,
    middlewares: Sequence[aiohttp.ClientMiddlewareType],
    longest_line: int,
) -> tuple[aiohttp.ClientResponse, DirectWebSocket | None]:
    """Ask for a WebSocket at *url*, and return the site's answer: with the WebSocket, or unread if it was refused.

    Raises aiohttp's errors.
    """
    came: list[aiohttp.ClientResponse] = []

    async def keep(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
        response = await handler(request)
        came.append(response)
        if response.status != 101:
            raise _Refused
        return response

    client = aiohttp.ClientSession(
        connector=connector,
        connector_owner=False,
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),
        max_line_size=longest_line,
        max_field_size=longest_line,
        middlewares=(keep, *middlewares),
        skip_auto_headers=("accept", "user-agent"),
    )
    try:
        socket = await client.ws_connect(
            url,
            protocols=subprotocols,
            headers=headers,
            proxy=proxy,
            ssl=tls,
            timeout=aiohttp.ClientWSTimeout(ws_close=CLOSING),
            autoclose=False,
            autoping=False,
            compress=DEFLATE,
            max_msg_size=LARGEST,
            decode_text=False,
        )
    except _Refused:
        return came[-1], None
    finally:
        client.detach()
    return came[-1], DirectWebSocket(socket, came[-1])


class DirectWebSocket:
    """A WebSocket of the `direct` transport, over aiohttp. *response* is the site's answer to the upgrade."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse[Any], response: aiohttp.ClientResponse) -> None:
        self._socket = socket
        self._response = response

    @property
    def subprotocol(self) -> str | None:
        return self._socket.protocol

    async def receive(self) -> Message:
        message = await self._socket.receive()
        kind = KINDS.get(message.type)
        if kind is not None:
            return Message(kind, bytes(message.data))
        if message.type is aiohttp.WSMsgType.CLOSE:
            return Message("close", (message.extra or "").encode(), message.data or NO_STATUS)
        why = "the site broke the protocol" if message.type is aiohttp.WSMsgType.ERROR else "the connection was lost"
        raise Cut(f"the WebSocket ended without a close frame: {why}")

    async def send(self, message: Message) -> None:
        if message.kind == "close":
            await self.close(message.code, message.data)
            return
        try:
            await self._socket.send_frame(message.data, FRAMES[message.kind])
        except (aiohttp.ClientError, ConnectionError) as error:
            raise SiteDown("the connection of the WebSocket was lost") from error

    async def close(self, code: int = 1000, reason: bytes = b"") -> None:
        if code != NO_STATUS:
            await self._socket.close(code=code, message=reason)
        elif not self._socket.closed:
            # aiohttp's `close` can't send a frame without a code.
            with suppress(aiohttp.ClientError, ConnectionError):
                await self._socket.send_frame(b"", aiohttp.WSMsgType.CLOSE)
            self.abort()

    def abort(self) -> None:
        self._response.close()


class NoBody:
    """The body of an answer that opened a WebSocket: it has none."""

    @property
    def content(self) -> NoBody:
        return self

    def at_eof(self) -> bool:
        return True

    def read_nowait(self) -> bytes:
        return b""

    async def readany(self) -> bytes:
        return b""

    def close(self) -> None:
        """The WebSocket has its own end."""
