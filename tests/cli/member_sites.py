"""Small sites with a login, of one kind each: how the form is made, where the token is, how the page shows a login."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field

from aiohttp import web

USER, PASSWORD = "ada", "correct horse battery"
FIELDS = '<input name="user"><input name="pw" type="password">'


@dataclass
class MemberSite:
    """`home` leads strangers to the login or is `public`; `form` is the login page's, `inside` what members see.

    In the texts, TOKEN stands for the token of the visitor's session. A write needs it where `takes` says: in a header,
    or in a form's field. `password` is the name of the login's field. `wrote` are the texts that were written.
    """

    form: str
    inside: str
    takes: str = ""
    login_path: str = "/login"
    lands: str = "/"
    public: str = ""
    new: str = ""
    cookie: str = ""
    bearer: bool = False
    password: str = "pw"
    sessions: dict[str, str] = field(default_factory=dict)
    wrote: list[str] = field(default_factory=list)

    def kill(self) -> None:
        self.sessions.clear()

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/", self.home)
        app.router.add_get(self.login_path, self.login_page)
        app.router.add_post(self.login_path, self.log_in)
        if self.lands != "/":
            app.router.add_get(self.lands, self.members)
        if self.new:
            app.router.add_get("/notes/new", self.new_page)
        app.router.add_get("/api/me", self.me)
        app.router.add_post("/notes", self.write)
        return app

    def _token(self, request: web.Request) -> str | None:
        if self.bearer:
            return self.sessions.get(request.headers.get("authorization", "").removeprefix("Bearer "))
        return self.sessions.get(request.cookies.get("sid", ""))

    async def home(self, request: web.Request) -> web.Response:
        if self.bearer or (self._token(request) is None and self.public):
            return _page(self.public)
        return await self.members(request)

    async def members(self, request: web.Request) -> web.Response:
        token = self._token(request)
        if token is None:
            raise web.HTTPFound(self.login_path)
        if self.lands != request.path:
            raise web.HTTPFound(self.lands)
        answer = _page(self.inside.replace("TOKEN", token))
        if self.cookie:
            answer.set_cookie(self.cookie, token, path="/")
        return answer

    async def new_page(self, request: web.Request) -> web.Response:
        token = self._token(request)
        if token is None:
            raise web.HTTPFound(self.login_path)
        return _page(self.new.replace("TOKEN", token))

    async def login_page(self, request: web.Request) -> web.Response:
        return _page(self.form)

    async def log_in(self, request: web.Request) -> web.Response:
        data = await request.json() if self.bearer else await request.post()
        if (data.get("user", USER), data.get(self.password)) != (USER, PASSWORD):
            return web.json_response({"error": "no"}, status=401) if self.bearer else _page(f"wrong {self.form}")
        session = secrets.token_urlsafe(24)
        self.sessions[session] = secrets.token_hex(16)
        if self.bearer:
            return web.json_response({"jwt": session})
        answer = web.HTTPSeeOther(self.lands)
        answer.set_cookie("sid", session, httponly=True, path="/")
        raise answer

    async def me(self, request: web.Request) -> web.Response:
        if self._token(request) is None:
            return web.json_response({"error": "who?"}, status=401)
        return web.json_response({"name": USER})

    async def write(self, request: web.Request) -> web.Response:
        token = self._token(request)
        data = await request.post()
        kind, _, name = self.takes.partition(":")
        carried = {"header": request.headers.get(name), "form": data.get(name), "": token}[kind]
        if token is None or carried != token:
            raise web.HTTPForbidden(text="log in")
        self.wrote.append(str(data["text"]))
        return _page("written")


def _page(text: str) -> web.Response:
    return web.Response(text=f"<!doctype html><html><body>{text}</body></html>", content_type="text/html")


LEAVE = "<button onclick=\"fetch('/out')\">Log out</button>"
HIDDEN = '<form method="post" action="/notes"><input type="hidden" name="tok" value="TOKEN"><input name="text"></form>'
DRAWN = """<div id="app"></div><script>
const app = document.getElementById("app");
const draw = async () => {
  const token = localStorage.getItem("auth");
  const me = token && await fetch("/api/me", { headers: { Authorization: "Bearer " + token } });
  if (me && me.ok) { app.innerHTML = '<nav class="members">Hello</nav><button>Leave</button>'; return; }
  app.innerHTML = '<div><input placeholder="User"><input type="password"><button>Sign in</button></div>';
  app.querySelector("button").onclick = async () => {
    const [user, pw] = [...app.querySelectorAll("input")].map((one) => one.value);
    const answer = await fetch("/login", { method: "POST", headers: { "content-type": "application/json" },
      body: JSON.stringify({ user, pw }) });
    if (answer.ok) { localStorage.setItem("auth", (await answer.json()).jwt); draw(); }
  };
};
draw();
</script>"""

KINDS: dict[str, Callable[[], MemberSite]] = {
    "a public page that links to the login, and a token on the page of the form": lambda: MemberSite(
        form=f'<form method="post">{FIELDS}<button>Go</button></form>',
        inside=f'<a href="/notes/new">New note</a>{LEAVE}',
        public='<a href="/login">Sign in</a>',
        new=HIDDEN,
        takes="form:tok",
    ),
    "a lone field marked as new, and a page elsewhere": lambda: MemberSite(
        form='<form method="post"><input type="password" name="pw" autocomplete="new-password"></form>',
        inside='<meta name="csrf-token" content="TOKEN"><h1 id="board">Board</h1>',
        login_path="/auth",
        lands="/board",
        takes="header:x-csrf-token",
    ),
    "a form drawn by scripts, without names, and a bearer token": lambda: MemberSite(
        form=DRAWN, inside="", public=DRAWN, bearer=True
    ),
    "a token that the page's own requests double": lambda: MemberSite(
        form=f'<form method="post">{FIELDS}<input type="submit" value="Log in"></form>',
        inside='<ul class="notes"></ul><script>fetch("/api/me", { headers: { "X-Guard": '
        "/guard=([^;]+)/.exec(document.cookie)[1] } })</script>",
        cookie="guard",
        takes="header:x-guard",
    ),
}
