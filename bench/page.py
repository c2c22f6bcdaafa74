"""Compares the transports `page` and `direct` on the same stream: time to the first chunk, and delay of each chunk.

The two take turns within one run, so that a busy machine slows both down alike. Each chunk contains the time at which
the server wrote it.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import time
from contextlib import aclosing

from doorkey import Request, Runtime, Settings
from service import serving

FIRST_GOAL, CHUNK_GOAL = 10.0, 2.0
ROUNDS, CHUNKS, APART = 30, 40, 0.01
SERVER = f"""
import asyncio, time
from aiohttp import web
async def page(request):
    return web.Response(text='<meta name="csrf" content="abc123">', content_type="text/html")
async def stream(request):
    response = web.StreamResponse(headers={{"content-type": "text/event-stream"}})
    await response.prepare(request)
    for _ in range({CHUNKS}):
        await response.write(b"data: %.6f\\n\\n" % time.monotonic())
        await asyncio.sleep({APART})
    return response
async def main():
    app = web.Application()
    app.router.add_get("/", page)
    app.router.add_get("/stream", stream)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()
asyncio.run(main())
"""


async def one(runtime: Runtime, site: str) -> tuple[float, list[float]]:
    """Milliseconds until the first chunk, and the delay of each chunk after it was written."""
    began, first, late, rest = time.monotonic(), 0.0, [], b""
    async with await runtime.send(site, Request(url="/stream")) as answer, aclosing(answer.pieces()) as pieces:
        async for piece in pieces:
            now = time.monotonic()
            first = first or now - began
            *lines, rest = (rest + piece).split(b"\n\n")
            late += [(now - float(line[6:])) * 1e3 for line in lines]
    return first * 1e3, late


async def measure(port: int) -> bool:
    table = {"provider": "web", "url": f"http://127.0.0.1:{port}/", "ready": "meta[name=csrf]",
             "manners": {"rate": 1000}}  # fmt: skip
    sites = {name: {**table, "transport": name} for name in ("direct", "page")}
    found: dict[str, list[tuple[float, list[float]]]] = {name: [] for name in sites}
    settings = Settings.model_validate({"sites": sites, "store": {"url": "memory://"}})
    async with Runtime(settings) as runtime:
        for name in sites:
            await one(runtime, name)
        for _ in range(ROUNDS):
            for name in sites:
                found[name].append(await one(runtime, name))
    firsts = {name: statistics.median(first for first, _ in runs) for name, runs in found.items()}
    lates = {name: statistics.median(late for _, runs_late in runs for late in runs_late[1:])
             for name, runs in found.items()}  # fmt: skip
    for name in sites:
        print(f"{name:7} first chunk {firsts[name]:6.2f} ms   each chunk {lates[name]:5.2f} ms after it was written")
    first, chunk = firsts["page"] - firsts["direct"], lates["page"] - lates["direct"]
    print(f"page is behind by {first:.2f} ms at the first chunk (goal: {FIRST_GOAL:g}), {chunk:.2f} ms a chunk "
          f"(goal: {CHUNK_GOAL:g}); medians of {ROUNDS} streams")  # fmt: skip
    return first <= FIRST_GOAL and chunk <= CHUNK_GOAL


async def main() -> int:
    async with serving(SERVER) as port:
        return 0 if await measure(port) else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
