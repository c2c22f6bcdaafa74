"""A site whose pages replace built-ins: by the real Prototype.js and MooTools, and by scripts of its own."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from software.packages import Packages, Unavailable

from doorkey import Request, Runtime, Settings
from doorkey.browser import BrowserPool

pytestmark = [pytest.mark.real("oldscripts"), pytest.mark.browser]

WRITES = 20
PASSWORD = "correct horse battery"
LIBRARIES = {
    "prototype": "usr/share/javascript/prototype/prototype-1.7.3.js",
    "mootools": "usr/share/javascript/mootools/mootools-core-nc.js",
}
OWN = """
Array.from = () => [];
Array.prototype.map = Array.prototype.filter = Array.prototype.forEach = function () { return this; };
Object.keys = Object.entries = Object.assign = () => [];
JSON.parse = JSON.stringify = () => undefined;
window.eval = window.Function = window.Promise = window.Map = window.Set = function () { return {}; };
document.querySelector = document.querySelectorAll = () => null;
Storage.prototype.getItem = Storage.prototype.key = () => null;
"""
FORM = (
    "<form method=post action=/in><input name=user id=user><input name=pw id=pw type=password>"
    "<button id=go>in</button></form>"
)


@dataclass
class OldSite:
    """Keeps its token in local storage. A write needs the token and the cookie of one session."""

    script: str
    url: str = ""
    sessions: dict[str, str] = field(default_factory=dict)
    wrote: list[str] = field(default_factory=list)
    logins: int = 0

    def app(self) -> web.Application:
        app = web.Application()
        app.add_routes([web.get("/", self.home), web.get("/old.js", self.library), web.post("/in", self.log_in)])
        app.add_routes([web.post("/notes", self.write)])
        return app

    async def library(self, request: web.Request) -> web.Response:
        return web.Response(text=self.script, content_type="text/javascript")

    async def home(self, request: web.Request) -> web.Response:
        token = self.sessions.get(request.cookies.get("sid", ""))
        shown = FORM if token is None else f"<a id=out>Log out</a><script>localStorage.token = '{token}'</script>"
        text = f"<!doctype html><title>old</title><script src=/old.js></script>{shown}"
        return web.Response(text=text, content_type="text/html")

    async def log_in(self, request: web.Request) -> web.Response:
        self.logins += 1
        answer = web.Response(status=303, headers={"Location": "/"})
        if (await request.post())["pw"] == PASSWORD:
            session = secrets.token_hex(8)
            self.sessions[session] = secrets.token_hex(8)
            answer.set_cookie("sid", session, httponly=True)
        return answer

    async def write(self, request: web.Request) -> web.Response:
        if self.sessions.get(request.cookies.get("sid", "")) != request.headers.get("x-token", ""):
            return web.Response(status=401)
        self.wrote.append(await request.text())
        return web.Response(status=201)


@pytest.fixture(params=[*LIBRARIES, "its own"])
async def site(request: pytest.FixtureRequest, packages: Packages) -> AsyncIterator[OldSite]:
    script = OWN
    if request.param in LIBRARIES:
        try:
            folder = packages.debian("old-scripts", (), ("libjs-prototype", "libjs-mootools"))
        except Unavailable as unavailable:
            pytest.skip(f"the old libraries can't be had here: {unavailable}")
        script = (folder / LIBRARIES[request.param]).read_text()
    site = OldSite(script)
    async with TestServer(site.app(), host="127.0.0.1") as server:
        site.url = str(server.make_url("/"))
        yield site


async def test_login_storage_and_writes_over_deaths(
    site: OldSite, browsers: BrowserPool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("OLD_PASSWORD", PASSWORD)
    steps = [{"fill": "#user", "value": "ada"}, {"fill": "#pw", "value": "env:OLD_PASSWORD"}, {"click": "#go"}]
    old = {
        "provider": "web",
        "url": site.url,
        "ready": "#out",
        "tokens": {"token": "local:token"},
        "send": {"header": {"X-Token": "{token}"}},
        "visit": {"steps": steps},
        "manners": {"at_once": WRITES, "rate": 1000},
    }
    settings = Settings.model_validate({"sites": {"old": old}, "store": {"url": "memory://"}})
    async with Runtime(settings, pool=browsers) as runtime:

        async def write(text: str) -> int:
            async with await runtime.send("old", Request(url="/notes", method="POST", body=text.encode())) as answer:
                return answer.head.status

        for death in range(3):
            site.sessions.clear()
            assert await asyncio.gather(*(write(f"{death}.{number}") for number in range(WRITES))) == [201] * WRITES
    assert sorted(site.wrote) == sorted(f"{death}.{number}" for death in range(3) for number in range(WRITES))
    assert site.logins == 3
