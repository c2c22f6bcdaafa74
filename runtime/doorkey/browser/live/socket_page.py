"""The page beside a live page that opens WebSockets, with headers that the live page's own requests must not carry."""

from __future__ import annotations

import asyncio
import json
from base64 import b64encode
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from doorkey.browser.live.blank_page import make_blank
from doorkey.browser.live.page_fetch import STEP
from doorkey.browser.live.page_socket import PageSocket
from doorkey.browser.live.socket_script import SOCKET_SCRIPT
from doorkey.browser.playwright_errors import limited, translate
from doorkey.errors import BrowserFailed, DoorkeyError, RequestError, SiteDown

if TYPE_CHECKING:
    from playwright.async_api import CDPSession, Page

CALL = 10.0
"""Seconds for one call into the page."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SocketRequest:
    """The opening of a WebSocket at `url` (ws or wss). A message of over `largest` bytes ends it."""

    url: str
    subprotocols: tuple[str, ...]
    largest: int
    headers: Mapping[str, str] = field(repr=False)


class SocketPage:
    """Opens its page, by *open_page*, with the first WebSocket. `changed` is called when a WebSocket begins or ends."""

    def __init__(self, open_page: Callable[[], Awaitable[Page]], url: str, changed: Callable[[], None]) -> None:
        self._open_page, self._url, self._changed = open_page, url, changed
        self._devtools: CDPSession | None = None
        self._count = 0
        self._sockets: dict[str, PageSocket] = {}
        self._created: PageSocket | None = None
        self._opening = asyncio.Lock()  # headers are set for the whole page: one handshake is sent at a time
        self._tasks: set[asyncio.Task[None]] = set()
        self._over = ""

    @property
    def busy(self) -> bool:
        """Whether WebSockets are open."""
        return bool(self._sockets)

    async def connect(self, asked: SocketRequest, opening: Callable[[PageSocket], None]) -> None:
        """Open a WebSocket. *opening* is called with it as soon as it exists.

        Raises BrowserFailed, or RequestError for one that a page can't open.
        """
        self._check()
        self._count += 1
        socket = PageSocket(f"dk{self._count}", self)
        self._sockets[socket.mark] = socket
        self._changed()
        opening(socket)
        try:
            async with self._opening:
                await self._begin(socket, asked)
        except BaseException as error:
            self.abort(socket)
            socket.fail(error if isinstance(error, DoorkeyError) else BrowserFailed("it was given up"))
            raise
        socket.on_begun()

    async def take(self, socket: PageSocket) -> dict[str, Any]:
        taken: dict[str, Any] = await self._call("take", socket.mark, limit=None)
        if taken["over"]:
            self._forget(socket)
        return taken

    async def send(self, socket: PageSocket, data: bytes, *, text: bool) -> None:
        last = (len(data) - 1) // STEP * STEP if data else 0
        for at in range(0, last, STEP):
            await self._call("put", socket.mark, b64encode(data[at : at + STEP]).decode())
        if not await self._call("send", socket.mark, text, b64encode(data[last:]).decode(), limit=None):
            raise SiteDown("the connection of the WebSocket was lost")

    async def close(self, socket: PageSocket, code: int | None, reason: str) -> None:
        await self._call("close", socket.mark, {} if code is None else {"closeCode": code, "reason": reason})

    def abort(self, socket: PageSocket) -> None:
        if self._devtools is not None:
            self._spawn(self._try_call("close", socket.mark, {}))
        self._forget(socket)

    def end(self, why: str) -> None:
        """Fail the WebSockets that are open. No new one is opened."""
        self._over = self._over or why
        self._lose_page(why)

    async def end_tasks(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _begin(self, socket: PageSocket, asked: SocketRequest) -> None:
        from playwright.async_api import Error

        devtools = self._devtools or await self._start()
        self._created = socket
        try:
            async with limited("setting the headers of a WebSocket", CALL):
                await devtools.send("Network.setExtraHTTPHeaders", {"headers": dict(asked.headers)})
        except BrowserFailed as error:
            if isinstance(error.__cause__, Error):
                raise RequestError("the page can't send these headers with a WebSocket") from error
            raise
        await self._call("begin", socket.mark, asked.url, asked.subprotocols, asked.largest)
        async with limited("opening a WebSocket", 3600.0):  # the caller has the limit
            await socket.sent.wait()

    async def _start(self) -> CDPSession:
        async with limited("opening a page for WebSockets", CALL):
            page = await self._open_page()
            devtools = await make_blank(page, self._url)
            page.on("crash", lambda _: self._on_gone(devtools, "its page crashed"))
            page.on("close", lambda _: self._on_gone(devtools, "its page was closed, or the browser ended"))
            for name, handler in (
                ("Created", self._on_created),
                ("WillSendHandshakeRequest", self._on_sent),
                ("HandshakeResponseReceived", self._on_opened),
                ("FrameError", self._on_error),
                ("Closed", self._on_closed),
            ):
                devtools.on(f"Network.webSocket{name}", handler)
            await devtools.send("Runtime.evaluate", {"expression": SOCKET_SCRIPT})
        self._devtools = devtools
        return devtools

    def _on_created(self, event: dict[str, Any]) -> None:
        if self._created is not None:
            self._created.request_id, self._created = event["requestId"], None

    def _on_sent(self, event: dict[str, Any]) -> None:
        if (socket := self._find(event)) is not None:
            socket.sent.set()

    def _on_opened(self, event: dict[str, Any]) -> None:
        if (socket := self._find(event)) is not None:
            socket.on_answer(int(event["response"]["status"]), event["response"]["headers"])

    def _on_error(self, event: dict[str, Any]) -> None:
        if (socket := self._find(event)) is not None:
            socket.on_error(event["errorMessage"])
            if not socket.open:
                self._forget(socket)

    def _on_closed(self, event: dict[str, Any]) -> None:
        if (socket := self._find(event)) is not None and not socket.settled.is_set():
            socket.fail(SiteDown("the connection to the site was lost"))
            self._forget(socket)

    def _find(self, event: dict[str, Any]) -> PageSocket | None:
        return next((one for one in self._sockets.values() if one.request_id == event["requestId"]), None)

    def _on_gone(self, devtools: CDPSession, why: str) -> None:
        if self._devtools is devtools:
            self._lose_page(why)

    def _lose_page(self, why: str) -> None:
        """Fail the WebSockets of a page that is gone. The next one has another page opened."""
        self._devtools = None
        for socket in list(self._sockets.values()):
            socket.fail(BrowserFailed(f"the WebSocket ended without a close frame: {why}"))
            self._forget(socket)

    def _forget(self, socket: PageSocket) -> None:
        if self._sockets.pop(socket.mark, None) is not None:
            if self._devtools is not None:
                self._spawn(self._try_call("forget", socket.mark))
            self._changed()

    def _check(self) -> None:
        if self._over:
            raise BrowserFailed(f"the page for WebSockets is gone: {self._over}")

    async def _try_call(self, name: str, *values: object) -> None:
        try:
            await self._call(name, *values)
        except BrowserFailed:
            return  # the page's end ends its WebSockets

    async def _call(self, name: str, *values: object, limit: float | None = CALL) -> Any:
        from playwright.async_api import Error

        devtools = self._devtools
        if devtools is None:
            raise BrowserFailed("the page for WebSockets is gone")
        expression = f"doorkey.{name}({', '.join(map(json.dumps, values))})"
        options = {"expression": expression, "returnByValue": True, "awaitPromise": limit is None}
        try:
            async with asyncio.timeout(limit):
                found = await devtools.send("Runtime.evaluate", options)
        except Error as error:
            failed = translate(error, "asking the page for WebSockets")
            self._on_gone(devtools, failed.message)
            raise BrowserFailed(failed.message) from error
        except TimeoutError as error:
            raise BrowserFailed(f"the page for WebSockets did not answer within {limit:g} s") from error
        if "exceptionDetails" in found:
            raise RequestError("the page can't open this WebSocket: its URL or a subprotocol is not valid")
        return found["result"].get("value")

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
