"""A site with a token endpoint: access tokens of minutes, and refresh tokens that serve once."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web
from aiohttp.test_utils import TestServer

USER, PASSWORD, CLIENT_SECRET = "ada", "correct horse battery", "client secret 1"


@dataclass
class TokenEndpointSite:
    """`/auth/login` takes JSON and `/auth/form` a form with the token of its page. Both begin a login, which
    `/auth/refresh` continues. A refresh token that comes a second time ends the login for good (`stolen`).

    `expires_in`: what answers say of the access token's life, None: nothing. `released`: answers of the token endpoint
    wait for it, and `asked` is set when one does. `refusal`: the answer to a wrong password, and to each form.
    `script`: what the page shows to everybody, in place of leading strangers to the form.
    """

    url: str = ""
    expires_in: float | None = None
    access: set[str] = field(default_factory=set)
    refresh: str = ""
    used: set[str] = field(default_factory=set)
    stolen: bool = False
    logins: list[dict[str, str]] = field(default_factory=list)
    renewals: int = 0
    pages: int = 0
    agents: set[str] = field(default_factory=set)
    wrote: list[str] = field(default_factory=list)
    refused: int = 0
    forms: set[str] = field(default_factory=set)
    sessions: set[str] = field(default_factory=set)
    refusal: web.Response | None = None
    script: str = ""
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    released: asyncio.Event = field(default_factory=asyncio.Event)
    numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    def __post_init__(self) -> None:
        self.released.set()

    def die(self) -> None:
        """End all access tokens and sessions. The refresh token lives on."""
        self.access.clear()
        self.sessions.clear()

    def give(self) -> dict[str, object]:
        number = next(self.numbers)
        access, self.refresh = f"access-token-{number:04}", f"refresh-token-{number:04}"
        self.access.add(access)
        more = {} if self.expires_in is None else {"expires_in": self.expires_in}
        return {"data": {"access_token": access, "refresh_token": self.refresh, **more}}

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_post("/auth/login", self.log_in)
        app.router.add_get("/auth/form", self.show_form)
        app.router.add_post("/auth/form", self.take_form)
        app.router.add_post("/auth/refresh", self.renew)
        app.router.add_post("/auth/continue", self.renew_cookie)
        app.router.add_get("/", self.home)
        app.router.add_post("/api/items", self.write)
        return app

    async def log_in(self, request: web.Request) -> web.Response:
        body = await request.json()
        self.logins.append(body)
        self.agents.add(request.headers.get("user-agent", ""))
        if body.get("password") != PASSWORD:
            if self.refusal is not None:
                return self.refusal
            said = {"error": {"message": f"Wrong password {body.get('password')}. 2 tries left", "code": "E17"}}
            return web.json_response(said, status=401)
        self.stolen = False
        answer = web.json_response(self.give())
        answer.set_cookie("device", "d1", max_age=10**6)
        return answer

    async def show_form(self, request: web.Request) -> web.Response:
        self.pages += 1
        if request.cookies.get("sid") in self.sessions:
            raise web.HTTPFound("/")
        return self.form("Please log in")

    def form(self, said: str) -> web.Response:
        token = f"form-{next(self.numbers)}"
        self.forms.add(token)
        answer = page(
            f'<p>{said}</p><form method=post action=/auth/form><input name=csrf value="{token}">'
            "<input id=user name=user><input id=pw type=password name=pw><button id=go>Log in</button></form>"
        )
        answer.set_cookie("pre", token)
        return answer

    async def take_form(self, request: web.Request) -> web.Response:
        data = {name: str(value) for name, value in (await request.post()).items()}
        self.logins.append(data)
        if self.refusal is not None:
            return self.refusal
        if data.get("csrf") not in self.forms or request.cookies.get("pre") != data["csrf"]:
            raise web.HTTPForbidden
        if (data.get("user"), data.get("pw")) != (USER, PASSWORD):
            return self.form(f"We do not know {data.get('pw')}")
        answer = web.HTTPSeeOther("/")
        session = f"session-{next(self.numbers)}"
        self.sessions.add(session)
        answer.set_cookie("sid", session)
        raise answer

    async def renew(self, request: web.Request) -> web.Response:
        self.renewals += 1
        body = await request.json()
        self.asked.set()
        await self.released.wait()
        token = body.get("refresh_token")
        if token in self.used:
            self.stolen = True
        if token != self.refresh or self.stolen or body.get("client_secret", CLIENT_SECRET) != CLIENT_SECRET:
            return web.json_response({"error": "invalid_grant", "error_description": "Token has ended"}, status=400)
        self.used.add(token)
        return web.json_response(self.give())

    async def renew_cookie(self, request: web.Request) -> web.Response:
        self.renewals += 1
        session = f"session-{next(self.numbers)}"
        self.sessions.add(session)
        answer = web.Response(status=204, headers={"X-Access": self.give()["data"]["access_token"]})  # type: ignore[index]
        answer.set_cookie("sid", session)
        return answer

    async def home(self, request: web.Request) -> web.Response:
        self.pages += 1
        session = request.cookies.get("sid", "")
        if self.script:
            return page(f"<body>{self.script}</body>")
        if session not in self.sessions:
            raise web.HTTPFound("/auth/form")
        return page(f'<meta name=csrf content="csrf-{session}"><a id=out>out</a>')

    async def write(self, request: web.Request) -> web.Response:
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        session = request.cookies.get("sid", "")
        if token not in self.access and not (
            session in self.sessions and request.headers.get("x-csrf") == f"csrf-{session}"
        ):
            self.refused += 1
            return web.json_response({"error": "log in"}, status=401)
        self.wrote.append(json.dumps(await request.json()))
        return web.json_response({"ok": True})


def page(text: str) -> web.Response:
    return web.Response(text=f"<!doctype html><title>a site</title>{text}", content_type="text/html")


@asynccontextmanager
async def serving(site: TokenEndpointSite) -> AsyncIterator[TokenEndpointSite]:
    async with TestServer(site.app(), host="127.0.0.1") as server:
        site.url = str(server.make_url("/"))
        yield site
