"""A site with a login form: a CSRF field, a session cookie, sessions that end at the server."""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import dataclass, field

from aiohttp import web

USER, PASSWORD = "ada", "correct horse battery"


@dataclass
class LoginSite:
    """`/` greets who is logged in and leads others to `/login`, but where it is `public`. `logins` counts each try,
    right or wrong. `script` runs in the login page."""

    url: str = ""
    sessions: set[str] = field(default_factory=set)
    forms: set[str] = field(default_factory=set)
    tries: list[tuple[str, str]] = field(default_factory=list)
    loads: list[str] = field(default_factory=list)
    wrote: list[str] = field(default_factory=list)
    asks_code: bool = False
    public: bool = False
    down: bool = False
    script: str = ""
    told_down: asyncio.Event = field(default_factory=asyncio.Event)
    agents: list[str] = field(default_factory=list)
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    answers: asyncio.Event | None = None
    """Set this for a site that answers a login only once the event has come."""

    @property
    def logins(self) -> int:
        return len(self.tries)

    def log_out(self) -> None:
        self.sessions.clear()

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/", self.home)
        app.router.add_get("/login", self.form)
        app.router.add_post("/login", self.login)
        app.router.add_post("/api/items", self.write)
        return app

    async def home(self, request: web.Request) -> web.Response:
        self.loads.append("/")
        self.agents.append(request.headers["user-agent"])
        if self.down:
            self.told_down.set()
            raise web.HTTPServiceUnavailable
        if request.cookies.get("session") not in self.sessions:
            if self.public:
                return _html("Welcome, guest")
            raise web.HTTPFound("/login")
        token = f"csrf-{request.cookies['session']}"
        return _html(f'<meta name="csrf" content="{token}"><a href="/logout">Log out</a>')

    async def form(self, request: web.Request) -> web.Response:
        self.loads.append("/login")
        self.asked.set()
        return self._form("")

    def _form(self, said: str) -> web.Response:
        token = secrets.token_hex(8)
        self.forms.add(token)
        return _html(
            f'<p>{said}</p><form method="post" action="/login"><input type="hidden" name="csrf" value="{token}">'
            '<input id="user" name="user"><input id="pw" name="pw" type="password"><button>Log in</button></form>'
            f"<script>{self.script}</script>"
        )

    async def login(self, request: web.Request) -> web.Response:
        data = await request.post()
        self.tries.append((str(data.get("user")), str(data.get("pw"))))
        if self.answers is not None:
            await self.answers.wait()
        if data.get("csrf") not in self.forms:
            raise web.HTTPForbidden
        if self.tries[-1] != (USER, PASSWORD):
            return self._form("wrong user or password")
        if self.asks_code:
            return _html('<form><input autocomplete="one-time-code" name="code"></form>')
        session = secrets.token_hex(8)
        self.sessions.add(session)
        answer = web.HTTPFound("/")
        answer.set_cookie("session", session, httponly=True, path="/")
        raise answer

    async def write(self, request: web.Request) -> web.Response:
        session = request.cookies.get("session", "")
        if session not in self.sessions or request.headers.get("x-csrf") != f"csrf-{session}":
            return web.json_response({"error": "log in"}, status=401)
        self.wrote.append(await request.text())
        return web.json_response({"items": len(self.wrote)})


def _html(text: str) -> web.Response:
    return web.Response(text=f"<!doctype html><title>a site</title>{text}", content_type="text/html")
