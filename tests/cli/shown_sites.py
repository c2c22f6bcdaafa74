"""Small sites that a person shows: each has a login, one kind of write, and tokens of another kind."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field

from aiohttp import web

USER, PASSWORD = "ada", 'correct "horse" & 7 batteries'
LOGIN = (
    '<form method="post" action="/login"><input name="user"><input name="pw" type="password"><button>Go</button></form>'
)


@dataclass
class ShownSite:
    """Counts what was written. `sessions` maps a session to its token."""

    sessions: dict[str, str] = field(default_factory=dict)
    wrote: list[str] = field(default_factory=list)
    logins: int = 0

    def kill(self) -> None:
        self.sessions.clear()

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/", self.home)
        app.router.add_get("/login", self.login_page)
        app.router.add_post("/login", self.log_in)
        app.router.add_post("/notes", self.write)
        return app

    def enter(self, user: object, password: object) -> str:
        """Return a new session. Raises HTTPUnauthorized."""
        if (user, password) != (USER, PASSWORD):
            raise web.HTTPUnauthorized(text="no")
        self.logins += 1
        session = secrets.token_urlsafe(24)
        self.sessions[session] = secrets.token_hex(16)
        return session

    def token(self, request: web.Request) -> str | None:
        return self.sessions.get(request.cookies.get("sid", ""))

    async def home(self, request: web.Request) -> web.Response:
        token = self.token(request)
        if token is None:
            raise web.HTTPFound("/login")
        return page(self.inside(token))

    def inside(self, token: str) -> str:
        raise NotImplementedError

    async def login_page(self, _: web.Request) -> web.Response:
        return page(LOGIN)

    async def log_in(self, request: web.Request) -> web.Response:
        data = await request.post()
        answer = web.HTTPSeeOther("/")
        answer.set_cookie("sid", self.enter(data.get("user"), data.get("pw")), httponly=True, path="/")
        raise answer

    async def write(self, request: web.Request) -> web.StreamResponse:
        raise NotImplementedError


class FormSite(ShownSite):
    """A form with a hidden token of the session."""

    def inside(self, token: str) -> str:
        return (
            f'<a href="/logout">Leave</a><form method="post" action="/notes"><input type="hidden" name="key" '
            f'value="{token}"><input name="text"><button id="save">Save</button></form>'
        )

    async def write(self, request: web.Request) -> web.StreamResponse:
        data, token = await request.post(), self.token(request)
        if token is None or data.get("key") != token:
            raise web.HTTPFound("/login")
        self.wrote.append(str(data["text"]))
        raise web.HTTPSeeOther("/")


class UploadSite(FormSite):
    """The same, sent as multipart with a file."""

    def inside(self, token: str) -> str:
        form = super().inside(token).replace('action="/notes"', 'action="/notes" enctype="multipart/form-data"')
        return form.replace("<button", '<input type="file" name="file"><button')


class BearerSite(ShownSite):
    """Everything is drawn by a script, which sends JSON with a bearer token from the login's answer."""

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/", self.home)
        app.router.add_post("/api/login", self.log_in)
        app.router.add_get("/api/me", self.me)
        app.router.add_post("/api/notes", self.write)
        return app

    def token(self, request: web.Request) -> str | None:
        return self.sessions.get(request.headers.get("authorization", "").removeprefix("Bearer "))

    async def home(self, request: web.Request) -> web.Response:
        return page(DRAWN)

    async def log_in(self, request: web.Request) -> web.Response:
        data = await request.json()
        return web.json_response({"access": self.enter(data.get("handle"), data.get("pw"))})

    async def me(self, request: web.Request) -> web.Response:
        if self.token(request) is None:
            raise web.HTTPUnauthorized(text="who?")
        return web.json_response({"name": USER})

    async def write(self, request: web.Request) -> web.StreamResponse:
        if self.token(request) is None:
            return web.json_response({"error": "log in"}, status=401)
        self.wrote.append(str((await request.json())["note"]["text"]))
        return web.json_response({"ok": True})


DRAWN = """<div id="app"></div><script>
const app = document.getElementById("app");
const ask = (url, body) => fetch(url, { method: body ? "POST" : "GET", body: body && JSON.stringify(body),
  headers: { "content-type": "application/json", Authorization: "Bearer " + localStorage.getItem("access") } });
const draw = async () => {
  const me = localStorage.getItem("access") && await ask("/api/me");
  if (me && me.ok) {
    app.innerHTML = '<nav id="members">Hello</nav><div><input name="text"><button id="save">Save</button></div>';
    app.querySelector("#save").onclick = () => ask("/api/notes", { note: { text: app.querySelector("input").value } });
    return;
  }
  app.innerHTML = '<div><input name="user"><input name="pw" type="password"><button>Sign in</button></div>';
  app.querySelector("button").onclick = async () => {
    const [handle, pw] = [...app.querySelectorAll("input")].map((one) => one.value);
    const answer = await ask("/api/login", { handle, pw });
    if (answer.ok) { localStorage.setItem("access", (await answer.json()).access); draw(); }
  };
};
draw();
</script>"""


def page(text: str) -> web.Response:
    return web.Response(text=f"<!doctype html><html><body>{text}</body></html>", content_type="text/html")


KINDS: dict[str, Callable[[], ShownSite]] = {"form": FormSite, "upload": UploadSite, "bearer": BearerSite}
