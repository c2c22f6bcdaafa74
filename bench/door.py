"""Compares the door with a bare aiohttp reverse proxy: small answers at 1, 16 and 64 at a time, and a body of 1 GiB.

Site, door and proxy run in processes of their own. Door and proxy take turns within one run, so that a busy machine
slows both down alike; the result is the ratio. Both add the same session to each request.
"""

from __future__ import annotations

import asyncio
import re
import statistics
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

import aiohttp
from aiohttp import web

from doorkey.browser.pool import BrowserPool
from doorkey.clock import SystemClock
from doorkey.config.settings import ServiceSettings
from doorkey.engine.answer import Answer
from doorkey.engine.engine import Engine
from doorkey.engine.refusal_memory import RefusalMemory
from doorkey.model.cookies import Cookie
from doorkey.model.events import Events
from doorkey.model.request import MiB, Request
from doorkey.model.session import Key, Session
from doorkey.model.site import Site
from doorkey.provider import Provider
from doorkey.service.app import build_app, calm_collector
from doorkey.sessions.keeper import Keeper
from doorkey.sessions.memory import MemoryStore
from doorkey.sessions.source import Journal, RenewalReason
from doorkey.transport.direct import Direct
from doorkey.transport.headers import FETCH
from doorkey.transport.selector import TransportSelector

RATE_GOAL, SPEED_GOAL, MEMORY_GOAL = 0.8, 0.9, 32.0
ROUNDS, REQUESTS = 7, 3200
SIZE = 1024 * MiB
KEY = "bench"
HEADERS = {"user-agent": "Chrome/150", "accept-language": "en-US,en;q=0.9", "sec-ch-ua": '"Chromium";v="150"'}
COOKIES = tuple(Cookie(f"c{n}", "v" * 40, "127.0.0.1") for n in range(5))
GONE = {"host", "connection", "keep-alive", "transfer-encoding", "upgrade", "te", "trailer"}


class Entered:
    """A source whose session exists already, so that no visit is measured."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.provider = Provider(site)
        self.events = Events(SystemClock()).of(site.name)
        self.key = Key(site.name, site.url)
        self.recorder = None

    @property
    def source(self) -> Entered:
        return self

    def fits(self, session: Session) -> bool:
        return True

    async def make(self, reason: RenewalReason, journal: Journal) -> Session:
        return Session(
            key=self.key, gen=0, url=self.site.url, born=time.time(), soft=1e6, hard=2e6,
            cookies=COOKIES, headers=HEADERS,
        )  # fmt: skip


class EnteredRuntime:
    """The part of a Runtime that the door uses."""

    def __init__(self, url: str) -> None:
        self.sites = {"bench": Site(name="bench", url=url)}
        clock = self._clock = SystemClock()
        self.clock, self.events, self.pool = clock, Events(clock), BrowserPool()
        self._entered = Entered(self.sites["bench"])
        keeper = Keeper(MemoryStore(clock), private=MemoryStore(clock), clock=clock)
        self._engine = Engine(
            keeper=keeper,
            selector=TransportSelector(Direct(clock=clock), clock=clock),
            refusals=RefusalMemory(clock),
            clock=clock,
        )

    async def send(self, site: str, request: Request, *, timeout: float) -> Answer[bytes]:
        return await self._engine.send(self._entered, request, deadline=self._clock.now() + timeout)  # type: ignore[arg-type]  # keeps its contract


def the_door(url: str) -> web.Application:
    return build_app(EnteredRuntime(url), service=ServiceSettings(), key=KEY)  # type: ignore[arg-type]  # keeps its contract


def bare_proxy(url: str) -> web.Application:
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", bare_handler(url))
    return app


def bare_handler(url: str) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    clients: list[aiohttp.ClientSession] = []
    cookie = "; ".join(f"{cookie.name}={cookie.value}" for cookie in COOKIES)
    said = {**HEADERS, **FETCH, "accept": "*/*", "referer": url, "cookie": cookie}

    async def passed(request: web.Request) -> web.StreamResponse:
        if not clients:
            clients.append(
                aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), cookie_jar=aiohttp.DummyCookieJar())
            )
        async with clients[0].request(
            request.method,
            url.rstrip("/") + request.raw_path.removeprefix("/site/bench"),
            headers={**{name: value for name, value in request.headers.items() if name.lower() not in GONE}, **said},
            data=request.content if request.body_exists else None,
            allow_redirects=False,
            auto_decompress=False,
        ) as answer:
            headers = {name: value for name, value in answer.headers.items() if name.lower() not in GONE}
            response = web.StreamResponse(status=answer.status, headers=headers)
            await response.prepare(request)
            async for piece in answer.content.iter_any():
                await response.write(piece)
            await response.write_eof()
            return response

    return passed


def the_site(_: str) -> web.Application:
    async def small(request: web.Request) -> web.Response:
        return web.json_response({"items": [{"id": n, "name": "a nonce"} for n in range(5)]})

    async def big(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"content-length": str(SIZE), "content-type": "application/octet-stream"})
        await response.prepare(request)
        piece = b"x" * MiB
        for _ in range(SIZE // MiB):
            await response.write(piece)
        return response

    app = web.Application()
    app.router.add_get("/api/items", small)
    app.router.add_get("/big", big)
    return app


KINDS = {"site": the_site, "door": the_door, "proxy": bare_proxy}


async def listen(kind: str, url: str, kinds: Mapping[str, Callable[[str], web.Application]]) -> None:
    """Serve the application of this *kind* before *url*, and print its port."""
    runner = web.AppRunner(kinds[kind](url), access_log=None, auto_decompress=False, handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    if kind == "door":
        calm_collector()  # as `doorkey serve` does
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()


class Process:
    def __init__(self, process: asyncio.subprocess.Process, port: int) -> None:
        self.process = process
        self.port = port

    @classmethod
    async def start(cls, kind: str, url: str = "", script: str = __file__) -> Process:
        process = await asyncio.create_subprocess_exec(
            sys.executable, script, kind, url, stdout=asyncio.subprocess.PIPE
        )
        assert process.stdout is not None
        return cls(process, int(await process.stdout.readline()))

    def memory(self) -> float:
        """The peak memory of the process, in MiB."""
        match = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{self.process.pid}/status").read_text())
        assert match is not None
        return int(match[1]) / 1024

    async def end(self) -> None:
        self.process.terminate()
        await self.process.wait()


class Connection:
    """A client with almost no cost: it sends the same bytes on one connection again and again."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, port: int) -> Connection:
        return cls(*await asyncio.open_connection("127.0.0.1", port, limit=MiB))

    async def get(self, path: str) -> int:
        """Read one answer and return the size of its body in bytes."""
        self._writer.write(f"GET /site/bench{path} HTTP/1.1\r\nHost: localhost\r\nX-Api-Key: {KEY}\r\n\r\n".encode())
        head = await self._reader.readuntil(b"\r\n\r\n")
        assert b" 200 " in head[:20], head
        match = re.search(rb"content-length: (\d+)", head.lower())
        assert match is not None, head
        left = size = int(match[1])
        while left:
            piece = await self._reader.read(min(left, MiB))
            assert piece
            left -= len(piece)
        return size

    async def close(self) -> None:
        self._writer.close()
        await self._writer.wait_closed()


async def rate(port: int, at_once: int) -> float:
    connections = [await Connection.open(port) for _ in range(at_once)]

    async def work(connection: Connection) -> None:
        for _ in range(REQUESTS // at_once):
            await connection.get("/api/items")

    began = time.perf_counter()
    await asyncio.gather(*map(work, connections))
    taken = time.perf_counter() - began
    for connection in connections:
        await connection.close()
    return REQUESTS // at_once * at_once / taken


async def speed(port: int) -> float:
    """The speed of one large download, in MiB/s."""
    connection = await Connection.open(port)
    began = time.perf_counter()
    size = await connection.get("/big")
    taken = time.perf_counter() - began
    await connection.close()
    return size / MiB / taken


async def measure(door: Process, proxy: Process) -> bool:
    good = True
    for at_once in (1, 16, 64):
        await rate(door.port, at_once), await rate(proxy.port, at_once)
        pairs = [(await rate(door.port, at_once), await rate(proxy.port, at_once)) for _ in range(ROUNDS)]
        ratio = statistics.median(ours / theirs for ours, theirs in pairs)
        ours, theirs = (statistics.median(side) for side in zip(*pairs, strict=True))
        good = good and ratio >= RATE_GOAL
        print(
            f"door, {at_once:>2} at a time: doorkey {ours:6.0f}/s, bare proxy {theirs:6.0f}/s, "
            f"ratio {ratio:.2f} (goal {RATE_GOAL})"
        )
    before = door.memory()
    pairs = [(await speed(door.port), await speed(proxy.port)) for _ in range(5)]
    ratio = statistics.median(ours / theirs for ours, theirs in pairs)
    ours, theirs = (statistics.median(side) for side in zip(*pairs, strict=True))
    more = door.memory() - before
    print(
        f"door, 1 GiB: doorkey {ours:5.0f} MiB/s, bare proxy {theirs:5.0f} MiB/s, ratio {ratio:.2f} "
        f"(goal {SPEED_GOAL}), {more:.0f} MiB more memory (goal {MEMORY_GOAL:g})"
    )
    return good and ratio >= SPEED_GOAL and more <= MEMORY_GOAL


async def main() -> int:
    site = await Process.start("site")
    try:
        door = await Process.start("door", f"http://127.0.0.1:{site.port}/")
        try:
            proxy = await Process.start("proxy", f"http://127.0.0.1:{site.port}/")
            try:
                return 0 if await measure(door, proxy) else 1
            finally:
                await proxy.end()
        finally:
            await door.end()
    finally:
        await site.end()


if __name__ == "__main__":
    sys.exit(asyncio.run(listen(*sys.argv[1:], kinds=KINDS) if len(sys.argv) > 2 else main()))
