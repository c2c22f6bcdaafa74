"""One WebSocket that a live page has opened."""

from __future__ import annotations

import asyncio
from base64 import b64decode
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from multidict import CIMultiDict

from doorkey.browser.live.page_fetch import error_of
from doorkey.errors import Changed, Cut, DoorkeyError, SiteDown

Kind = Literal["text", "binary", "pong", "close"]
UNEXPECTED = "Unexpected response code: "
UNAUTHORIZED = "HTTP Authentication failed"
NETWORK = "net::ERR_"
"""Parts of Chromium's messages about a WebSocket that did not open."""


@dataclass(frozen=True, slots=True)
class Frame:
    """A message or a close frame. `data` is UTF-8 in a text; in a close frame it is the reason."""

    kind: Kind
    data: bytes = field(repr=False)
    code: int = 0


class SocketHost(Protocol):
    """The page that a WebSocket is open in. Its methods raise BrowserFailed if the page is gone."""

    async def take(self, socket: PageSocket) -> dict[str, Any]:
        """Return the messages that have come and whether it has ended; wait until there is something to return."""

    async def send(self, socket: PageSocket, data: bytes, *, text: bool) -> None:
        """Send a message. Raises SiteDown if the WebSocket has ended."""

    async def close(self, socket: PageSocket, code: int | None, reason: str) -> None:
        """Send a close frame, without a code for None."""

    def abort(self, socket: PageSocket) -> None:
        """Close it without waiting."""


class PageSocket:
    """A WebSocket, or the site's refusal of one, once its head has come.

    `sent` is set when the handshake was sent, `settled` and `over` when its answer has come. The end sets all of them.
    `on_begun` is called when the handshake was sent.
    """

    def __init__(self, mark: str, host: SocketHost) -> None:
        self.mark = mark
        self.request_id = ""
        self.sent = asyncio.Event()
        self.settled = self.over = asyncio.Event()
        self.on_begun: Callable[[], None] = lambda: None
        self._host = host
        self._head: asyncio.Future[tuple[int, CIMultiDict[str]]] = asyncio.get_running_loop().create_future()
        self._frames: deque[Frame] = deque()
        self._changed = asyncio.Event()
        self._failure: DoorkeyError | None = None
        self._taking: asyncio.Task[None] | None = None

    @property
    def open(self) -> bool:
        """Whether the site accepted it, and neither side has ended it."""
        return self._failure is None and self._head.done() and self._head.result()[0] == 101

    @property
    def headers(self) -> CIMultiDict[str]:
        """The headers of the answer, empty until they have come."""
        return self._head.result()[1] if self._head.done() and not self._head.exception() else CIMultiDict()

    @property
    def subprotocol(self) -> str | None:
        return self.headers.get("sec-websocket-protocol")

    async def wait_for_head(self) -> tuple[int, CIMultiDict[str]]:
        """Return status and headers of the answer; a page learns no headers of a refusal. Raises what ended it."""
        return await asyncio.shield(self._head)

    async def receive(self) -> Frame:
        """Return the next message or the close frame. Raises DoorkeyError if it ended without one."""
        while not self._frames:
            if self._failure is not None:
                raise self._failure.again()
            if self._taking is None or self._taking.done():
                # A task of its own: what a caller who leaves has asked for is the next one's.
                self._taking = asyncio.create_task(self._take())
            self._changed.clear()
            await self._changed.wait()
        return self._frames.popleft()

    async def send(self, data: bytes, *, text: bool) -> None:
        """Send a message. Raises SiteDown if the WebSocket has ended."""
        if self._failure is not None:
            raise SiteDown("the WebSocket has ended")
        await self._host.send(self, data, text=text)

    def give_pong(self, data: bytes) -> None:
        """Let a pong be received after what has come: a page can send no ping."""
        self._frames.append(Frame("pong", data))
        self._changed.set()

    async def finish(self, code: int | None, reason: str, limit: float) -> None:
        """Send a close frame, without a code for None, and wait *limit* seconds for the end. Raises BrowserFailed."""
        try:
            if self.open:
                await self._host.close(self, code, reason)
            async with asyncio.timeout(limit):
                while self.open:
                    self._frames.clear()
                    await self.receive()
        except TimeoutError:
            self.close()

    def close(self) -> None:
        """End it without waiting."""
        if self._failure is None:
            self._host.abort(self)
            self.fail(Cut("the WebSocket was closed"))

    def on_answer(self, status: int, headers: Mapping[str, Any]) -> None:
        pairs = [(name.lower(), line) for name, value in headers.items() for line in str(value).split("\n")]
        if not self._head.done():
            self._head.set_result((status, CIMultiDict(pairs)))
            self.settled.set()

    def on_error(self, message: str) -> None:
        """Chromium says by *message* why the WebSocket did not open. Later ones say nothing that is not known."""
        self.sent.set()
        if self._head.done():
            return
        _, unexpected, status = message.partition(UNEXPECTED)
        _, network, name = message.partition(NETWORK)
        if unexpected or message.startswith(UNAUTHORIZED):
            self.on_answer(int(status[:3]) if unexpected else 401, {})
        elif network:
            self.fail(error_of(network + name.split()[0], headed=False))
        elif "onnection closed" in message:
            self.fail(SiteDown("the connection to the site was lost"))
        else:
            self.fail(Changed(f"the site's answer opens no WebSocket ({message[:200]})"))

    def fail(self, error: DoorkeyError) -> None:
        """End the WebSocket with *error*, which is raised once all messages before it were received."""
        self._failure = self._failure or error
        self.sent.set()
        self._changed.set()
        if not self._head.done():
            self._head.set_exception(error)
            self._head.exception()  # marked as retrieved: nobody may be waiting any more
            self.settled.set()

    async def _take(self) -> None:
        try:
            taken = await self._host.take(self)
        except DoorkeyError as error:
            self.fail(error)
            return
        self._frames += (Frame("text" if text else "binary", b64decode(data)) for text, data in taken["messages"])
        self._changed.set()
        if not taken["over"]:
            return
        if taken["end"]:
            code, reason = taken["end"]
            self._frames.append(Frame("close", reason.encode(), int(code)))
        why = "a message was too long" if taken["tooLong"] else "the connection was lost"
        self.fail(Cut(f"the WebSocket ended without a close frame: {why}"))
