# ruff: noqa: E402 - the source roots must be on the path first
"""Measures the live view by a client of its WebSocket: the first picture (at most 1 s after the page was asked for), an
input's effect (at most 200 ms until the picture that shows it), and what a still page costs (at most 15 % of a core).

The effect is measured with a page that changes its whole colour at each key. The cost is the CPU time of this process
and of Chromium's, while one viewer looks at a page where nothing moves.
Usage: python bench/live_view.py [ROUNDS]
"""

from __future__ import annotations

import asyncio
import os
import statistics
import sys
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1] / root) for root in ("runtime", "browser_profiles")]

import aiohttp
from aiohttp import web
from aiohttp.test_utils import TestServer

from doorkey.browser import BrowserPool, Profile, VisitSpec
from doorkey.browser.live_view.handovers import Handovers
from doorkey.clock import SystemClock
from doorkey.config.settings import ServiceSettings
from doorkey.service.app import RULES, serve
from doorkey.service.live_view.app import build_view_app

PAGE = """<!doctype html><title>still</title><style>html { height: 100% }</style><p>text</p>
<script>
let at = 0;
onkeydown = () => { document.documentElement.style.background = ["red", "blue"][at++ % 2]; };
</script>"""
STILL = 5.0
"""Seconds for which a still page is watched."""


async def show(request: web.Request) -> web.Response:
    return web.Response(text=PAGE, content_type="text/html")


def read_cpu(pids: set[int]) -> float:
    """Return the CPU seconds that the processes *pids* have used (proc(5))."""
    ticks = 0
    for pid in pids:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        ticks += int(fields[11]) + int(fields[12])
    return ticks / 100


def list_family(root: int) -> set[int]:
    """Return the process *root* and all that came from it."""
    parents = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(path.parent.name)] = int(path.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
    family = {root}
    while grown := {pid for pid, parent in parents.items() if parent in family} - family:
        family |= grown
    return family


async def wait_picture(socket: aiohttp.ClientWebSocketResponse) -> None:
    async for message in socket:
        if message.type is aiohttp.WSMsgType.BINARY:
            return


async def drain(socket: aiohttp.ClientWebSocketResponse, quiet: float) -> None:
    """Read until no picture has come for *quiet* seconds."""
    try:
        while True:
            async with asyncio.timeout(quiet):
                await wait_picture(socket)
    except TimeoutError:
        return


async def measure(base: str, link: str, rounds: int) -> None:
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as browser:
        first, effects = [], []
        async with browser.get(base + link) as entered:
            page = entered.url
        for _ in range(rounds):
            began = time.perf_counter()
            async with browser.get(page), browser.ws_connect(f"{page}/socket", origin=base) as socket:
                await wait_picture(socket)
                first.append(time.perf_counter() - began)
        async with browser.ws_connect(f"{page}/socket", origin=base) as socket:
            await drain(socket, 1.0)
            for _ in range(rounds):
                began = time.perf_counter()
                await socket.send_json({"type": "key", "event": "down", "key": "a"})
                await wait_picture(socket)
                effects.append(time.perf_counter() - began)
                await drain(socket, 0.3)
            family = list_family(os.getpid())
            before, began = read_cpu(family), time.perf_counter()
            await drain(socket, STILL)
            cost = (read_cpu(family) - before) / (time.perf_counter() - began)
    for name, times in (("first picture", first), ("an input's effect", effects)):
        print(f"{name}: median {1000 * statistics.median(times):.0f} ms, worst {1000 * max(times):.0f} ms")
    print(f"a still page: {100 * cost:.1f} % of a core")


async def main(rounds: int) -> None:
    site = web.Application()
    site.router.add_get("/", show)
    handovers, offered = Handovers(SystemClock()), asyncio.Event()
    handovers.on_change.append(offered.set)
    app = build_view_app("site", handovers, ServiceSettings(), SystemClock())
    pool = BrowserPool()

    async def log_in(url: str) -> None:
        async with pool.lease(Profile(name="desktop"), site_url=url) as lease:
            await lease.enter_by_person(VisitSpec(url=url, read=lambda _: {}, ready="#never"), handovers, "a bench")

    async with TestServer(site, host="127.0.0.1") as server, serve(app, "127.0.0.1", 0, shutdown=1.0) as base:
        login = asyncio.create_task(log_in(str(server.make_url("/"))))
        await offered.wait()
        await measure(base, app[RULES].viewers.make_link(None), rounds)
        login.cancel()
        await asyncio.gather(login, return_exceptions=True)
    await pool.close()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 20))
