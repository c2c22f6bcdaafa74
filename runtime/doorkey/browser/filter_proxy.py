"""The filter proxy before a browser: every connection that its pages make is asked for here, and judged."""

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
"""Seconds until a connection has to show whose it is. Chromium opens some ahead of need."""
END = b"\r\n\r\n"
BROKEN = (ConnectionError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, OSError)


@dataclass(frozen=True, slots=True)
class ProxyCredentials:
    """What a context shows to be let through."""

    server: str
    username: str
    password: str = field(repr=False)


class FilterProxy:
    """An HTTP proxy on loopback, for one browser. A connection shows by its password whose page it belongs to, and
    that lease's guard says what it may reach; without one nothing is reached, so nobody else can use it.

    A name is resolved once, by the guard, and connected to at that very address. One connection goes to one place.
    """

    def __init__(self) -> None:
        self._server: asyncio.Server | None = None
        self._passes: dict[str, tuple[str, RequestRouting]] = {}
        self._open: dict[Task[None], RequestRouting | None] = {}

    @property
    def server(self) -> str:
        """Its URL."""
        if self._server is None:
            raise RuntimeError("the filter was not started")
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=MOST)

    async def close(self) -> None:
        """End it, and every connection through it."""
        if self._server is not None:
            self._server.close()
        self._passes.clear()
        tasks = list(self._open)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def admit(self, guard: RequestRouting) -> ProxyCredentials:
        """Let a page through as far as *guard* says, until `dismiss`."""
        username, password = secrets.token_hex(8), secrets.token_urlsafe(24)
        self._passes[username] = (password, guard)
        return ProxyCredentials(self.server, username, password)

    def dismiss(self, guard: RequestRouting) -> None:
        """*guard*'s page is gone: its connections end."""
        self._passes = {name: held for name, held in self._passes.items() if held[1] is not guard}
        for task, owner in self._open.items():
            if owner is guard:
                task.cancel()

    def __repr__(self) -> str:
        return f"<Filter: {len(self._passes)} admitted, {len(self._open)} connections>"

    async def _serve(self, reader: StreamReader, writer: StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a connection is served by a task")
        self._open[task] = None
        try:
            await self._connection(task, reader, writer)
        except BROKEN as error:
            log.debug("a connection of the browser ended (%s)", type(error).__name__)
        except MalformedHead as error:
            log.debug("the filter was sent no request to a proxy: %s", error)
            writer.write(_answer("400 Bad Request", f"doorkey's filter: {error}\n"))
        except asyncio.CancelledError:
            log.debug("a connection of the browser was ended")
        finally:
            del self._open[task]
            writer.close()

    async def _connection(self, task: Task[None], reader: StreamReader, writer: StreamWriter) -> None:
        async with asyncio.timeout(ADMIT):
            head, guard = await self._admitted(reader, writer)
        self._open[task] = guard
        try:
            addresses = await guard.addresses(head.url)
        except EgressRefused as why:
            guard.refused("connection", str(why))
            writer.write(_answer("403 Forbidden", f"doorkey refuses this: {why}\n"))
            await writer.drain()
            return
        try:
            there, back = await self._dialled(head, guard, addresses)
        except SiteDown as trouble:
            # No answer: a browser takes one for the site's own.
            guard.missed(head.url, trouble)
            return
        try:
            if head.tunnel:
                writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
                await _either(_pump(reader, back), _pump(there, writer))
            else:
                await _either(self._requests(head, guard, reader, back), self._answers(head, guard, there, writer))
        finally:
            back.close()

    async def _admitted(self, reader: StreamReader, writer: StreamWriter) -> tuple[ProxyHead, RequestRouting]:
        """The first request that shows a pass, and the guard of whoever holds it."""
        while True:
            head = parse(await reader.readuntil(END))
            user, password = head.login or ("", "")
            known, guard = self._passes.get(user, ("", None))
            if guard is not None and secrets.compare_digest(password.encode(), known.encode()):
                return head, guard
            writer.write(_answer("407 Proxy Authentication Required", "", 'Proxy-Authenticate: Basic realm="doorkey"'))
            await writer.drain()
            if head.length:
                raise MalformedHead("a body without a pass")

    async def _dialled(
        self, head: ProxyHead, guard: RequestRouting, addresses: tuple[str, ...]
    ) -> tuple[StreamReader, StreamWriter]:
        proxy, (host, port) = guard.egress.proxy, head.place
        if proxy is None:
            there, back = await dial.connect(addresses, port)
            guard.reached(head.url, back.get_extra_info("peername")[0])
        elif head.tunnel or proxy.scheme not in dial.HTTP:
            there, back = await dial.tunnel(proxy, host, port)
            guard.reached(head.url, "")
        else:
            there, back = await dial.connect_to_proxy(proxy)
        return there, back

    async def _requests(self, head: ProxyHead, guard: RequestRouting, reader: StreamReader, back: StreamWriter) -> None:
        """Pass on a request and those that follow it to the same place; return at one that goes to another."""
        proxy, place = guard.egress.proxy, head.place
        to_proxy = proxy is not None and proxy.scheme in dial.HTTP
        shown = dial.authorization(proxy) if proxy is not None and to_proxy else None
        while head.place == place and not head.tunnel:
            back.write(head.passed_on(to_proxy=to_proxy, authorization=shown))
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

    async def _answers(self, head: ProxyHead, guard: RequestRouting, there: StreamReader, writer: StreamWriter) -> None:
        start = await there.read(dial.BUFFER)
        if guard.egress.proxy is not None and start[8:12] == b" 407":
            # Passed on, it would ask the browser for the password of this filter.
            guard.missed(head.url, dial.refused("HTTP 407"))
            return
        writer.write(start)
        if start:
            await _pump(there, writer)


async def _pump(reader: StreamReader, writer: StreamWriter) -> None:
    while data := await reader.read(dial.BUFFER):
        writer.write(data)
        await writer.drain()


async def _either(*both: Coroutine[Any, Any, None]) -> None:
    """Return when one has ended, and end the other."""
    tasks = [asyncio.create_task(each) for each in both]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


def _answer(status: str, text: str, *headers: str) -> bytes:
    kind = "Content-Type: text/plain; charset=utf-8"
    length = f"Content-Length: {len(text.encode())}"
    connection = "Connection: keep-alive" if status.startswith("407") else "Connection: close"
    return "\r\n".join([f"HTTP/1.1 {status}", *headers, kind, length, connection, "", text]).encode()
