"""Measures the service before it starts a browser: seconds until `/healthz` answers, and its memory.

In the same run it measures a bare aiohttp service that answers the same and does nothing else.
"""

from __future__ import annotations

import asyncio
import os
import re
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp

ROUNDS = 5
MEMORY_GOAL = 80.0
START_GOAL = 1.0
BARE = """
from aiohttp import web
async def health(request):
    return web.json_response({"status": "ok"})
app = web.Application()
app.router.add_get("/healthz", health)
web.run_app(app, host="127.0.0.1", port=PORT, print=None)
"""


def free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@asynccontextmanager
async def serving(program: str) -> AsyncIterator[int]:
    """Run *program*, a site that prints its port, in a process of its own until the end of the `async with`."""
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", program, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    try:
        yield int(await process.stdout.readline())
    finally:
        process.terminate()
        await process.wait()


def memory(pid: int) -> float:
    """The resident memory of a process, in MiB."""
    match = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert match is not None
    return int(match[1]) / 1024


async def started(command: list[str], port: int, home: str) -> tuple[float, float]:
    """Seconds from the start to the first answer, and the memory in MiB at that time."""
    environment = {**os.environ, "HOME": home, "XDG_DATA_HOME": home, "XDG_CONFIG_HOME": home}
    environment["DOORKEY_SITES__CHATGPTFREE__URL"] = "http://127.0.0.1:9/"
    began = time.perf_counter()
    process = await asyncio.create_subprocess_exec(
        *command, env=environment, cwd=home, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        async with aiohttp.ClientSession() as client, asyncio.timeout(30):
            while True:
                try:
                    async with client.get(f"http://127.0.0.1:{port}/healthz") as answer:
                        if answer.status == 200:
                            return time.perf_counter() - began, memory(process.pid)
                except aiohttp.ClientConnectionError:
                    await asyncio.sleep(0.005)
    finally:
        process.terminate()
        await process.wait()


async def main() -> int:
    ours: list[tuple[float, float]] = []
    theirs: list[tuple[float, float]] = []
    with tempfile.TemporaryDirectory() as home:
        for _ in range(ROUNDS):
            port = free_port()
            ours.append(await started([sys.executable, "-m", "doorkey", "serve", "--port", str(port)], port, home))
            port = free_port()
            theirs.append(await started([sys.executable, "-c", BARE.replace("PORT", str(port))], port, home))
    (start, held), (bare_start, bare_held) = (
        tuple(statistics.median(column) for column in zip(*runs, strict=True)) for runs in (ours, theirs)
    )
    print(f"service, /healthz after start: {start:.2f} s (goal {START_GOAL:g} s), bare aiohttp {bare_start:.2f} s")
    print(f"service, memory, no browser: {held:.0f} MiB (goal {MEMORY_GOAL:g} MiB), bare aiohttp {bare_held:.0f} MiB")
    return 0 if start <= START_GOAL and held <= MEMORY_GOAL else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
