"""One client's connection: aiohttp's HTTP protocol, with errors, limits and half-closing as this service wants them."""

from __future__ import annotations

import asyncio
import logging
import math
import re
from collections.abc import Callable
from typing import Any

from aiohttp import web
from aiohttp.http import HttpProcessingError
from aiohttp.streams import StreamReader

from doorkey.clock import Clock
from doorkey.service.failure import BROKEN_BODY, Failure
from doorkey.service.lingering import ErrorResponse, Lingering
from doorkey.service.peer import Peers
from doorkey.service.protocol_errors import FIELD_LIMIT, LINE_LIMIT, failure_of_protocol, write_raw

log = logging.getLogger(__name__)

IDLE = 75.0
"""Seconds a connection may stay open without a request."""
HEAD = 20.0
QUIET = 60.0
"""Seconds between two log lines about connections that were refused."""
NOT_ASCII = re.compile(rb"[\x80-\xff]")
LEFT = 0.2
"""Seconds between two looks at whether a client that closed its sending side still waits for its answer."""

STALLED = 5.0
HANDED_OVER = 0.05
"""Seconds in which a request that came is certainly handed over to its handler."""

TOO_SLOW = Failure(
    408, "the head of the request came too slowly: send all of it at once, as HTTP clients do", "request_timeout"
)
BUSY = Failure(
    503,
    "more clients are connected than this service may serve at a time; close connections that are not used",
    "too_many_connections",
    headers={"Retry-After": "5"},
)


class Connections:
    """The open connections, at most *most*. A new one takes the place of the oldest that is replaceable.

    *head* is the seconds in which the head of a request has to be complete, from its first byte on. *stalled* is
    the seconds without a byte after which a client whose body is not complete may lose its place to another.
    *tell_closed* is called when a connection has ended.
    """

    def __init__(
        self,
        most: int,
        clock: Clock,
        head: float = HEAD,
        stalled: float = STALLED,
        tell_closed: Callable[[], None] = lambda: None,
    ) -> None:
        self.head = head
        self.stalled = stalled
        self.tell_closed = tell_closed
        self.peers = Peers()
        self._most = most
        self._clock = clock
        self._open: dict[Connection, None] = {}
        self.refused = 0
        """How many were refused so far."""
        self._told = 0
        self._logged = -math.inf

    def __len__(self) -> int:
        return len(self._open)

    def add(self, connection: Connection) -> bool:
        """Take *connection* in. Returns False when there is no place for it: then it is to be refused."""
        if len(self._open) >= self._most:
            replaced = next((each for each in self._open if each.replaceable), None)
            if replaced is None:
                self._count_refused()
                return False
            self.remove(replaced)
            replaced.force_close()
        self._open[connection] = None
        return True

    def remove(self, connection: Connection) -> None:
        self._open.pop(connection, None)

    def shed(self) -> None:
        """Close what is replaceable, as file descriptors have run out and no connection can be accepted."""
        for connection in [each for each in self._open if each.replaceable]:
            self.remove(connection)
            connection.force_close()
        self._count_refused()

    def _count_refused(self) -> None:
        self.refused += 1
        if self._clock.now() - self._logged >= QUIET:
            log.warning("%d connections are open, %d more were refused", len(self._open), self.refused - self._told)
            self._logged, self._told = self._clock.now(), self.refused


class Connection(web.RequestHandler):
    """Serves one connection of a client.

    Errors of the protocol are answered in the service's error shape, with a request id, and without a byte of what
    came, in the answer as in the log.
    """

    __slots__ = ("_came", "_connections", "_head_timer", "_in_first_line", "_last_body", "_lingering", "_watcher")

    def __init__(self, manager: web.Server, connections: Connections) -> None:
        super().__init__(
            manager,
            loop=asyncio.get_running_loop(),
            keepalive_timeout=IDLE,
            max_line_size=LINE_LIMIT,
            max_field_size=FIELD_LIMIT,
            access_log=None,  # type: ignore[arg-type]  # aiohttp takes None for no log, and doesn't say so
            auto_decompress=False,  # the door passes bodies on as they come
        )
        self._connections = connections
        self._came = 0.0  # when the last bytes came
        self._head_timer: asyncio.TimerHandle | None = None
        self._in_first_line = False
        self._last_body: StreamReader | None = None
        self._lingering: Lingering | None = None
        self._watcher: asyncio.Task[None] | None = None

    @property
    def idle(self) -> bool:
        """Whether no request is under way: nothing came yet, or half a head."""
        return self._waiter is not None and not self._messages

    @property
    def replaceable(self) -> bool:
        """Whether little is lost if another client gets this one's place.

        No request is under way: nothing came yet, half a head, or the rest of a body whose answer is out. Or nothing
        was done for the request yet, as its body does not come.
        """
        if self.idle:
            return True
        silent = self._loop.time() - self._came
        if self._messages or silent < HANDED_OVER:
            return False
        request = self._current_request
        if request is None:
            unread = 0 if self.transport is None else self.transport.get_write_buffer_size()
            return not self._request_in_progress and not unread
        waits = not request.content.is_eof() and not self._reading_paused and request.writer.output_size == 0
        return waits and silent > self._connections.stalled

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        if not self._connections.add(self):
            self.refuse(BUSY)

    def data_received(self, data: bytes) -> None:
        if self._lingering is not None:
            self._lingering.take(data)
            return
        if self._in_first_line or (self._head_timer is None and self.idle):
            data = self._encode_first_line(data)
        super().data_received(data)
        if self._messages:
            self._last_body = self._messages[-1][1]
            self._end_broken_body()
        self._came = self._loop.time()
        if self.idle and data:
            if self._head_timer is None:
                self._head_timer = self._loop.call_later(self._connections.head, self._refuse_slow_head)
        elif self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def eof_received(self) -> bool:  # type: ignore[override]  # aiohttp never keeps one open; asyncio takes a bool
        """Keep the connection open for an answer that is under way, as long as the client's socket is there for it."""
        if self._lingering is not None:
            self._lingering.end()
            return False
        websocket = self._payload_parser is not None
        if self.idle or websocket or self.transport is None or self.transport.get_extra_info("sslcontext"):
            return False  # TLS has no half-closed connections
        self._end_unfinished_body()
        self._watcher = self._loop.create_task(self._watch_half_closed())
        return True

    def connection_lost(self, exc: BaseException | None) -> None:
        self._connections.remove(self)
        self._connections.tell_closed()
        if self._head_timer is not None:
            self._head_timer.cancel()
        if self._watcher is not None:
            self._watcher.cancel()
        if self._lingering is not None:
            self._lingering.end()
        super().connection_lost(exc)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what is no HTTP, or what failed outside the middleware. Ends the connection."""
        if request.writer.output_size > 0:
            raise ConnectionError("the answer has begun already: no other can be sent")
        response = ErrorResponse(self, failure_of_protocol(status, exc))
        log.info("%s no request that can be served: %d", response.headers["x-request-id"], response.status)
        return response

    def log_exception(self, *args: Any, **kw: Any) -> None:
        """Log the kind of an error that aiohttp met, and not its text, which repeats bytes of the request."""
        error = kw.get("exc_info")
        broken_body = isinstance(error, web.RequestPayloadError)  # the client's fault, and told already
        log.log(logging.DEBUG if broken_body else logging.ERROR, "a connection failed: %s", type(error).__name__)

    def linger(self) -> Lingering:
        """Stop reading requests, close the sending side, and take what the client still sends."""
        self._lingering = Lingering()
        if self.transport is not None and self.transport.can_write_eof():
            self.transport.write_eof()
        return self._lingering

    def refuse(self, failure: Failure) -> None:
        """Answer outside of any request, and close."""
        if self.transport is not None and not self.transport.is_closing():
            self.transport.write(write_raw(failure))
        self.force_close()

    def _refuse_slow_head(self) -> None:
        self._head_timer = None
        if self.idle:
            self.refuse(TOO_SLOW)

    def _encode_first_line(self, data: bytes) -> bytes:
        """Percent-encode what is not ASCII in a request's first line: curl sends it as it was typed, and aiohttp
        takes it for no HTTP."""
        end = data.find(b"\n")
        self._in_first_line = end < 0
        line = data if end < 0 else data[:end]
        if line.isascii():
            return data
        return NOT_ASCII.sub(lambda found: b"%%%02X" % found[0][0], line) + data[len(line) :]

    def _end_unfinished_body(self) -> None:
        """Tell the request whose body is still expected that no more comes."""
        if self._last_body is not None and not self._last_body.is_eof():
            self._last_body.set_exception(web.RequestPayloadError(BROKEN_BODY.message))

    def _end_broken_body(self) -> None:
        """Tell a request under way that its body is broken: aiohttp only queues the parser's error behind it."""
        message = self._messages[-1][0]
        request = self._current_request
        failed = isinstance(getattr(message, "exc", None), HttpProcessingError)
        if failed and request is not None and not request.content.is_eof():
            request.content.set_exception(web.RequestPayloadError(BROKEN_BODY.message))

    async def _watch_half_closed(self) -> None:
        """End the connection after its last answer, or when the client has closed its socket altogether."""
        while self.transport is not None and not self.idle and self._payload_parser is None:
            if await self._connections.peers.has_closed(self.transport.get_extra_info("socket"), self._current_request):
                self.transport.abort()
                return
            await asyncio.sleep(LEFT)
        self.force_close()
