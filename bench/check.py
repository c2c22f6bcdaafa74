"""Compares calls at a site whose sessions are checked with the same calls where nothing tells a dead session.

    .venv/bin/python bench/check.py

One site, entered twice by a real browser: with `ready`, so that the session check is calibrated and each answer is
judged by it, and at a page that is open to all. No answer is suspect. The two take turns; the result is the ratio of
their rates. The goal is for the write; a page has to be searched for a login form.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import sys
import time

from paired import interval

from doorkey import Request, Runtime, Settings
from service import serving

ROUNDS, REQUESTS, LOSS = 11, 400, 0.98
LOADS = (1, 16, 64)
SERVER = """
import asyncio
from aiohttp import web
FORM = "<form action=/login method=post><input name=user><input name=pw type=password><button>in</button></form>"
PAGE = "<title>Wiki</title><a href=/logout>Log out</a>" + "<p>" + "what a page holds, " * 5500
async def page(request):
    inside = request.cookies.get("sid") == "x" * 40
    return web.Response(text=PAGE if inside else FORM, content_type="text/html")
async def opened(request):
    answer = web.Response(text=PAGE, content_type="text/html")
    if "sid" not in request.cookies:
        answer.set_cookie("sid", "y" * 40)
    return answer
async def login(request):
    answer = web.Response(status=303, headers={"location": "/"})
    answer.set_cookie("sid", "x" * 40)
    return answer
async def save(request):
    return web.json_response({"saved": (await request.json())["note"]})
async def main():
    app = web.Application()
    app.add_routes([web.get("/", page), web.get("/open", opened), web.post("/login", login), web.post("/save", save)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()
asyncio.run(main())
"""
CALLS = {
    "a write": Request(url="/save", method="POST", json={"note": "x"}),
    "100 KB of HTML": Request(url="/open"),
}


def settings(port: int) -> Settings:
    steps = [
        {"fill": "[name=user]", "value": "env:BENCH_USER"}, {"fill": "[name=pw]", "value": "env:BENCH_PASSWORD"},
        {"click": "button"},
    ]  # fmt: skip
    plain = {"provider": "web", "url": f"http://127.0.0.1:{port}/open"}
    checked = {**plain, "url": f"http://127.0.0.1:{port}/", "ready": "[href='/logout']", "visit": {"steps": steps}}
    return Settings.model_validate({"sites": {"plain": plain, "checked": checked}, "store": {"url": "memory://"}})


async def rate(runtime: Runtime, site: str, call: Request, at_once: int) -> float:
    """Calls a second."""

    async def work() -> None:
        for _ in range(REQUESTS // at_once):
            async with await runtime.send(site, call) as answer:
                assert answer.head.status == 200
                await answer.read()

    began = time.perf_counter()
    await asyncio.gather(*(work() for _ in range(at_once)))
    return REQUESTS // at_once * at_once / (time.perf_counter() - began)


async def compare(runtime: Runtime) -> bool:
    good = True
    for name, call in CALLS.items():
        for at_once in LOADS:
            await rate(runtime, "checked", call, at_once), await rate(runtime, "plain", call, at_once)
            ratios = []
            for at in range(ROUNDS):
                order = ("checked", "plain") if at % 2 else ("plain", "checked")
                rates = {site: await rate(runtime, site, call, at_once) for site in order}
                ratios.append(rates["checked"] / rates["plain"])
            low, high = interval(ratios)
            good &= high >= LOSS or call.method == "GET"
            print(
                f"{name}, {at_once:>2} at a time: {statistics.median(ratios):.3f} of the rate without a check, "
                f"interval {low:.3f} to {high:.3f} (a loss if all of it is below {LOSS})",
                flush=True,
            )
    return good


async def main() -> int:
    os.environ |= {"BENCH_USER": "ada", "BENCH_PASSWORD": "x"}
    async with serving(SERVER) as port, Runtime(settings(port)) as runtime:
        return 0 if await compare(runtime) else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
