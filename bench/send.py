"""Compares requests by `Engine.send` with the same requests by a bare aiohttp session, at 1, 16 and 64 at a time.

The two take turns within one run, so that a busy machine slows both down alike; the result is the ratio.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import time
from collections.abc import Awaitable, Callable

import aiohttp

from doorkey.clock import SystemClock
from doorkey.engine.engine import Engine
from doorkey.engine.refusal_memory import RefusalMemory
from doorkey.model.cookies import Cookie
from doorkey.model.events import Events
from doorkey.model.request import Request
from doorkey.model.session import Key, Session
from doorkey.model.site import Site
from doorkey.provider import Provider
from doorkey.sessions.keeper import Keeper
from doorkey.sessions.memory import MemoryStore
from doorkey.sessions.source import Journal, RenewalReason
from doorkey.transport.direct import Direct
from doorkey.transport.headers import FETCH
from doorkey.transport.selector import TransportSelector
from service import serving

GOAL = 0.8
ROUNDS = 9
REQUESTS = 400
SERVER = """
import asyncio, sys
from aiohttp import web
async def answer(request):
    body = await request.json()
    return web.json_response({"response": True, "message": body["message"]})
async def main():
    app = web.Application()
    app.router.add_post("/api/text", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()
asyncio.run(main())
"""
HEADERS = {"user-agent": "Chrome/150", "accept-language": "en-US,en;q=0.9", "sec-ch-ua": '"Chromium";v="150"'}
BODY = {"message": "What does a nonce do?", "temperature": 0.5, "top_p": 1}


class Entered:
    """A source whose session exists already, so that no visit is measured."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.events = Events(SystemClock()).of(site.name)
        self.provider = Provider(site)
        self.key = Key(site.name, site.url)
        self.recorder = None

    @property
    def source(self) -> Entered:
        return self

    def fits(self, session: Session) -> bool:
        return True

    async def make(self, reason: RenewalReason, journal: Journal) -> Session:
        cookies = tuple(Cookie(f"c{n}", "v" * 40, "127.0.0.1") for n in range(5))
        return Session(
            key=self.key,
            gen=0,
            url=self.site.url,
            born=time.time(),
            soft=1e6,
            hard=2e6,
            cookies=cookies,
            headers=HEADERS,
        )


async def rate(once: Callable[[], Awaitable[bytes]], at_once: int) -> float:
    async def worker(count: int) -> None:
        for _ in range(count):
            assert b"nonce" in await once()

    began = time.perf_counter()
    await asyncio.gather(*(worker(REQUESTS // at_once) for _ in range(at_once)))
    return (REQUESTS // at_once * at_once) / (time.perf_counter() - began)


async def measure(port: int) -> bool:
    clock = SystemClock()
    site = Site(name="bench", url=f"http://127.0.0.1:{port}/")
    direct, entered = Direct(clock=clock), Entered(site)
    keeper = Keeper(MemoryStore(clock), private=MemoryStore(clock), clock=clock)
    engine = Engine(
        keeper=keeper, selector=TransportSelector(direct, clock=clock), refusals=RefusalMemory(clock), clock=clock
    )
    request = Request(url="/api/text", method="POST", json=BODY)
    connector = aiohttp.TCPConnector(limit=0)
    cookie = "; ".join(f"c{n}={'v' * 40}" for n in range(5))
    # The same in every header: what is measured is the way there, not what is said.
    said = {**HEADERS, **FETCH, "accept": "*/*", "origin": site.origin, "referer": site.url, "cookie": cookie}
    bare = aiohttp.ClientSession(connector=connector, headers=said)

    async def by_doorkey() -> bytes:
        answer = await engine.send(entered, request, deadline=clock.now() + 60)  # type: ignore[arg-type]  # keeps its contract
        return await answer.read()

    async def by_aiohttp() -> bytes:
        async with bare.post(f"{site.url}api/text", json=BODY) as response:
            return await response.read()

    good = True
    try:
        for at_once in (1, 16, 64):
            await rate(by_doorkey, at_once), await rate(by_aiohttp, at_once)
            pairs = [(await rate(by_doorkey, at_once), await rate(by_aiohttp, at_once)) for _ in range(ROUNDS)]
            ratio = statistics.median(ours / theirs for ours, theirs in pairs)
            ours, theirs = (statistics.median(side) for side in zip(*pairs, strict=True))
            good = good and ratio >= GOAL
            print(
                f"send, {at_once:>2} at a time: doorkey {ours:6.0f}/s, aiohttp {theirs:6.0f}/s, "
                f"ratio {ratio:.2f} (goal {GOAL})"
            )
    finally:
        await bare.close()
        await keeper.close()
        await direct.close()
    return good


async def main() -> int:
    async with serving(SERVER) as port:
        return 0 if await measure(port) else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
