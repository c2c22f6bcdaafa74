"""A session's cookies are what a browser would hold, by whichever transport, and after a restart."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

import doorkey
from doorkey import Runtime, Settings
from doorkey.browser import BrowserPool

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]
both = pytest.mark.parametrize("transport", ["direct", "page"])


@dataclass
class CookieSite:
    """Sets the Set-Cookie lines of `sets` by path, redirects by `moves`, and remembers the Cookie header by path."""

    host: str = "127.0.0.1"
    sets: dict[str, list[str]] = field(default_factory=dict)
    moves: dict[str, str] = field(default_factory=dict)
    seen: dict[str, str] = field(default_factory=dict)
    visits: int = 0
    accepts: Callable[[str], bool] = lambda cookies: True
    url: str = ""

    async def answer(self, request: web.Request) -> web.Response:
        cookies = self.seen[request.path] = request.headers.get("cookie", "")
        self.visits += request.path == "/"
        lines = self.sets.get(request.path, [])
        headers = [("Set-Cookie", line.replace("{n}", str(self.visits))) for line in lines]
        if request.path in self.moves:
            return web.Response(status=302, headers=[*headers, ("Location", self.moves[request.path])])
        status = 200 if request.path == "/" or self.accepts(cookies) else 401
        return web.Response(
            text=f"<p id=in>visit {self.visits}</p>", content_type="text/html", headers=headers, status=status
        )


@asynccontextmanager
async def serving(host: str = "127.0.0.1") -> AsyncIterator[CookieSite]:
    site = CookieSite(host)
    app = web.Application()
    app.router.add_get("/{path:.*}", site.answer)
    async with TestServer(app, host=host) as server:
        site.url = str(server.make_url("/"))
        yield site


@pytest.fixture
async def site() -> AsyncIterator[CookieSite]:
    async with serving() as made:
        yield made


def runtime_for(site: CookieSite, pool: BrowserPool, store: str = "memory://", **more: Any) -> Runtime:
    table = {"provider": "web", "url": site.url, "tokens": {"t": "#in"}, "stale": [401], **more}
    return Runtime(Settings.model_validate({"sites": {"s": table}, "store": {"url": store}}), pool=pool)


async def ask(runtime: Runtime, path: str) -> int:
    async with doorkey.client("s", runtime=runtime) as client, client.get(path) as answer:
        return answer.status


@both
async def test_values_go_back_as_they_came(site: CookieSite, browsers: BrowserPool, transport: str) -> None:
    site.sets["/"] = ['sid="{n}|ab/cd=="; Path=/; Priority=High', "nameless", "é=x,y", "p=1; Secure; Partitioned"]
    async with runtime_for(site, browsers, transport=transport) as runtime:
        await ask(runtime, "/api")
        assert site.seen["/api"] == 'sid="1|ab/cd=="; nameless; é=x,y; p=1'
        site.accepts = lambda cookies: '"1|' not in cookies  # the session dies
        assert await ask(runtime, "/api") == 200
    # A cookie whose value was changed counts as a new one, and comes after the older ones.
    *others, sid = sorted(site.seen["/api"].split("; "), key=lambda pair: pair.startswith("sid="))
    assert re.fullmatch(r'sid="[2-9]\|ab/cd=="', sid)
    assert set(others) == {"nameless", "p=1", "é=x,y"}


@both
async def test_sliding_cookies_of_one_name_are_told_apart(
    site: CookieSite, browsers: BrowserPool, transport: str
) -> None:
    site.sets["/"] = ["sid=wide; Path=/", "sid=narrow; Path=/app"]
    site.sets["/app/rotate"] = ["sid=new; Path=/", "sid=gone; Path=/app; Max-Age=0", "extra=1; Path=/"]
    site.sets["/app/end"] = ["extra=; Path=/; Max-Age=0", "talk=1; Path=/"]
    async with runtime_for(site, browsers, transport=transport, cookies={"sliding": ["sid", "extra"]}) as runtime:
        for path in ("/app/rotate", "/app/end", "/app/use"):
            await ask(runtime, path)
    assert site.seen["/app/rotate"] == "sid=narrow; sid=wide"
    assert site.seen["/app/end"] == "sid=new; extra=1"
    assert site.seen["/app/use"] == "sid=new"


async def test_the_session_lasts_as_long_as_its_answers_extend_it(site: CookieSite, browsers: BrowserPool) -> None:
    site.sets["/"] = ["sid=1; Path=/; Max-Age=100"]
    site.sets["/api"] = ["sid=1; Path=/; Max-Age=9000"]
    async with runtime_for(site, browsers, cookies={"sliding": ["sid"], "needed": ["sid"]}) as runtime:
        before = await runtime.session("s")
        await ask(runtime, "/api")
        after = await runtime.session("s")
    assert before.hard == pytest.approx(100, abs=10)
    assert after.hard == pytest.approx(9000, abs=60)
    assert after.gen == before.gen


@both
async def test_a_redirect_takes_its_cookies_along(site: CookieSite, browsers: BrowserPool, transport: str) -> None:
    site.sets |= {
        "/": ["sid=1; Path=/"],
        "/start": ["check=yes; Path=/"],
        "/middle": ["check=; Path=/; Max-Age=0", "b=2"],
    }
    site.moves |= {"/start": "/middle", "/middle": "/end"}
    async with runtime_for(site, browsers, transport=transport) as runtime:
        assert await ask(runtime, "/start") == 200
        assert (site.seen["/middle"], site.seen["/end"]) == ("sid=1; check=yes", "sid=1; b=2")
        await ask(runtime, "/end")
    assert site.seen["/end"] == "sid=1"


async def test_another_hosts_cookies_are_its_own_on_the_way(site: CookieSite, browsers: BrowserPool) -> None:
    async with serving("127.0.0.2") as other:
        site.sets |= {"/": ["sid=1; Path=/"], "/start": ["check=yes; Path=/"]}
        other.sets["/file"] = ["sid=theirs; Path=/"]
        site.moves |= {"/start": f"{other.url}file"}
        other.moves |= {"/file": "/file/2", "/file/2": f"{site.url}end"}
        async with runtime_for(site, browsers, reach=[other.url.split("/")[2]]) as runtime:
            await ask(runtime, "/start")
    assert (other.seen["/file"], other.seen["/file/2"]) == ("", "sid=theirs")
    assert site.seen["/end"] == "sid=1; check=yes"


async def test_a_new_session_is_told_by_the_cookie_that_goes_to_the_site(
    site: CookieSite, browsers: BrowserPool
) -> None:
    async with serving("127.0.0.2") as sso:
        site.moves |= {"/": f"{sso.url}auth"}
        sso.moves |= {"/auth": f"{site.url}back"}
        sso.sets["/auth"] = ["sid=constant; Path=/"]
        site.sets["/back"] = ["sid=first; Path=/"]
        more = {"reach": [sso.url.split("/")[2]], "cookies": {"needed": ["sid"]}}
        async with runtime_for(site, browsers, **more) as runtime:
            site.accepts = lambda cookies: "first" in cookies
            assert await ask(runtime, "/api") == 200
            site.sets["/back"] = ["sid=second; Path=/"]
            site.accepts = lambda cookies: "second" in cookies
            assert await ask(runtime, "/api") == 200
    assert site.seen["/api"] == "sid=second"


async def test_a_login_that_was_brought_along_slides_and_outlives_the_process(
    site: CookieSite, browsers: BrowserPool, tmp_path: Path
) -> None:
    file, store = tmp_path / "cookies.json", f"sqlite://{tmp_path / 'sessions.db'}"
    file.write_text(json.dumps([{"name": "sid", "value": "brought", "domain": "127.0.0.1", "path": "/"}]))
    site.accepts = lambda cookies: "sid=" in cookies
    site.sets["/api"] = ["sid=rotated; Path=/"]
    async with runtime_for(site, browsers, store, cookies={"sliding": ["sid"]}) as runtime:
        await runtime.logins.import_login(runtime.target("s"), file)
        await ask(runtime, "/api")
        assert site.seen["/api"] == "sid=brought"
    async with runtime_for(site, browsers, store, cookies={"sliding": ["sid"]}) as runtime:
        await ask(runtime, "/other")
    assert site.seen["/other"] == "sid=rotated"
