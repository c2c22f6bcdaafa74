# ruff: noqa: E402 - the source roots must be on the path first
"""Compares a visit with plain Playwright that does the same in a running browser. The ratio should be at most 1.3.

Both open a fresh context and page, load the same page from this machine, and take its storage state. They take turns,
and the medians are compared. `settle` is 0, and a provider's own parsing of the page is not included.
Usage: python bench/visit.py [ROUNDS]
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1] / root) for root in ("runtime", "browser_profiles")]

from aiohttp import web
from aiohttp.test_utils import TestServer
from playwright.async_api import Browser, async_playwright

from doorkey.browser import BrowserPool, Profile, VisitSpec, find_chromium
from doorkey.browser.arguments import list_arguments

TOKEN = "f3a9c1d27b"
PAGE = (
    f"<!doctype html><link rel=icon href=data:,><meta name=csrf content={TOKEN}>"
    + "<link rel=stylesheet href=/a.css>"
    + "".join(f"<script src=/{number}.js></script>" for number in range(5))
    + "<script>document.cookie = 'a=1'; localStorage.b = '2'</script>"
    + "<p>text</p>" * 500
)


async def serve(request: web.Request) -> web.Response:
    if request.path == "/":
        return web.Response(text=PAGE, content_type="text/html")
    kind = "text/css" if request.path.endswith("css") else "text/javascript"
    return web.Response(text="/* nothing */", content_type=kind)


async def plain(browser: Browser, url: str) -> Callable[[], Awaitable[None]]:
    context = await browser.new_context()
    page = await context.new_page()
    await page.goto(url)
    await context.storage_state()
    return context.close


async def ours(pool: BrowserPool, url: str) -> None:
    wanted = VisitSpec(url=url, read=lambda page: {"csrf": TOKEN if TOKEN in page.html else ""}, settle=0.0)
    async with pool.lease(Profile(name="desktop"), site_url=url) as lease:
        await lease.enter(wanted)


async def main(rounds: int) -> None:
    app = web.Application()
    app.router.add_get("/{path:.*}", serve)
    times: dict[str, list[float]] = {"plain": [], "doorkey": []}
    pool = BrowserPool()
    async with TestServer(app, host="127.0.0.1") as server, async_playwright() as playwright:
        url = str(server.make_url("/"))
        browser = await playwright.chromium.launch(executable_path=find_chromium().path, args=list_arguments())
        for turn in range(rounds + 2):
            start = time.perf_counter()
            close = await plain(browser, url)
            middle = time.perf_counter()
            await close()
            again = time.perf_counter()
            await ours(pool, url)
            end = time.perf_counter()
            await pool.wait_returned()
            if turn >= 2:
                times["plain"].append(middle - start)
                times["doorkey"].append(end - again)
        await browser.close()
    await pool.close()
    medians = {name: statistics.median(values) * 1000 for name, values in times.items()}
    ratio = medians["doorkey"] / medians["plain"]
    print(f"plain Playwright {medians['plain']:.0f} ms, doorkey {medians['doorkey']:.0f} ms: ratio {ratio:.2f}")


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 20))
