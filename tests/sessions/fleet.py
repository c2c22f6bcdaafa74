"""A site whose one session dies after a number of uses, and the processes that send requests to it."""

from __future__ import annotations

import asyncio
import json
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from aiohttp import web
from aiohttp.test_utils import TestServer

Listen: TypeAlias = Callable[[str, int, socket.AddressFamily], socket.socket]
NODE = Path(__file__).with_name("fleet_node.py")


@dataclass
class CountingSite:
    """`answered` counts uses of a live session, `refused` those of a dead one. `visits` and `overlaps` count logins."""

    uses: int
    slow: float = 0.05
    answered: int = 0
    refused: int = 0
    visits: int = 0
    at_once: int = 0
    overlaps: int = 0
    sid: str = ""
    used: int = 0
    url: str = ""
    visited: asyncio.Event = field(default_factory=asyncio.Event)
    goal: int = 0
    reached: asyncio.Event = field(default_factory=asyncio.Event)

    async def until_answered(self, count: int) -> None:
        """Return when so many uses were answered."""
        self.goal = count
        self.reached.clear()
        if self.answered < count:
            await self.reached.wait()

    async def visit(self, request: web.Request) -> web.Response:
        self.at_once += 1
        self.overlaps += self.at_once > 1
        self.visited.set()
        try:
            await asyncio.sleep(self.slow)  # what a login takes at this site
        finally:
            self.at_once -= 1
        self.visits += 1
        self.sid, self.used = f"s{self.visits}", 0
        return web.Response(text=self.sid)

    async def use(self, request: web.Request) -> web.Response:
        if request.query["sid"] != self.sid or self.used >= self.uses:
            self.refused += 1
            return web.Response(status=401)
        self.used += 1
        self.answered += 1
        if self.answered >= self.goal:
            self.reached.set()
        return web.Response()


@asynccontextmanager
async def counting_site(
    uses: int, slow: float = 0.05, *, host: str = "127.0.0.1", listen: Listen | None = None
) -> AsyncIterator[CountingSite]:
    """The site, on *host*; *listen* makes its socket where that is no address of this process's own host."""
    site = CountingSite(uses, slow)
    app = web.Application()
    app.router.add_post("/visit", site.visit)
    app.router.add_get("/use", site.use)
    factory: dict[str, Any] = {} if listen is None else {"socket_factory": listen}
    async with TestServer(app, host=host, **factory) as server:
        site.url = str(server.make_url("/"))
        yield site


async def start_node(
    store: str, encryption: str, site: CountingSite, requests: int, on: tuple[str, ...] = ()
) -> asyncio.subprocess.Process:
    """A process of the fleet; *on* is what its command begins with to run on another host."""
    command = (*on, sys.executable, NODE, store, encryption, site.url, str(requests))
    return await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)


async def result_of(node: asyncio.subprocess.Process, limit: float = 300.0) -> dict[str, float]:
    async with asyncio.timeout(limit):
        out, _ = await node.communicate()
    told: dict[str, float] = json.loads(out)
    return told
