"""A login outlives `kill -9` at any moment of a renewal, at a site that ends it when a rotated token comes back."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

pytestmark = [pytest.mark.browser, pytest.mark.slow]

PROGRAM = """
import asyncio, sys
import doorkey

async def main():
    settings = doorkey.Settings.load(sys.argv[1])
    async with doorkey.Runtime(settings) as runtime, doorkey.client("s", runtime=runtime) as client:
        print((await client.get("/api")).status)

asyncio.run(main())
"""
SOON = 1.0
"""Seconds after an answer at which the process is killed: enough to take in the answer, not to end the visit."""
FORM = "<form method=post action=/login><input id=user name=user><button id=go>in</button></form>"


@dataclass
class RotatingSite:
    """Logs a visitor in by a remember-me cookie that it rotates at each step, and whose older values end the login.

    `/` leads whom it does not know to `/enter`, which begins a session. With *scripted* the page's script rotates a
    refresh token in local storage, too. `kill_at`: the process is killed after that many rotations more; what it asks
    for until then gets no answer.
    """

    scripted: bool
    url: str = ""
    remember: str = ""
    refresh: str = "f0"
    older: set[str] = field(default_factory=set)
    session: str = ""
    rotations: int = 0
    logins: int = 0
    ended: bool = False
    kill_at: int = -1
    process: asyncio.subprocess.Process | None = None
    living: asyncio.Event = field(default_factory=asyncio.Event)

    def app(self) -> web.Application:
        app = web.Application(middlewares=[self.check])
        app.router.add_get("/", self.home)
        app.router.add_get("/enter", self.enter)
        app.router.add_get("/login", self.form)
        app.router.add_post("/login", self.login)
        app.router.add_post("/refresh", self.rotate_storage)
        app.router.add_get("/api", self.api)
        return app

    @web.middleware
    async def check(self, request: web.Request, handler: web.RequestHandler) -> web.StreamResponse:  # type: ignore[type-arg]
        if request.cookies.get("remember", "") in self.older:
            self.ended = True
        await self.living.wait()
        try:
            return await handler(request)  # type: ignore[operator, no-any-return]
        finally:
            if self.kill_at == 0 and self.process is not None:
                self.kill_at = -1
                self.living.clear()
                asyncio.get_running_loop().call_later(SOON, os.kill, self.process.pid, signal.SIGKILL)

    def count(self) -> str:
        self.rotations += 1
        self.kill_at -= self.kill_at > 0
        return str(self.rotations)

    def rotate(self, answer: web.Response) -> web.Response:
        if self.remember:  # a stranger shows no older value
            self.older.add(self.remember)
        self.remember = f"r{self.count()}"
        answer.set_cookie("remember", self.remember, max_age=10**6, httponly=True)
        return answer

    def knows(self, request: web.Request) -> bool:
        return bool(self.session) and request.cookies.get("sid") == self.session

    async def home(self, request: web.Request) -> web.StreamResponse:
        if self.knows(request):
            script = '<script>fetch("/refresh", {method: "POST", body: localStorage.refresh || "f0"})'
            script += ".then((r) => r.text()).then((t) => { localStorage.refresh = t; })</script>"
            text = f'<meta name=csrf content="{self.session}"><a id=out>out</a>{script if self.scripted else ""}'
            return self.rotate(web.Response(text=text, content_type="text/html"))
        if not self.ended and self.remember and request.cookies.get("remember") == self.remember:
            return self.rotate(web.Response(status=302, headers={"Location": "/enter"}))
        return web.Response(status=302, headers={"Location": "/login"})

    async def enter(self, request: web.Request) -> web.StreamResponse:
        if request.cookies.get("remember") != self.remember:
            return web.Response(status=302, headers={"Location": "/login"})
        return self.begin(web.Response(status=302, headers={"Location": "/"}))

    async def form(self, request: web.Request) -> web.Response:
        return web.Response(text=FORM, content_type="text/html")

    async def login(self, request: web.Request) -> web.Response:
        self.logins += 1
        self.older, self.ended, self.remember = set(), False, ""
        return self.begin(web.Response(status=302, headers={"Location": "/"}))

    def begin(self, answer: web.Response) -> web.Response:
        self.session = f"s{self.count()}"
        answer.set_cookie("sid", self.session)
        return self.rotate(answer)

    async def rotate_storage(self, request: web.Request) -> web.Response:
        if await request.text() != self.refresh:
            self.ended = True
        self.refresh = f"f{self.count()}"
        return web.Response(text=self.refresh)

    async def api(self, request: web.Request) -> web.Response:
        return web.Response(status=200 if self.knows(request) else 401)


@dataclass
class Killed:
    """Runs doorkey against the site, a new process each time, and kills it where the site says."""

    site: RotatingSite
    settings: Path
    environment: dict[str, str]

    async def ask(self, kill_at: int = -1) -> str:
        """What `/api` answers after the session has died; empty where the process was killed before."""
        self.site.session, self.site.kill_at = "", kill_at
        self.site.living.set()
        process = self.site.process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", PROGRAM, str(self.settings), env=self.environment, stdout=asyncio.subprocess.PIPE
        )
        async with asyncio.timeout(100):
            out, _ = await process.communicate()
        self.site.living.set()
        return out.decode().strip()


@pytest.fixture(params=[False, pytest.param(True, marks=pytest.mark.long)], ids=["by plain HTTP", "by the browser"])
async def killed(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Killed]:
    site = RotatingSite(scripted=request.param)
    async with TestServer(site.app(), host="127.0.0.1") as server:
        site.url = str(server.make_url("/"))
        settings = tmp_path / "doorkey.toml"
        token = 'tokens.f = "local:refresh"\n' if site.scripted else ""
        settings.write_text(
            f'[sites.s]\nprovider = "web"\nurl = "{site.url}"\nready = "#out"\nstale = [401]\n{token}'
            'tokens.c = "meta[name=csrf]@content"\nsend.header.X-CSRF = "{c}"\n'
            'visit.steps = [{ open = "/login" }, { fill = "#user", value = "ada" }, { click = "#go" }]\n'
        )
        homes = {f"XDG_{kind}_HOME": str(tmp_path / kind) for kind in ("DATA", "CONFIG", "STATE", "CACHE")}
        yield Killed(site, settings, {**os.environ, **homes})


async def test_a_login_outlives_a_kill_after_each_rotation(killed: Killed) -> None:
    assert await killed.ask() == "200"
    moments, answer = 0, ""
    while not answer:
        moments += 1
        answer = await killed.ask(moments)
        assert not killed.site.ended, f"an older token was shown after the kill at rotation {moments}"
    assert (answer, killed.site.logins) == ("200", 1)
    assert moments > 3
