"""What sessions cost: a fresh one, a step of each store, and how soon another process takes over from a killed one.

python bench/keeper.py [--redis redis://127.0.0.1:6379/0]
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from doorkey.clock import SystemClock
from doorkey.model.cookies import Cookie
from doorkey.model.session import Key, Session
from doorkey.sessions.keeper import Keeper
from doorkey.sessions.memory import MemoryStore
from doorkey.sessions.redis_server import RedisAccess
from doorkey.sessions.redis_store import RedisStore
from doorkey.sessions.source import Journal, RenewalReason
from doorkey.sessions.sqlite import SqliteStore
from doorkey.sessions.store import Claim, Store

CLOCK = SystemClock()
KEY = Key("bench", "http://127.0.0.1:1/")
TIMES = 20_000
STEPS = 1000
TTL = 3.0
"""Seconds that a claim lasts in the take-over; doorkey's own last 15 s."""


def made() -> Session:
    cookies = tuple(Cookie(f"cookie{number}", "x" * 40, "127.0.0.1") for number in range(10))
    return Session(key=KEY, gen=0, url=KEY.url, born=CLOCK.wall(), soft=9e5, hard=9e5, cookies=cookies)


class Source:
    """Visits that take no time. One that *hangs* holds its claim for ever."""

    key = KEY

    def __init__(self, *, hangs: bool = False) -> None:
        self._hangs = hangs

    @property
    def source(self) -> Source:
        return self

    def fits(self, session: Session) -> bool:
        return True

    async def make(self, reason: RenewalReason, journal: Journal) -> Session:
        if self._hangs:
            print("claimed", flush=True)
            await asyncio.sleep(9e5)
        return made()


def keeper_on(store: Store) -> Keeper:
    return Keeper(store, private=MemoryStore(CLOCK), clock=CLOCK, claim_ttl=TTL)


async def measure(step: Callable[[], Awaitable[object]], times: int) -> list[float]:
    """The microseconds that *step* took, each time."""
    took = []
    for _ in range(times):
        began = time.perf_counter()
        await step()
        took.append(1e6 * (time.perf_counter() - began))
    return took


def tell(what: str, took: list[float]) -> None:
    late = statistics.quantiles(took, n=100)[98]
    print(f"{what:42} p50 {statistics.median(took):8.1f} us   p99 {late:8.1f} us", flush=True)


async def bench_fresh() -> None:
    keeper, source = keeper_on(MemoryStore(CLOCK)), Source()

    async def use() -> None:
        session = keeper.get_ready(source) or await keeper.get(source, deadline=CLOCK.now() + 10)
        keeper.accept(session)

    async def nothing() -> None: ...

    tell("a fresh session, and its acceptance", await measure(use, TIMES))
    tell("(a call of nothing)", await measure(nothing, TIMES))
    await keeper.close()


async def bench_steps(name: str, store: Store) -> None:
    seen, began, done = -1, [], []

    async def visit() -> None:
        nonlocal seen
        since = time.perf_counter()
        claim = await store.begin(KEY, seen, 15.0)
        claimed = time.perf_counter()
        assert isinstance(claim, Claim)
        committed = await store.commit(claim, made())
        assert committed is not None
        began.append(1e6 * (claimed - since))
        done.append(1e6 * (time.perf_counter() - claimed))
        seen = committed.gen

    for _ in range(STEPS):
        await visit()
    tell(f"{name}: begin, which claims", began)
    tell(f"{name}: commit", done)
    tell(f"{name}: begin, where there is a newer one", await measure(lambda: store.begin(KEY, -1, 15.0), STEPS))


async def bench_takeover(name: str, url: str, store: Store) -> None:
    """Kill a process that visits, and see when the next one has a session."""
    command = (sys.executable, __file__, "--claim", url)
    victim = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert victim.stdout is not None
    assert await victim.stdout.readline() == b"claimed\n"
    os.kill(victim.pid, signal.SIGKILL)
    await victim.wait()
    keeper, began = keeper_on(store), CLOCK.now()
    await keeper.get(Source(), deadline=began + 60)
    print(f"{name}: taken over after {CLOCK.now() - began:.2f} s; a claim lasts {TTL:.0f} s", flush=True)
    await keeper.close()


def store_of(url: str) -> Store:
    if not url.startswith("redis"):
        return SqliteStore(Path(url), CLOCK)

    async def access() -> RedisAccess:
        return RedisAccess(url)

    async def key() -> str:
        return "YmVuY2ggYmVuY2ggYmVuY2ggYmVuY2ggYmVuY2ghISE="

    return RedisStore(access, key, CLOCK, name=RedisAccess(url).name)


async def claim(url: str) -> None:
    await keeper_on(store_of(url)).get(Source(hangs=True), deadline=CLOCK.now() + 9e5)


async def main(redis: str | None) -> None:
    await bench_fresh()
    await bench_steps("memory", MemoryStore(CLOCK))
    with tempfile.TemporaryDirectory() as folder:
        urls = {"SQLite": f"{folder}/steps.db", **({"Redis": redis} if redis else {})}
        for name, url in urls.items():
            store = store_of(url)
            if name == "Redis":
                client = RedisAccess(url).connect()
                tell("(a ping of the server)", await measure(lambda: client.ping(), STEPS))  # noqa: B023 - at once
                await client.aclose()
            await bench_steps(name, store)
            await store.close()
        for name, url in urls.items():
            url = f"{folder}/takeover.db" if name == "SQLite" else f"{url.rpartition('/')[0]}/1"
            store = store_of(url)
            await bench_takeover(name, url, store)
            await store.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--redis", help="URL of an empty Redis server: its databases are written to")
    parser.add_argument("--claim", help=argparse.SUPPRESS)
    given = parser.parse_args()
    asyncio.run(claim(given.claim) if given.claim else main(given.redis))
