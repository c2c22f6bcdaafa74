# ruff: noqa: E402 - the source roots must be on the path first
"""Measures what reports cost: a visit that fails (at most 1 s more than without one), a visit that works (no interval
beyond 5 %), and `doorkey explain` of a site that works (at most 5 s).

Two runtimes, one that writes reports and one that does not, use the same Chromium and take turns. The seconds depend on
what else the machine does, the CPU time of this process and of Chromium's hardly does.
Usage: python bench/report.py [ROUNDS]
"""

from __future__ import annotations

import asyncio
import os
import random
import statistics
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(HERE / root) for root in ("runtime", "providers", "browser_profiles", "bench")]

from aiohttp import web
from aiohttp.test_utils import TestServer
from live_view import list_family, read_cpu

from doorkey import Runtime, Settings
from doorkey.browser import BrowserPool
from doorkey.errors import DoorkeyError

FORM = "<form><input name=user><input name=pw type=password><button>Log in</button></form>"
TEXT = "<div class=row><a class=link href=/p>a link</a><p>Some text that is read.</p></div>" * 400
STATE = "<script>window.state = {user: {id: 7, name: 'a name'}}; localStorage.theme = 'dark'</script>"
PAGES = {
    "/works": (200, f"<!doctype html><title>Wiki</title><meta name=csrf content=f3a9c1d27b>{STATE}{TEXT}"),
    # Without a script, so that the visit does not wait for the page to open by itself.
    "/fails": (403, f"<!doctype html><title>No</title><h1>You may not see this</h1>{FORM}{TEXT}"),
}


@dataclass
class Cost:
    """Seconds and CPU seconds of visits."""

    times: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)


async def serve(request: web.Request) -> web.Response:
    status, text = PAGES.get(request.path, (404, ""))
    return web.Response(text=text, status=status, content_type="text/html")


async def visit(runtime: Runtime, site: str, cost: Cost) -> None:
    family = list_family(os.getpid())
    before, began = read_cpu(family), time.perf_counter()
    try:
        await runtime.visit(site)
    except DoorkeyError:
        assert site == "fails"
    cost.times.append(time.perf_counter() - began)
    await asyncio.sleep(0.3)  # what is done behind the visit counts as well
    cost.cpu.append(read_cpu(family) - before)


def interval(values: list[float]) -> tuple[float, float]:
    """The 95 % interval of the median, by resampling."""
    chance = random.Random(1)
    medians = sorted(statistics.median(chance.choices(values, k=len(values))) for _ in range(4000))
    return medians[100], medians[-100]


def tell(site: str, plain: Cost, reported: Cost) -> None:
    more = [1000 * (one - other) for one, other in zip(reported.times, plain.times, strict=True)]
    low, high = interval(more)
    share = [one / other for one, other in zip(reported.times, plain.times, strict=True)]
    least, most = interval(share)
    print(
        f"a visit that {site}: {1000 * statistics.median(plain.times):.0f} ms without reports; with them "
        f"{statistics.median(more):+.0f} ms ({low:+.0f} to {high:+.0f}), ratio {statistics.median(share):.3f} "
        f"({least:.3f} to {most:.3f}); CPU {1000 * statistics.mean(plain.cpu):.0f} ms and "
        f"{1000 * statistics.mean(reported.cpu):.0f} ms",
        flush=True,
    )


def write_settings(url: str, folder: str) -> Path:
    path = Path(folder, "doorkey.toml")
    path.write_text(
        f'[sites.wiki]\nprovider = "web"\nurl = "{url}works"\ntokens.csrf = "meta[name=csrf]@content"\n'
        'send.header = { X-CSRF = "{csrf}" }\n'
    )
    return path


async def explain(settings: Path) -> tuple[float, float]:
    """Return the seconds that `doorkey explain` takes, and its CPU time with that of its browser."""
    before, began = os.times(), time.perf_counter()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", "from doorkey.cli.main import main; main()", "explain", "wiki", "--config", settings,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path[:3])}, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    said, _ = await process.communicate()
    if process.returncode:
        raise SystemExit(f"doorkey explain failed: {said.decode()}")
    took, after = time.perf_counter() - began, os.times()
    used = after.children_user + after.children_system - before.children_user - before.children_system
    return took, used


async def main(rounds: int) -> None:
    app = web.Application()
    app.router.add_get("/{path:.*}", serve)
    async with AsyncExitStack() as exits:
        folder = exits.enter_context(tempfile.TemporaryDirectory())
        os.environ["XDG_DATA_HOME"] = folder
        url = str((await exits.enter_async_context(TestServer(app, host="127.0.0.1"))).make_url("/"))
        pool = BrowserPool()
        exits.push_async_callback(pool.close)
        runtimes = []
        for keep in (0, 20):
            sites = {
                name: {"provider": "web", "url": f"{url}{name}", "tokens": {"csrf": "meta[name=csrf]@content"}}
                for name in ("works", "fails")
            }
            settings = Settings.model_validate(
                {
                    "sites": sites, "store": {"url": "memory://"}, "reports": {"keep": keep},
                    "manners": {"rate": 1000.0},
                }
            )  # fmt: skip
            runtimes.append(await exits.enter_async_context(Runtime(settings, pool=pool)))
        for site in ("works", "fails"):
            costs = [Cost(), Cost()]
            for turn in range(rounds + 2):
                for at in (0, 1) if turn % 2 else (1, 0):
                    await visit(runtimes[at], site, costs[at] if turn >= 2 else Cost())
            tell(site, *costs)
        took, used = await explain(write_settings(url, folder))
        print(f"doorkey explain of a site that works: {took:.1f} s, CPU {used:.1f} s")
    print("load", *(f"{load:.1f}" for load in os.getloadavg()))


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 20))
