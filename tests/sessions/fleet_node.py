"""One process of a fleet: it sends requests by a keeper whose store others share, and prints a line of JSON."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path

import aiohttp

from doorkey.clock import SystemClock
from doorkey.errors import DoorkeyError
from doorkey.model.cookies import Cookie
from doorkey.model.session import Key, Session
from doorkey.sessions.keeper import Keeper
from doorkey.sessions.memory import MemoryStore
from doorkey.sessions.redis_server import RedisAccess
from doorkey.sessions.redis_store import RedisStore
from doorkey.sessions.source import Journal, RenewalReason
from doorkey.sessions.sqlite import SqliteStore
from doorkey.sessions.store import Store

CLOCK = SystemClock()
AT_ONCE = 20
DEADLINE = 60.0


class SiteTarget:
    """Visits log in at the site by plain HTTP."""

    def __init__(self, site: str, http: aiohttp.ClientSession) -> None:
        self.key = Key("fleet", site)
        self._http = http

    @property
    def source(self) -> SiteTarget:
        return self

    def fits(self, session: Session) -> bool:
        return True

    async def make(self, reason: RenewalReason, journal: Journal) -> Session:
        async with self._http.post(f"{self.key.url}visit") as answer:
            cookies = (Cookie("sid", await answer.text(), "127.0.0.1"),)
        born = CLOCK.wall()
        return Session(key=self.key, gen=0, url=self.key.url, born=born, soft=9e5, hard=9e5, cookies=cookies)


def store_of(url: str, encryption: str) -> Store:
    if not url.startswith("redis"):
        return SqliteStore(Path(url), CLOCK)

    async def access() -> RedisAccess:
        return RedisAccess(url)

    async def keys() -> str:
        return encryption

    return RedisStore(access, keys, CLOCK, name="the fleet's store")


async def run(store_url: str, encryption: str, site: str, requests: int) -> None:
    store = store_of(store_url, encryption)
    keeper = Keeper(store, private=MemoryStore(CLOCK), clock=CLOCK, claim_ttl=3.0)
    left, lost, waits = iter(range(requests)), 0, []
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=AT_ONCE)) as http:
        target = SiteTarget(site, http)

        async def send() -> bool:
            end = CLOCK.now() + DEADLINE
            session = await keeper.get(target, deadline=end)
            while True:
                async with http.get(f"{site}use", params={"sid": session.cookie("sid") or ""}) as answer:
                    if answer.status == 200:
                        keeper.accept(session)
                        return True
                session = await keeper.renew(target, session, deadline=end)

        async def work() -> None:
            nonlocal lost
            for _ in left:
                began = time.perf_counter()
                try:
                    await send()
                except DoorkeyError as error:
                    print(error, file=sys.stderr)
                    lost += 1
                waits.append(time.perf_counter() - began)

        await asyncio.gather(*(work() for _ in range(AT_ONCE)))
    await keeper.close()
    await store.close()
    print(json.dumps({"lost": lost, "sent": len(waits), "longest": round(max(waits), 3)}))


if __name__ == "__main__":
    asyncio.run(run(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])))
