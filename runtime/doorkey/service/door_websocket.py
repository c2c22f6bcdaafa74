"""WebSockets through the door: passes messages both ways between a client and a site, and how each side ends."""

from __future__ import annotations

import asyncio
import base64
import binascii
import logging
from typing import Any

from aiohttp import WSMsgType, web
from aiohttp.http import HttpVersion11

from doorkey.errors import DoorkeyError
from doorkey.service.client_writer import cut
from doorkey.service.failure import Refusal
from doorkey.service.middleware import BEGUN, ID, UNTYPED, Begun
from doorkey.transport.websocket import LARGEST, NO_STATUS, Kind, Message, WebSocket

log = logging.getLogger(__name__)

KINDS: dict[WSMsgType, Kind] = {
    WSMsgType.TEXT: "text",
    WSMsgType.BINARY: "binary",
    WSMsgType.PING: "ping",
    WSMsgType.PONG: "pong",
}
FRAMES = {kind: frame for frame, kind in KINDS.items()}
GOING_AWAY = 1001
CLOSING = 5.0
"""Seconds for which a client's answer to a close frame is waited for."""


def asks_websocket(request: web.Request) -> bool:
    """Return whether the request asks for a WebSocket (RFC 6455, section 4.2.1)."""
    return (
        "Upgrade" in request.headers
        and request.headers["Upgrade"].strip().lower() == "websocket"
        and request.method == "GET"
        and request.version == HttpVersion11
        and "upgrade" in {part.strip().lower() for part in request.headers.get("Connection", "").split(",")}
    )


def read_subprotocols(request: web.Request) -> tuple[str, ...]:
    """Return the subprotocols that the client offers. Raises Refusal for a handshake that is malformed."""
    if request.headers.get("Sec-WebSocket-Version", "").strip() != "13":
        raise Refusal(
            426,
            "unsupported_websocket_version",
            "Sec-WebSocket-Version: 13 was expected",
            headers={"Sec-WebSocket-Version": "13", "Upgrade": "websocket"},
        )
    try:
        key = base64.b64decode(request.headers.get("Sec-WebSocket-Key", "").strip(), validate=True)
    except binascii.Error:
        key = b""
    if len(key) != 16:
        raise Refusal(400, "invalid_header", "Sec-WebSocket-Key: 16 bytes in base64 were expected")
    offered = ",".join(request.headers.getall("Sec-WebSocket-Protocol", ())).split(",")
    return tuple(name.strip() for name in offered if name.strip())


async def pass_messages(
    request: web.Request, site: WebSocket, headers: dict[str, str], unread: float
) -> web.StreamResponse:
    """Accept the client's WebSocket, and pass messages between it and *site* until both have ended.

    A client that leaves a message unread for *unread* seconds is given up.
    """
    chosen = () if site.subprotocol is None else (site.subprotocol,)
    client = web.WebSocketResponse(
        timeout=CLOSING, autoclose=False, autoping=False, protocols=chosen, max_msg_size=LARGEST, decode_text=False
    )
    client.headers.update(headers)
    request[UNTYPED] = True
    await client.prepare(request)
    request[BEGUN] = Begun(client, None)
    ways = (
        asyncio.create_task(_pass_in(client, site)),
        asyncio.create_task(_pass_out(client, site, unread)),
    )
    try:
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    except asyncio.CancelledError:
        await _stop(ways)
        if request.transport is not None and not request.transport.is_closing():
            await _close_both(client, site, Message("close", b"the service was stopped", GOING_AWAY))
        site.abort()
        raise
    first = next(way for way in ways if way.done())
    await _stop(ways)
    try:
        await _close_both(client, site, first.result())
    except DoorkeyError as error:
        # No close frame can tell it: the client sees the connection break off, as doorkey did.
        log.info("%s %s: %s", request[ID], error.code, error)
        cut(request)
    except ConnectionError:
        log.debug("%s the client's WebSocket was lost", request[ID])
        cut(request)
    finally:
        site.abort()
    return client


async def _pass_in(client: web.WebSocketResponse[Any], site: WebSocket) -> Message:
    """Pass the client's messages to the site; return its close frame. Raises ConnectionError when it is lost."""
    while True:
        message = await client.receive()
        kind = KINDS.get(message.type)
        if kind is not None:
            await site.send(Message(kind, bytes(message.data)))
        elif message.type is WSMsgType.CLOSE:
            return Message("close", (message.extra or "").encode(), message.data or NO_STATUS)
        else:
            raise ConnectionResetError("the client was lost, or broke the protocol")


async def _pass_out(client: web.WebSocketResponse[Any], site: WebSocket, unread: float) -> Message:
    """Pass the site's messages to the client; return its close frame. Raises Cut when it breaks off."""
    while True:
        message = await site.receive()
        if message.kind == "close":
            return message
        try:
            async with asyncio.timeout(unread):
                await client.send_frame(message.data, FRAMES[message.kind])
        except TimeoutError:
            raise ConnectionResetError("the client stopped reading") from None


async def _stop(ways: tuple[asyncio.Task[Message], ...]) -> None:
    for way in ways:
        way.cancel()
    await asyncio.gather(*ways, return_exceptions=True)


async def _close_both(client: web.WebSocketResponse[Any], site: WebSocket, message: Message) -> None:
    """Pass a close frame on to both sides: to one as news, to the other as its answer."""
    await asyncio.gather(site.close(message.code, message.data), _close(client, message.code, message.data))


async def _close(client: web.WebSocketResponse[Any], code: int, reason: bytes) -> None:
    if code != NO_STATUS:
        await client.close(code=code, message=reason)
    elif not client.closed:
        await client.send_frame(b"", WSMsgType.CLOSE)  # `close` can't send a frame without a code
        await client.close()
