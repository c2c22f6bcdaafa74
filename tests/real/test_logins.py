"""Logins at a site and its identity provider, each a server of its own: by a one-time code, by a popup, in a frame."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyotp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from doorkey import Request, Runtime, Settings
from doorkey.browser import BrowserPool

pytestmark = [pytest.mark.real("logins"), pytest.mark.browser]

PASSWORD, SECRET, PERIOD = "correct horse battery", pyotp.random_base32(), 4
FORM = (
    "<form method=post action=/in><input name=user id=user><input name=pw id=pw type=password>{}"
    "<button id=go>in</button></form>"
)
FILLED = [{"fill": "#user", "value": "ada"}, {"fill": "#pw", "value": "env:LOGIN_PASSWORD"}]
TAKE = (
    """<script>onmessage = (e) => fetch("/take", {method: "POST", body: e.data}).then(() => location = "/")</script>"""
)


@dataclass
class Portal:
    """The site, which takes tickets of its identity provider `sso`, and codes that nobody has used. `codes` are those
    that were used, `tries` counts the logins."""

    way: str
    url: str = ""
    sso: str = ""
    sessions: set[str] = field(default_factory=set)
    tickets: set[str] = field(default_factory=set)
    codes: list[str] = field(default_factory=list)
    tries: int = 0

    def apps(self) -> tuple[web.Application, web.Application]:
        site, provider = web.Application(), web.Application()
        site.add_routes([web.get("/", self.home), web.post("/in", self.log_in), web.post("/take", self.take)])
        site.add_routes([web.post("/api", self.api)])
        provider.add_routes([web.get("/", self.ask), web.post("/in", self.give)])
        return site, provider

    async def home(self, request: web.Request) -> web.Response:
        if request.cookies.get("sid") in self.sessions:
            return html("<a id=out>Log out</a>")
        forms = {
            "totp": FORM.format("<input name=code id=code autocomplete=one-time-code>"),
            "popup": f"<button id=sso onclick=\"open('{self.sso}', 'sso', 'width=500')\">Sign in</button>{TAKE}",
            "frame": f"<h1>Portal</h1><iframe id=login src='{self.sso}'></iframe>{TAKE}",
        }
        return html(forms[self.way])

    def let_in(self, answer: web.Response) -> web.Response:
        session = secrets.token_hex(8)
        self.sessions.add(session)
        answer.set_cookie("sid", session, httponly=True)
        return answer

    async def log_in(self, request: web.Request) -> web.Response:
        self.tries += 1
        data = await request.post()
        code = str(data["code"])
        good = pyotp.TOTP(SECRET, interval=PERIOD).verify(code, valid_window=1) and code not in self.codes
        self.codes.append(code)
        if not good or data["pw"] != PASSWORD:
            return html("wrong code or password" + FORM.format(""))
        return self.let_in(web.Response(status=303, headers={"Location": "/"}))

    async def take(self, request: web.Request) -> web.Response:
        ticket = await request.text()
        if ticket not in self.tickets:
            raise web.HTTPForbidden
        self.tickets.discard(ticket)
        return self.let_in(web.Response())

    async def ask(self, request: web.Request) -> web.Response:
        return html(FORM.format(""))

    async def give(self, request: web.Request) -> web.Response:
        self.tries += 1
        if (await request.post())["pw"] != PASSWORD:
            return html("wrong password" + FORM.format(""))
        ticket = secrets.token_hex(8)
        self.tickets.add(ticket)
        return html(f"<script>(opener || parent).postMessage('{ticket}', '*'); if (opener) close()</script>")

    async def api(self, request: web.Request) -> web.Response:
        return web.Response(status=200 if request.cookies.get("sid") in self.sessions else 401)


def html(text: str) -> web.Response:
    return web.Response(text=f"<!doctype html><title>portal</title>{text}", content_type="text/html")


@pytest.fixture
async def portal(request: pytest.FixtureRequest) -> AsyncIterator[Portal]:
    portal = Portal(request.param)
    apps = portal.apps()
    async with TestServer(apps[0], host="127.0.0.1") as site, TestServer(apps[1], host="127.0.0.1") as provider:
        portal.url, portal.sso = str(site.make_url("/")), str(provider.make_url("/"))
        yield portal


@pytest.fixture
def settings(portal: Portal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("LOGIN_PASSWORD", PASSWORD)
    monkeypatch.setenv("LOGIN_TOTP", f"otpauth://totp/portal?secret={SECRET}&period={PERIOD}")
    named = {"wait": f"url:{portal.sso}*"}
    steps: dict[str, list[dict[str, Any]]] = {
        "totp": [*FILLED, {"fill": "#code", "totp": "env:LOGIN_TOTP"}, {"click": "#go"}],
        "popup": [{"click": "#sso"}, named, *FILLED, {"click": "#go"}],
        "frame": [named, *({**step, "frame": "#login"} for step in (*FILLED, {"click": "#go"}))],
    }
    site = {
        "provider": "web",
        "url": portal.url,
        "ready": "#out",
        "stale": [401],
        "visit": {"steps": steps[portal.way]},
        "reach": [portal.sso.removeprefix("http://").rstrip("/")],
    }
    return Settings.model_validate({"sites": {"portal": site}, "store": {"url": "memory://"}})


@pytest.mark.parametrize(("portal", "deaths"), [("totp", 1), ("popup", 0), ("frame", 0)], indirect=["portal"])
async def test_a_login_is_made_once_and_anew_when_its_session_dies(
    portal: Portal, deaths: int, settings: Settings, browsers: BrowserPool
) -> None:
    async with Runtime(settings, pool=browsers) as runtime:
        for _ in range(1 + deaths):
            portal.sessions.clear()
            async with await runtime.send("portal", Request(url="/api", method="POST")) as answer:
                assert answer.head.status == 200
    assert portal.tries == 1 + deaths
    assert len(set(portal.codes)) == len(portal.codes), "a code was used twice"
