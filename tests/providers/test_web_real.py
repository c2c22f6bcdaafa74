"""A site by ten lines of TOML, with a real Chromium: its tokens are found, sent, and renewed once for all who wait."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from doorkey import Request, Runtime, Settings
from doorkey.browser import BrowserPool

pytestmark = pytest.mark.browser

META = """<!doctype html><meta name="csrf-token" content="{token}"><title>wiki</title><p id="app">Welcome</p>"""
SCRIPT = """<!doctype html><title>app</title><script>
fetch("/token").then(answer => answer.json()).then(data => {
  localStorage.setItem("auth", JSON.stringify({access: {token: data.token}}));
  const ready = document.createElement("main"); ready.id = "in"; document.body.append(ready);
});
</script><body></body>"""


class Wiki:
    """Writes need the session's cookie beside the token of its page; `kill` ends all sessions."""

    def __init__(self, page: str) -> None:
        self.page = page
        self.numbers = itertools.count(1)
        self.alive: dict[str, str] = {}
        self.refused = 0
        self.written: list[str] = []

    def kill(self) -> None:
        self.alive.clear()

    async def home(self, request: web.Request) -> web.Response:
        sid = request.cookies.get("sid", "")
        if sid not in self.alive:
            number = next(self.numbers)
            sid = f"sid-{number}"
            self.alive[sid] = f"token-{number}"
        answer = web.Response(text=self.page.replace("{token}", self.alive[sid]), content_type="text/html")
        answer.set_cookie("sid", sid, httponly=True)
        return answer

    async def login(self, request: web.Request) -> web.Response:
        return web.Response(text='<input name="once" value="by-page">', content_type="text/html")

    async def token(self, request: web.Request) -> web.Response:
        return web.json_response({"token": self.alive[request.cookies["sid"]]})

    async def config(self, request: web.Request) -> web.Response:
        token = self.alive[request.cookies["sid"]]
        return web.Response(text=f'window.conf = "<&>"; key = "<{token}>";', content_type="text/javascript")

    async def write(self, request: web.Request) -> web.Response:
        known = self.alive.get(request.cookies.get("sid", ""))
        told = request.headers.get("x-csrf-token") or request.headers.get("authorization", "").removeprefix("Bearer ")
        if known is None or told != known:
            self.refused += 1
            return web.json_response({"error": {"code": "badtoken"}}, status=400)
        self.written.append(str((await request.post())["text"]))
        return web.json_response({"ok": True})


@asynccontextmanager
async def serving(wiki: Wiki, tmp_path: Path, lines: str, browsers: BrowserPool) -> AsyncIterator[Runtime]:
    """A Runtime whose only setting is the site: *lines* of its table."""
    app = web.Application()
    app.router.add_get("/", wiki.home)
    app.router.add_get("/token", wiki.token)
    app.router.add_get("/config.js", wiki.config)
    app.router.add_get("/login", wiki.login)
    app.router.add_post("/api/items", wiki.write)
    async with TestServer(app, host="127.0.0.1") as server:
        path = tmp_path / "doorkey.toml"
        path.write_text(f'[sites.wiki]\nprovider = "web"\nurl = "{server.make_url("/")}"\n{lines}\n')
        settings = Settings.load(path, store={"url": "memory://"})
        async with Runtime(settings, pool=browsers) as runtime:
            yield runtime


def renewals(runtime: Runtime) -> int:
    """How many sessions were made. Session checks load the page, too, but make none."""
    [status] = runtime.status()
    return status.visits


async def write(runtime: Runtime, text: str) -> int:
    async with await runtime.send("wiki", Request(url="/api/items", method="POST", form={"text": text})) as answer:
        assert b"ok" in b"".join([piece async for piece in answer])
        return answer.head.status


@pytest.mark.parametrize(
    ("page", "lines"),
    [
        (
            META,
            """ready = "#app"
            tokens.csrf = "meta[name=csrf-token]@content"
            send.header.X-CSRF-Token = "{csrf}"
            send.when = "POST /api/*"
            cookies.needed = "sid"
            stale = ["400 json:error.code=badtoken"]""",
        ),
        (
            SCRIPT,
            """ready = "#in"
            tokens.jwt = { local = "auth", inside = "access.token" }
            send.header.Authorization = "Bearer {jwt}"
            stale = ["400 json:error.code=badtoken"]""",
        ),
    ],
    ids=["meta and cookie", "script and local storage"],
)
async def test_twenty_writes_with_a_dead_session_cost_one_renewal(
    tmp_path: Path, browsers: BrowserPool, page: str, lines: str
) -> None:
    wiki = Wiki(page)
    async with serving(wiki, tmp_path, lines, browsers) as runtime:
        assert await write(runtime, "first") == 200
        assert (renewals(runtime), wiki.refused) == (1, 0)
        wiki.kill()
        statuses = await asyncio.gather(*(write(runtime, f"text {number}") for number in range(20)))
        assert renewals(runtime) == 2
    assert statuses == [200] * 20
    assert sorted(wiki.written) == sorted(["first", *(f"text {number}" for number in range(20))])


REFUSALS: dict[str, Callable[[], web.Response]] = {
    "a bare 403": lambda: web.Response(status=403, text="-1"),
    "403 as JSON": lambda: web.json_response({"code": "rest_cookie_invalid_nonce"}, status=403),
    "401 with a page": lambda: web.Response(status=401, text="<p>This link has expired</p>", content_type="text/html"),
    "419": lambda: web.Response(status=419),
}


class OpenWiki(Wiki):
    """Everybody sees the sign of being ready, with a nonce of their own. Writes with a nonce that has died are refused
    in one of REFUSALS' forms."""

    def __init__(self, refusal: Callable[[], web.Response]) -> None:
        super().__init__(META)
        self.refusal = refusal

    def let_nonces_die(self) -> None:
        """End the nonces of all sessions. The sessions live on."""
        self.alive = {sid: f"token-{next(self.numbers)}" for sid in self.alive}

    async def write(self, request: web.Request) -> web.Response:
        answer = await super().write(request)
        return answer if answer.status == 200 else self.refusal()


@pytest.mark.slow
@pytest.mark.parametrize("refusal", REFUSALS)
@pytest.mark.parametrize("transport", ["direct", "page"])
async def test_a_nonce_that_dies_where_strangers_see_ready_is_renewed_once_for_all(
    tmp_path: Path, browsers: BrowserPool, transport: str, refusal: str
) -> None:
    wiki = OpenWiki(REFUSALS[refusal])
    lines = f"""ready = "#app"
    transport = "{transport}"
    tokens.csrf = "meta[name=csrf-token]@content"
    send.header.X-CSRF-Token = "{{csrf}}"
    send.when = "POST /api/*"
    """
    async with serving(wiki, tmp_path, lines, browsers) as runtime:
        assert await write(runtime, "first") == 200
        for death in range(2):
            wiki.let_nonces_die()
            texts = [f"{death} {number}" for number in range(20)]
            assert await asyncio.gather(*(write(runtime, text) for text in texts)) == [200] * 20
        (status,) = runtime.status()
        assert (status.visits, status.transport) == (3, transport)
        assert "strangers see" in status.noticed
    assert len(wiki.written) == 41
    assert len(set(wiki.written)) == 41


class Once(Wiki):
    """Each page bears a token that serves for one write."""

    async def home(self, request: web.Request) -> web.Response:
        answer = await super().home(request)
        token = f"once-{next(self.numbers)}"
        self.alive[token] = token
        answer.text = META.replace("{token}", token)
        return answer

    async def write(self, request: web.Request) -> web.Response:
        if self.alive.pop(request.headers.get("x-csrf-token", ""), None) is None:
            self.refused += 1
            return web.json_response({"error": {"code": "badtoken"}}, status=400)
        self.written.append(str((await request.post())["text"]))
        return web.json_response({"ok": True})


async def test_tokens_that_serve_once_are_fetched_one_for_each_write(tmp_path: Path, browsers: BrowserPool) -> None:
    wiki = Once(META)
    lines = """tokens.csrf = "meta[name=csrf-token]@content"
        send.header.X-CSRF-Token = "{csrf}"
        max_uses = 1
        stale = ["json:error.code=badtoken"]"""
    async with serving(wiki, tmp_path, lines, browsers) as runtime:
        await asyncio.gather(*(write(runtime, f"text {number}") for number in range(20)))
    assert sorted(wiki.written) == sorted(f"text {number}" for number in range(20))
    assert wiki.refused == 0


BUSY = """<!doctype html><title>busy</title><script>
window.app = {config: {token: "by-script"}};
sessionStorage.setItem("key", "by-session");
document.cookie = "XSRF-TOKEN=by%3Dcookie; path=/";
fetch("/api/items", {method: "POST", headers: {"Authorization": "Bearer by-request"},
                     body: new URLSearchParams({csrf: "by body"})});
</script>"""


async def test_every_kind_of_token_is_found_in_a_real_page(tmp_path: Path, browsers: BrowserPool) -> None:
    wiki = Wiki(BUSY)
    lines = """tokens.script = "script:app.config.token"
        tokens.session = "session:key"
        tokens.cookie = "cookie:XSRF-TOKEN"
        tokens.request = "request:Authorization"
        tokens.body = "request-body:csrf"
        tokens.html = 'html:/token: "([^"]+)"/'
        tokens.page = { page = "/login", css = "input[name=once]@value" }"""
    async with serving(wiki, tmp_path, lines, browsers) as runtime:
        session = await runtime.session("wiki")
    assert dict(session.tokens) == {
        "script": "by-script", "session": "by-session", "cookie": "by=cookie", "request": "Bearer by-request",
        "body": "by body", "html": "by-script", "page": "by-page",
    }  # fmt: skip


@pytest.mark.parametrize(
    "source", ['{ page = "/token", json = "token" }', """{ page = "/config.js", html = '/key = "<(.*?)>"/' }"""]
)
async def test_a_token_in_data_or_in_a_script_file_is_renewed_without_a_browser(
    tmp_path: Path, browsers: BrowserPool, source: str
) -> None:
    wiki = Wiki(META)
    lines = f"""tokens.csrf = {source}
        send.header.X-CSRF-Token = "{{csrf}}"
        stale = ["400 json:error.code=badtoken"]"""
    async with serving(wiki, tmp_path, lines, browsers) as runtime:
        assert await write(runtime, "one") == 200
        wiki.kill()
        assert await write(runtime, "two") == 200
        assert [status.rung for status in runtime.status()] == ["direct"]


class Data(Wiki):
    """A site without pages: its URL answers with JSON."""

    async def home(self, request: web.Request) -> web.Response:
        answer = await super().home(request)
        answer.content_type = "application/json"
        return answer


async def test_a_site_whose_url_is_data_is_entered_and_renewed(tmp_path: Path, browsers: BrowserPool) -> None:
    wiki = Data('{"data": {"token": "{token}"}, "mark": "<&>"}')
    lines = """tokens.csrf = "json:data.token"
        send.header.X-CSRF-Token = "{csrf}"
        stale = ["400 json:error.code=badtoken"]"""
    async with serving(wiki, tmp_path, lines, browsers) as runtime:
        assert await write(runtime, "one") == 200
        wiki.kill()
        assert await write(runtime, "two") == 200
        assert [status.rung for status in runtime.status()] == ["direct"]
