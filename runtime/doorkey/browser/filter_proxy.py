"""The proxy between a browser and the network: it refuses connections that the egress rules forbid."""

from __future__ import annotations

import asyncio
import logging
import secrets
from asyncio import StreamReader, StreamWriter, Task
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any

from doorkey.browser.proxy_head import MOST, MalformedHead, ProxyHead, parse
from doorkey.browser.routing import EgressRefused, RequestRouting
from doorkey.errors import SiteDown
from doorkey.network import dial

log = logging.getLogger("doorkey.browser")

ADMIT = 60.0
"""Seconds within which a connection must send its credentials. Chromium opens some connections ahead of need."""
END = b"\r\n\r\n"
"""The end of a request's head."""
BROKEN = (ConnectionError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, OSError)
"""Errors of a connection that one of its ends closed. They say nothing that anybody could act on."""


@dataclass(frozen=True, slots=True)
class ProxyCredentials:
    """The proxy settings of one browser context: the proxy's URL, and the password that identifies the context."""

    server: str
    username: str
    password: str = field(repr=False)


class FilterProxy:
    """An HTTP proxy on loopback, for one browser.

    Each context has its own password. The password tells which lease a connection belongs to, and the lease's
    `RequestRouting` decides what it may reach. A connection without a valid password reaches nothing.

    A host name is resolved once, and the proxy connects to the address that was checked. One connection goes to one
    host and port.
    """

    def __init__(self) -> None:
        self._server: asyncio.Server | None = None
        self._admitted: dict[str, tuple[str, RequestRouting]] = {}
        self._open: dict[Task[None], RequestRouting | None] = {}

    @property
    def server(self) -> str:
        """Its URL."""
        if self._server is None:
            raise RuntimeError("the filter proxy was not started")
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=MOST)

    async def close(self) -> None:
        """Close the proxy and every connection through it."""
        if self._server is not None:
            self._server.close()
        self._admitted.clear()
        tasks = list(self._open)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def admit(self, routing: RequestRouting) -> ProxyCredentials:
        """Create credentials for a context. Its connections are checked by *routing* until `dismiss`."""
        username, password = secrets.token_hex(8), secrets.token_urlsafe(24)
        self._admitted[username] = (password, routing)
        return ProxyCredentials(self.server, username, password)

    def dismiss(self, routing: RequestRouting) -> None:
        """Revoke the credentials that belong to *routing* and close their connections."""
        self._admitted = {name: held for name, held in self._admitted.items() if held[1] is not routing}
        for task, owner in self._open.items():
            if owner is routing:
                task.cancel()

    def __repr__(self) -> str:
        return f"<FilterProxy: {len(self._admitted)} admitted, {len(self._open)} connections>"

    async def _serve(self, reader: StreamReader, writer: StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a connection is handled outside of a task")
        self._open[task] = None
        try:
            await self._handle(task, reader, writer)
        except BROKEN as error:
            log.debug("a connection of the browser ended (%s)", type(error).__name__)
        except MalformedHead as error:
            log.debug("a malformed proxy request was refused: %s", error)
            writer.write(_format_answer("400 Bad Request", f"doorkey's filter proxy: {error}\n"))
        except asyncio.CancelledError:
            log.debug("a connection of the browser was ended")
        finally:
            del self._open[task]
            writer.close()

    async def _handle(self, task: Task[None], reader: StreamReader, writer: StreamWriter) -> None:
        async with asyncio.timeout(ADMIT):
            head, routing = await self._authenticate(reader, writer)
        self._open[task] = routing
        try:
            addresses = await routing.resolve(head.url)
        except EgressRefused as why:
            routing.report_refusal("connection", str(why), head.url)
            writer.write(_format_answer("403 Forbidden", f"doorkey refuses this: {why}\n"))
            await writer.drain()
            return
        try:
            there, back = await self._dial(head, routing, addresses)
        except SiteDown as error:
            # An answer of ours would look like the site's own: the connection is closed without one.
            routing.record_failure(head.url, error)
            return
        try:
            if head.tunnel:
                writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
                await _run_until_first(_pump(reader, back), _pump(there, writer))
            else:
                await _run_until_first(
                    self._forward_requests(head, routing, reader, back),
                    self._forward_answers(head, routing, there, writer),
                )
        finally:
            back.close()

    async def _authenticate(self, reader: StreamReader, writer: StreamWriter) -> tuple[ProxyHead, RequestRouting]:
        """Return the first request that carries valid credentials, and the routing that they belong to."""
        while True:
            head = parse(await reader.readuntil(END))
            user, password = head.credentials or ("", "")
            known, routing = self._admitted.get(user, ("", None))
            if routing is not None and secrets.compare_digest(password.encode(), known.encode()):
                return head, routing
            writer.write(
                _format_answer("407 Proxy Authentication Required", "", 'Proxy-Authenticate: Basic realm="doorkey"')
            )
            await writer.drain()
            if head.length:
                raise MalformedHead("a request with a body came without credentials")

    async def _dial(
        self, head: ProxyHead, routing: RequestRouting, addresses: tuple[str, ...]
    ) -> tuple[StreamReader, StreamWriter]:
        proxy, (host, port) = routing.egress.proxy, head.address
        if proxy is None:
            there, back = await dial.connect(addresses, port)
            peer = back.get_extra_info("peername")
            if peer is None:  # the connection was reset before its address could be read
                back.close()
                raise SiteDown("the site closed the connection as soon as it was made", arrived=False, away=True)
            routing.record_success(head.url, peer[0])
        elif head.tunnel or proxy.scheme not in dial.HTTP:
            there, back = await dial.tunnel(proxy, host, port)
            routing.record_success(head.url, "")
        else:
            there, back = await dial.connect_to_proxy(proxy)
        return there, back

    async def _forward_requests(
        self, head: ProxyHead, routing: RequestRouting, reader: StreamReader, back: StreamWriter
    ) -> None:
        """Forward *head*'s request and the following ones. Return at a request for another host or port."""
        proxy, address = routing.egress.proxy, head.address
        to_proxy = proxy is not None and proxy.scheme in dial.HTTP
        shown = dial.authorization(proxy) if proxy is not None and to_proxy else None
        while head.address == address and not head.tunnel:
            back.write(head.format_forwarded(to_proxy=to_proxy, authorization=shown))
            left = head.length
            while left:
                data = await reader.read(min(left, dial.BUFFER))
                if not data:
                    return
                back.write(data)
                await back.drain()
                left -= len(data)
            await back.drain()
            head = parse(await reader.readuntil(END))

    async def _forward_answers(
        self, head: ProxyHead, routing: RequestRouting, there: StreamReader, writer: StreamWriter
    ) -> None:
        start = await there.read(dial.BUFFER)
        if routing.egress.proxy is not None and start[8:12] == b" 407":
            # If it were forwarded, the browser would take it as a question for this proxy's password.
            routing.record_failure(head.url, dial.refused("HTTP 407"))
            return
        writer.write(start)
        if start:
            await _pump(there, writer)


async def _pump(reader: StreamReader, writer: StreamWriter) -> None:
    while data := await reader.read(dial.BUFFER):
        writer.write(data)
        await writer.drain()


async def _run_until_first(*both: Coroutine[Any, Any, None]) -> None:
    """Run coroutines together. Return when the first one ends, and cancel the others."""
    tasks = [asyncio.create_task(each) for each in both]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


def _format_answer(status: str, text: str, *headers: str) -> bytes:
    kind = "Content-Type: text/plain; charset=utf-8"
    length = f"Content-Length: {len(text.encode())}"
    connection = "Connection: keep-alive" if status.startswith("407") else "Connection: close"
    return "\r\n".join([f"HTTP/1.1 {status}", *headers, kind, length, connection, "", text]).encode()
