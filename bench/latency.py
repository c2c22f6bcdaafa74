"""Measures what the door must not hold up, against a bare aiohttp reverse proxy in the same run: the first byte of an
answer, events of a stream, WebSocket messages, and other streams while a body of 6 MiB gets its token.

Door and proxy take turns. A busy machine only makes times longer, so the shortest of all rounds counts.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from urllib.parse import quote

import aiohttp
import door
from aiohttp import web
from door import KEY, Connection, Process

from doorkey.clients.aio import Client
from doorkey.model.request import MiB, Request
from doorkey.model.session import Session
from doorkey.model.site import Site
from doorkey.provider import Provider
from doorkey.service.app import calm_collector
from doorkey_providers.web.bodies import with_form, with_json

BEHIND_GOAL, PAUSE_GOAL, EVENT_GOAL = 1.0, 50.0, 100.0
"""Milliseconds: behind the bare proxy; between two events of another stream; until an event arrives."""
ROUNDS, MESSAGES, EVENTS = 9, 200, 4
TICK = 0.002
FORM = "text=" + quote("Grüße & more = less " * 180_000)
DOCUMENT = json.dumps({"rows": [{"id": n, "name": "Grüße", "price": 1.10} for n in range(110_000)]})
FIELDS = {f"field{n}": "Grüße & more = less " * 100 for n in range(1800)}
REPEATED = {"field": list(FIELDS.values())}
ROWS = {"rows": [{"id": n, "name": "Grüße", "price": 1.10} for n in range(110_000)]}


class TokenProvider(Provider):
    """Puts a token into forms and JSON, as a site's `send` does."""

    def dress(self, request: Request, session: Session) -> Request:
        if request.body is None and request.form is None and request.json is None:
            return request
        return with_json(request, {"csrf": "t"}) if request.is_json else with_form(request, {"csrf": "t"})


class Entered(door.Entered):
    """A source whose provider puts a token into bodies."""

    def __init__(self, site: Site) -> None:
        super().__init__(site)
        self.provider = TokenProvider(site)


class EnteredRuntime(door.EnteredRuntime):
    """The part of a Runtime that door and client use."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.clock = self._clock
        self._entered = Entered(self.sites["bench"])


def the_door(url: str) -> web.Application:
    return door.build_app(EnteredRuntime(url), service=door.ServiceSettings(), key=KEY)  # type: ignore[arg-type]  # keeps its contract


def bare_proxy(url: str) -> web.Application:
    async def passed(request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse()
        async with aiohttp.ClientSession() as client, client.ws_connect(url + "echo") as there:
            await socket.prepare(request)
            async for message in socket:
                await there.send_str(message.data)
                await socket.send_str(await there.receive_str())
        return socket

    app = web.Application(client_max_size=64 * MiB)
    app.router.add_get("/site/bench/echo", passed)
    app.router.add_route("*", "/{tail:.*}", door.bare_handler(url))
    return app


def the_site(_: str) -> web.Application:
    async def items(request: web.Request) -> web.Response:
        return web.json_response({"items": [{"id": n, "name": "a nonce"} for n in range(5)]})

    async def events(request: web.Request) -> web.StreamResponse:
        """One event each `every` seconds, `count` in all. Each says when it was sent."""
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        for _ in range(int(request.query["count"])):
            await response.write(f"data: {time.monotonic()}\n\n".encode())
            await asyncio.sleep(float(request.query["every"]))
        return response

    async def save(request: web.Request) -> web.Response:
        size = 0
        async for piece in request.content.iter_any():
            size += len(piece)
        return web.json_response({"size": size})

    async def echo(request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            await socket.send_str(message.data)
        return socket

    app = web.Application()
    app.router.add_get("/api/items", items)
    app.router.add_get("/events", events)
    app.router.add_get("/echo", echo)
    app.router.add_post("/save", save)
    return app


KINDS = {"site": the_site, "door": the_door, "proxy": bare_proxy}


async def first_byte(port: int) -> float:
    """Milliseconds until the answer to a small request begins, as the median of many."""
    connection = await Connection.open(port)
    times = []
    for _ in range(MESSAGES):
        began = time.perf_counter()
        await connection.get("/api/items")
        times.append(time.perf_counter() - began)
    await connection.close()
    return statistics.median(times) * 1000


async def round_trip(port: int) -> float:
    """Milliseconds for one message to the site and back, as the median of many."""
    times = []
    async with (
        aiohttp.ClientSession(headers={"x-api-key": KEY}) as client,
        client.ws_connect(f"http://127.0.0.1:{port}/site/bench/echo") as socket,
    ):
        for _ in range(MESSAGES):
            began = time.perf_counter()
            await socket.send_str("What does a nonce do?")
            await socket.receive_str()
            times.append(time.perf_counter() - began)
    return statistics.median(times) * 1000


async def event_times(client: aiohttp.ClientSession, port: int, count: int, every: float) -> AsyncIterator[float]:
    """The seconds that each event of a stream took to arrive."""
    url = f"http://127.0.0.1:{port}/site/bench/events?count={count}&every={every}"
    async with client.get(url) as answer:
        async for line in answer.content:
            if line.startswith(b"data: "):
                yield time.monotonic() - float(line[6:])


async def event_delay(port: int) -> float:
    """The most milliseconds that an event of a stream of one a second took to arrive."""
    async with aiohttp.ClientSession(headers={"x-api-key": KEY}) as client:
        return 1000 * max([delay async for delay in event_times(client, port, EVENTS, 1.0)])


async def pause(port: int, media_type: str, body: bytes) -> float:
    """The longest pause, in milliseconds, of another stream while *body* goes through."""
    async with aiohttp.ClientSession(headers={"x-api-key": KEY}) as client:

        async def send() -> None:
            url = f"http://127.0.0.1:{port}/site/bench/save"
            async with client.post(url, data=body, headers={"content-type": media_type}) as answer:
                assert (await answer.json())["size"] >= len(body)

        return await longest_pause(client, port, send)


async def longest_pause(client: aiohttp.ClientSession, port: int, work: Callable[[], Awaitable[None]]) -> float:
    working = asyncio.create_task(work())
    last, longest = time.monotonic(), 0.0
    async for _ in event_times(client, port, 100_000, TICK):
        now = time.monotonic()
        longest, last = max(longest, now - last), now
        if working.done():
            break
    await working
    return longest * 1000


async def stop(encode: dict[str, object], url: str) -> float:
    """The longest time, in milliseconds, for which a client that sends a large body stops its event loop."""
    longest, over = 0.0, False

    async def watch() -> None:
        nonlocal longest
        while not over:
            began = time.perf_counter()
            await asyncio.sleep(0)
            longest = max(longest, time.perf_counter() - began)

    watching = asyncio.create_task(watch())
    async with Client("bench", runtime=EnteredRuntime(url)) as client:  # type: ignore[arg-type]  # keeps its contract
        await (await client.post("/save", **encode)).read()  # type: ignore[arg-type]  # one body each
    over = True
    await watching
    return longest * 1000


def report(what: str, ours: list[float], theirs: list[float] | None, goal: float) -> bool:
    """Print the shortest times. Against a bare proxy the goal is for what is on top of it."""
    value = min(ours)
    line = f"{what}: doorkey {value:.2f} ms"
    if theirs is not None:
        value -= min(theirs)
        line += f", bare proxy {min(theirs):.2f} ms, behind it {value:.2f} ms"
    print(f"{line} (goal {goal:g})", flush=True)
    return value <= goal


async def measure(site: Process, door: Process, proxy: Process) -> bool:
    async def pairs(once: Callable[[int], Awaitable[float]], rounds: int = ROUNDS) -> tuple[list[float], list[float]]:
        await once(door.port), await once(proxy.port)
        found = [(await once(door.port), await once(proxy.port)) for _ in range(rounds)]
        return [mine for mine, _ in found], [other for _, other in found]

    good = report("first byte", *await pairs(first_byte), BEHIND_GOAL)
    good &= report("WebSocket, there and back", *await pairs(round_trip), BEHIND_GOAL)
    good &= report("an event of one a second", [await event_delay(door.port)], None, EVENT_GOAL)
    for what, media_type, text in (
        ("a form", "application/x-www-form-urlencoded", FORM),
        ("JSON", "application/json", DOCUMENT),
    ):
        body = text.encode()
        ours, theirs = await pairs(lambda port, body=body, kind=media_type: pause(port, kind, body))  # type: ignore[misc]
        print(f"  beside the same body the bare proxy's stream pauses for {min(theirs):.1f} ms")
        good &= report(f"pause of a stream beside {what} of {len(body) / MiB:.1f} MiB", ours, None, PAUSE_GOAL)
    url = f"http://127.0.0.1:{site.port}/"
    for what, encode in (
        ("a form", {"data": FIELDS}),
        ("a form of one repeated name", {"data": REPEATED}),
        ("JSON", {"json": ROWS}),
    ):
        stops = [await stop(encode, url) for _ in range(ROUNDS)]  # type: ignore[arg-type]
        good &= report(f"stop of a client's loop by {what} of several MiB", stops, None, PAUSE_GOAL)
    return good


async def main() -> int:
    calm_collector()
    started: list[Process] = []
    try:
        started.append(await Process.start("site", script=__file__))
        url = f"http://127.0.0.1:{started[0].port}/"
        started.append(await Process.start("door", url, script=__file__))
        started.append(await Process.start("proxy", url, script=__file__))
        return 0 if await measure(*started) else 1
    finally:
        for process in reversed(started):
            await process.end()


if __name__ == "__main__":
    sys.exit(asyncio.run(door.listen(*sys.argv[1:], kinds=KINDS) if len(sys.argv) > 2 else main()))
