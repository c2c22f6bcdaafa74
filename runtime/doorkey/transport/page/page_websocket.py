"""A WebSocket that a live page has opened."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from doorkey.errors import BrowserFailed, Cut, DoorkeyError, SiteDown
from doorkey.model.request import Request
from doorkey.transport.page.page_request import UNSETTABLE
from doorkey.transport.websocket import CLOSING, LARGEST, Message

if TYPE_CHECKING:
    from doorkey.browser import SocketRequest
    from doorkey.browser.live.page_socket import PageSocket

NEGOTIATED = ("sec-", "proxy-", "accept")
"""Beginnings of the names of headers that only the browser itself sends with an upgrade."""


def make_socket_request(request: Request, url: str) -> SocketRequest:
    """Return what a page is told to open for *request*, at *url*."""
    from doorkey.browser import SocketRequest

    headers = {name.lower(): value for name, value in request.headers.items()}
    return SocketRequest(
        url="ws" + url.removeprefix("http"),
        subprotocols=request.websocket or (),
        largest=LARGEST,
        headers={
            name: value
            for name, value in headers.items()
            if name not in UNSETTABLE and not name.startswith(NEGOTIATED) and name not in ("cache-control", "pragma")
        },
    )


class PageWebSocket:
    """A WebSocket of the `page` transport. The browser answers the site's pings; doorkey answers those to the site."""

    def __init__(self, socket: PageSocket) -> None:
        self._socket = socket

    @property
    def subprotocol(self) -> str | None:
        return self._socket.subprotocol

    async def receive(self) -> Message:
        try:
            frame = await self._socket.receive()
        except DoorkeyError as error:
            raise Cut(error.message) from error
        return Message(frame.kind, frame.data, frame.code) if frame.kind == "close" else Message(frame.kind, frame.data)

    async def send(self, message: Message) -> None:
        if message.kind == "close":
            await self.close(message.code, message.data)
        elif message.kind == "ping":
            self._socket.give_pong(message.data)
        elif message.kind != "pong":
            try:
                await self._socket.send(message.data, text=message.kind == "text")
            except BrowserFailed as error:
                raise SiteDown(f"the connection of the WebSocket was lost: {error.message}") from error

    async def close(self, code: int = 1000, reason: bytes = b"") -> None:
        """As the protocol says. A page can send only the codes 1000 and 3000 to 4999; for others it sends none."""
        settable = code == 1000 or 3000 <= code <= 4999
        with suppress(DoorkeyError):
            said = reason.decode(errors="ignore") if settable else ""
            await self._socket.finish(code if settable else None, said, CLOSING)

    def abort(self) -> None:
        self._socket.close()
