"""Two processes share a store, at a site whose sessions last for 40 requests, and their browsers are killed: no read is
lost, no write is made twice, and each write that was not made is told."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

pytestmark = [pytest.mark.browser, pytest.mark.slow]

PROGRAM = """
import asyncio, collections, json, sys
import doorkey

async def main(config, name, method, requests, callers):
    told, numbers = collections.Counter(), iter(range(int(requests)))

    async def call(client):
        for number in numbers:
            try:
                async with client.request(method, f"/api?id={name}{number}") as answer:
                    told[f"HTTP {answer.status}"] += 1
            except doorkey.errors.DoorkeyError as error:
                told[f"{error.code}: {error.message[:200]}"] += 1

    settings = doorkey.Settings.load(config)
    async with doorkey.Runtime(settings) as runtime, doorkey.client("s", runtime=runtime) as client:
        await asyncio.gather(*(call(client) for _ in range(int(callers))))
    print(json.dumps(told))

asyncio.run(main(*sys.argv[1:]))
"""
SETTINGS = """
[store]
url = "sqlite:///{folder}/store.db"
[sites.s]
provider = "web"
url = "{url}"
ready = "#in"
{steps}
"""
STEPS = 'max_uses = 40\nvisit.steps = [{ open = "/login" }, { fill = "#user", value = "ada" }, { click = "#go" }]'
USES = 40
CALLERS = 20
FORM = "<title>Log in</title><form method=post action=/login><input id=user name=user><button id=go>in</button></form>"


@dataclass
class ShortSite:
    """Its sessions take 40 requests to /api; then they get a bare 403. `open`: its page makes one for whoever comes,
    else it asks for a login. `taken` counts the requests it has taken."""

    open: bool
    url: str = ""
    left: dict[str, int] = field(default_factory=dict)
    taken: Counter[str] = field(default_factory=Counter)
    logins: int = 0
    enough: dict[int, asyncio.Event] = field(default_factory=dict)
    _numbers: Any = field(default_factory=itertools.count)

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/", self.home)
        app.router.add_get("/login", self.form)
        app.router.add_post("/login", self.login)
        app.router.add_route("*", "/api", self.api)
        return app

    def log_in(self, response: web.Response) -> web.Response:
        sid = f"s{next(self._numbers)}"
        self.left[sid] = USES
        self.logins += 1
        response.set_cookie("sid", sid)
        return response

    async def home(self, request: web.Request) -> web.Response:
        if self.left.get(request.cookies.get("sid", ""), 0) > 0:
            return web.Response(text="<title>Home</title><p id=in>hello</p>", content_type="text/html")
        if self.open:
            return self.log_in(web.Response(text="<title>Home</title><p id=in>hello</p>", content_type="text/html"))
        return web.Response(status=302, headers={"location": "/login"})

    async def form(self, request: web.Request) -> web.Response:
        return web.Response(text=FORM, content_type="text/html")

    async def login(self, request: web.Request) -> web.Response:
        return self.log_in(web.Response(status=303, headers={"location": "/"}))

    async def api(self, request: web.Request) -> web.Response:
        sid = request.cookies.get("sid", "")
        if self.left.get(sid, 0) <= 0:
            return web.Response(status=403)
        self.left[sid] -= 1
        self.taken[request.query["id"]] += 1
        for count, event in self.enough.items():
            if self.taken.total() >= count:
                event.set()
        return web.json_response({"ok": True})

    async def wait_for(self, count: int) -> None:
        """Return when *count* requests were taken."""
        await self.enough.setdefault(count, asyncio.Event()).wait()


@asynccontextmanager
async def serving(site: ShortSite) -> AsyncIterator[ShortSite]:
    async with TestServer(site.app(), host="127.0.0.1") as server:
        site.url = str(server.make_url("/"))
        yield site


def browsers_of(pid: int) -> list[int]:
    """The browsers that a process has started, by way of others."""
    found: list[int] = []
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except FileNotFoundError:
        return found
    for child in map(int, children):
        try:
            command = Path(f"/proc/{child}/cmdline").read_bytes()
        except FileNotFoundError:
            continue
        if b"--user-data-dir" in command and b"--type=" not in command:
            found.append(child)
        found += browsers_of(child)
    return found


def kill_browsers(pid: int) -> int:
    """Kill them; how many there were."""
    browsers = browsers_of(pid)
    for browser in browsers:
        try:
            os.kill(browser, signal.SIGKILL)
        except ProcessLookupError:
            continue
    return len(browsers)


@pytest.mark.skipif(sys.platform != "linux", reason="finds a process's browsers in /proc")
@pytest.mark.parametrize(
    ("open_", "method", "requests"),
    [
        pytest.param(True, "GET", 100, id="reads"),
        pytest.param(False, "POST", 100, id="writes", marks=pytest.mark.long),
        pytest.param(False, "POST", 3500, id="writes-long", marks=pytest.mark.long),
        pytest.param(True, "GET", 3500, id="reads-long", marks=pytest.mark.long),
    ],
)
async def test_nothing_is_lost_in_silence(tmp_path: Path, open_: bool, method: str, requests: int) -> None:
    async with serving(ShortSite(open_)) as site:
        config = tmp_path / "doorkey.toml"
        steps = "" if open_ else STEPS
        config.write_text(SETTINGS.format(folder=tmp_path, url=site.url, steps=steps))
        environment = {**os.environ, "XDG_STATE_HOME": str(tmp_path / "state")}
        workers = [
            await asyncio.create_subprocess_exec(
                sys.executable, "-c", PROGRAM, str(config), name, method, str(requests), str(CALLERS),
                env=environment, stdout=asyncio.subprocess.PIPE,
            )
            for name in ("a", "b")
        ]  # fmt: skip

        async def kill() -> int:
            killed = 0
            for part in (1, 2, 3, 4):
                await site.wait_for(part * requests // 3)
                killed += sum(kill_browsers(worker.pid) for worker in workers)
            return killed

        killing = asyncio.create_task(kill())
        told: Counter[str] = Counter()
        for out, _ in await asyncio.gather(*(worker.communicate() for worker in workers)):
            told.update(json.loads(out))
        assert set(site.taken.values()) == {1}
        assert len(site.taken) == told["HTTP 200"]
        if method == "GET":
            assert told == {"HTTP 200": 2 * requests}
        else:  # a write is sent again once; whoever meets two dead sessions is told the site's refusal
            assert told.total() == 2 * requests
            assert told.keys() <= {"HTTP 200", "HTTP 403"}
            assert told["HTTP 200"] > told.total() / 2
        assert await killing
