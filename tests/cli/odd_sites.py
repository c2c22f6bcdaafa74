"""Small sites with a login and one write, of kinds that real applications have: sessions, tokens, forms and deaths."""

# ruff: noqa: E501  the pages and scripts are read more easily unbroken
from __future__ import annotations

import html
import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar
from urllib.parse import quote, unquote

from aiohttp import web

USER, PASSWORD = "ada@example.org", "correct horse & 7 batteries"
Step = tuple[str, str]
"""What a person does: a selector, and the text to type there (empty: click)."""
FORM = '<form method="post" action="/login">{}<input name="email"><input name="pw" type="password"><button>Log in</button></form>'


@dataclass
class OddSite:
    """Counts what was written. `sessions` maps a session to its token.

    While `short`, access tokens die at once. `enter` and `use` are what a person does to log in, and to write once. `body` makes the write that a program sends.
    """

    login_path: ClassVar[str] = "/login"
    sid: ClassVar[str] = "sid"
    enter: ClassVar[tuple[Step, ...]] = (("input[name=email]", USER), ("input[name=pw]", PASSWORD), ("form button", ""))
    use: ClassVar[tuple[Step, ...]] = (("input[name=text]", "shown"), ("#save", ""))
    method: ClassVar[str] = "POST"
    path: ClassVar[str] = "/notes"
    sessions: dict[str, str] = field(default_factory=dict)
    wrote: list[str] = field(default_factory=list)
    logins: int = 0
    short: bool = False

    def kill(self) -> None:
        """End all sessions at the server."""
        self.sessions.clear()

    def body(self, text: str) -> dict[str, Any]:
        return {"data": {"text": text}}

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/", self.home),
            web.get(self.login_path, self.login_page),
            web.post(self.login_path, self.log_in),
            web.post(self.path, self.write),
            web.get("/favicon.ico", self.no_icon),
        ]

    def app(self) -> web.Application:
        app = web.Application()
        app.add_routes(self.routes())
        return app

    async def no_icon(self, _: web.Request) -> web.Response:
        return web.Response(status=404)

    def begin(self, user: object, password: object) -> str | None:
        """Return a new session; None for wrong values."""
        if (user, password) != (USER, PASSWORD):
            return None
        self.logins += 1
        session = secrets.token_urlsafe(24)
        self.sessions[session] = secrets.token_hex(16)
        return session

    def token(self, request: web.Request) -> str | None:
        return self.sessions.get(request.cookies.get(self.sid, ""))

    async def home(self, request: web.Request) -> web.StreamResponse:
        token = self.token(request)
        if token is None:
            raise web.HTTPFound(self.login_path)
        return self.page(self.inside(token, request))

    def inside(self, token: str, request: web.Request) -> str:
        raise NotImplementedError

    async def login_page(self, request: web.Request) -> web.StreamResponse:
        return self.page(FORM.format(""))

    async def log_in(self, request: web.Request) -> web.StreamResponse:
        data = await request.post()
        session = self.begin(data.get("email"), data.get("pw"))
        if session is None:
            return await self.login_page(request)
        answer = web.HTTPSeeOther("/")
        answer.set_cookie(self.sid, session, httponly=True, path="/")
        raise answer

    async def write(self, request: web.Request) -> web.StreamResponse:
        data = await request.post()
        token = self.token(request)
        if token is None or data.get("key") != token:
            return self.refuse()
        self.keep(data["text"])
        raise web.HTTPSeeOther("/")

    def refuse(self) -> web.StreamResponse:
        raise web.HTTPFound(self.login_path)

    def keep(self, text: object) -> None:
        self.wrote.append(str(text))

    def page(self, text: str, title: str = "Notes") -> web.Response:
        text = f"<!doctype html><html><head><title>{title}</title></head><body>{text}</body></html>"
        return web.Response(text=text, content_type="text/html")


NOTE = (
    '<form method="post" action="/notes"><input type="hidden" name="{}" value="{}">'
    '<input name="text"><button id="save">Save</button></form>'
)
LEAVE = '<a href="/logout">Log out</a>'


class Masked(OddSite):
    """Rails: the token is masked anew for each page, each form has its own, and the login has one, too."""

    def __init__(self) -> None:
        super().__init__()
        self.before: set[str] = set()

    def mask(self, token: str) -> str:
        pad = secrets.token_bytes(16)
        return (pad + bytes(a ^ b for a, b in zip(pad, bytes.fromhex(token), strict=True))).hex()

    def unmask(self, text: object) -> str:
        raw = bytes.fromhex(str(text or "00" * 32))
        return bytes(a ^ b for a, b in zip(raw[:16], raw[16:], strict=True)).hex()

    def inside(self, token: str, request: web.Request) -> str:
        search = '<form action="/search"><input name="q"><button>Search</button></form>'
        out = (
            '<form class="button_to" method="post" action="/logout"><input type="hidden" name="_method" value="delete">'
            f'<button>Sign out</button><input type="hidden" name="authenticity_token" value="{self.mask(token)}"></form>'
        )
        return (
            f'<meta name="csrf-param" content="authenticity_token"><meta name="csrf-token" content="{self.mask(token)}">'
            f'{search}{out}<form method="post" action="/notes"><input type="hidden" name="authenticity_token" '
            f'value="{self.mask(token)}"><input name="note[text]"><input type="submit" id="save" name="commit" value="Save"></form>'
        )

    use = (("input[name='note[text]']", "shown"), ("#save", ""))

    def body(self, text: str) -> dict[str, Any]:
        return {"data": {"note[text]": text, "commit": "Save"}}

    async def login_page(self, request: web.Request) -> web.StreamResponse:
        token = secrets.token_hex(16)
        self.before.add(token)
        return self.page(FORM.format(f'<input type="hidden" name="authenticity_token" value="{token}">'), "Log in")

    async def log_in(self, request: web.Request) -> web.StreamResponse:
        if (await request.post()).get("authenticity_token") not in self.before:
            raise web.HTTPUnprocessableEntity
        return await super().log_in(request)

    async def write(self, request: web.Request) -> web.StreamResponse:
        data, token = await request.post(), self.token(request)
        sent = data.get("authenticity_token") or request.headers.get("x-csrf-token")
        if token is None:
            return self.refuse()
        if self.unmask(sent) != token:
            raise web.HTTPUnprocessableEntity(text="InvalidAuthenticityToken")
        self.keep(data["note[text]"])
        raise web.HTTPSeeOther("/")


class Script(OddSite):
    """An application of scripts. `SCRIPT` draws it; all of it is JSON. `ask(url, body, method)` is its only way out."""

    SCRIPT: ClassVar[str] = ""
    HEADERS: ClassVar[str] = "{}"
    SAVE: ClassVar[str] = 'ask("/api/notes", { text: field("text") })'
    LOGIN: ClassVar[str] = ""
    KNOWN: ClassVar[str] = ""
    BOOT: ClassVar[str] = ""
    path = "/api/notes"
    enter = (("input[name=email]", USER), ("input[name=pw]", PASSWORD), ("#enter", ""))

    def body(self, text: str) -> dict[str, Any]:
        return {"json": {"text": text}}

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/", self.home),
            web.get("/app.js", self.script),
            web.post("/api/login", self.log_in),
            web.get("/api/me", self.me),
            web.post("/api/notes", self.write),
            web.get("/favicon.ico", self.no_icon),
        ]

    async def home(self, request: web.Request) -> web.StreamResponse:
        return self.page('<div id="app"></div><script src="/app.js"></script>')

    async def script(self, _: web.Request) -> web.Response:
        text = SHELL
        for name in ("HEADERS", "SAVE", "LOGIN", "KNOWN", "BOOT"):
            text = text.replace(f"%{name}%", getattr(self, name))
        return web.Response(text=text, content_type="text/javascript")

    async def me(self, request: web.Request) -> web.StreamResponse:
        if self.token(request) is None:
            return self.refuse()
        return web.json_response({"email": USER, "roles": ["editor"]})

    def refuse(self) -> web.StreamResponse:
        return web.json_response({"error": "unauthenticated"}, status=401)

    async def write(self, request: web.Request) -> web.StreamResponse:
        if not self.may_write(request):
            return self.refuse()
        self.keep((await request.json())["text"])
        return web.json_response({"ok": True}, status=201)

    def may_write(self, request: web.Request) -> bool:
        return self.token(request) is not None


SHELL = """
const app = document.getElementById("app");
const field = (name) => document.querySelector(`input[name=${name}]`).value;
const cookie = (name) => decodeURIComponent((document.cookie.match(new RegExp(`(?:^|; )${name}=([^;]*)`)) || [])[1] || "");
const headers = () => (%HEADERS%);
const ask = (url, body, method, more) => fetch(url, { method: method || (body ? "POST" : "GET"),
  body: body && JSON.stringify(body), credentials: "same-origin",
  headers: { Accept: "application/json", ...(body ? { "Content-Type": "application/json" } : {}), ...headers(), ...more } });
const draw = async () => {
  %BOOT%
  if (%KNOWN%) {
    app.innerHTML = '<header><button id="out">Log out</button></header><main class="notes"><label>Text <input name="text"></label><button id="save">Save</button></main>';
    document.querySelector("#save").onclick = async () => { await %SAVE%; document.querySelector("main").append("saved"); };
    return;
  }
  app.innerHTML = '<div class="card"><input name="email" type="email"><input name="pw" type="password"><button id="enter" type="button">Sign in</button></div>';
  document.querySelector("#enter").onclick = async () => { %LOGIN% };
};
draw();
"""


class Rotating(Script):
    """A JWT in local storage for a short time, and a refresh token that serves once."""

    HEADERS = 'localStorage.getItem("access") ? { Authorization: "Bearer " + localStorage.getItem("access") } : {}'
    LOGIN = """const answer = await ask("/api/login", { email: field("email"), password: field("pw") });
    if (answer.ok) { const told = await answer.json(); localStorage.setItem("access", told.accessToken);
      localStorage.setItem("refresh", told.refreshToken); draw(); }"""
    BOOT = 'const me = localStorage.getItem("access") && await ask("/api/me");'
    KNOWN = "me && me.ok"
    SAVE = """(async () => {
      if ((await ask("/api/notes", { text: field("text") })).status !== 401) return;
      const told = await (await ask("/api/refresh", { refreshToken: localStorage.getItem("refresh") })).json();
      localStorage.setItem("access", told.accessToken); localStorage.setItem("refresh", told.refreshToken);
      await ask("/api/notes", { text: field("text") });
    })()"""

    def __init__(self) -> None:
        super().__init__()
        self.refreshes: set[str] = set()

    def kill(self) -> None:
        super().kill()
        self.refreshes.clear()

    def routes(self) -> list[web.RouteDef]:
        return [*super().routes(), web.post("/api/refresh", self.refresh)]

    def token(self, request: web.Request) -> str | None:
        return self.sessions.get(request.headers.get("authorization", "").removeprefix("Bearer "))

    def hand_out(self) -> web.Response:
        parts = [secrets.token_urlsafe(12), secrets.token_urlsafe(30), secrets.token_urlsafe(20)]
        access, refresh = "eyJ" + ".".join(parts), secrets.token_urlsafe(30)
        self.sessions[access] = "x"
        self.refreshes.add(refresh)
        return web.json_response({"accessToken": access, "refreshToken": refresh, "expiresIn": 900})

    async def log_in(self, request: web.Request) -> web.StreamResponse:
        data = await request.json()
        if self.begin(data.get("email"), data.get("password")) is None:
            return self.refuse()
        return self.hand_out()

    async def refresh(self, request: web.Request) -> web.StreamResponse:
        sent = (await request.json()).get("refreshToken")
        if sent not in self.refreshes:
            return self.refuse()
        self.refreshes.discard(sent)
        return self.hand_out()


class Expiring(Rotating):
    """The same, recorded by a person whose access token had died, so that its renewal is in the recording."""

    use = (("input[name=text]", "shown"), ("#save", ""))

    async def me(self, request: web.Request) -> web.StreamResponse:
        answer = await super().me(request)
        if self.short:
            self.sessions.pop(request.headers.get("authorization", "").removeprefix("Bearer "), None)
        return answer


class Sanctum(Script):
    """Laravel's way for scripts: a call that sets a cookie, whose value each write doubles in a header; 419 without."""

    HEADERS = '{ "X-XSRF-TOKEN": cookie("XSRF-TOKEN"), "X-Requested-With": "XMLHttpRequest" }'
    LOGIN = """await ask("/sanctum/csrf-cookie");
    const answer = await ask("/api/login", { email: field("email"), password: field("pw"), remember: true });
    if (answer.ok) draw();"""
    BOOT = 'const me = await ask("/api/me");'
    KNOWN = "me.ok"

    def __init__(self) -> None:
        super().__init__()
        self.guards: set[str] = set()

    def kill(self) -> None:
        super().kill()
        self.guards.clear()

    def routes(self) -> list[web.RouteDef]:
        return [*super().routes(), web.get("/sanctum/csrf-cookie", self.guard)]

    async def guard(self, _: web.Request) -> web.StreamResponse:
        answer = web.Response(status=204)
        self.set_guard(answer)
        return answer

    def set_guard(self, answer: web.StreamResponse) -> None:
        value = secrets.token_urlsafe(30) + "=="
        self.guards.add(value)
        answer.headers.add("Set-Cookie", f"XSRF-TOKEN={quote(value, safe='')}; Path=/")

    def guarded(self, request: web.Request) -> bool:
        sent = request.headers.get("x-xsrf-token", "")
        return sent in self.guards and unquote(request.cookies.get("XSRF-TOKEN", "")) == sent

    async def log_in(self, request: web.Request) -> web.StreamResponse:
        if not self.guarded(request):
            return web.json_response({"message": "CSRF token mismatch."}, status=419)
        data = await request.json()
        session = self.begin(data.get("email"), data.get("password"))
        if session is None:
            return web.json_response({"message": "wrong"}, status=422)
        answer = web.json_response({"two_factor": False})
        answer.set_cookie(self.sid, session, httponly=True)
        self.set_guard(answer)
        return answer

    async def write(self, request: web.Request) -> web.StreamResponse:
        if not self.guarded(request):
            return web.json_response({"message": "CSRF token mismatch."}, status=419)
        return await super().write(request)


class GraphQL(Script):
    """One address for all. The token comes with the login's answer, deep inside, and is kept in session storage."""

    path = "/graphql"
    HEADERS = '(() => { const kept = JSON.parse(sessionStorage.getItem("auth") || "{}"); return kept.token ? { authorization: "JWT " + kept.token } : {}; })()'
    LOGIN = """const answer = await (await ask("/graphql", { operationName: "Login", variables: { email: field("email"), password: field("pw") },
      query: "mutation Login($email: String!, $password: String!) { login(email: $email, password: $password) { token user { id } } }" })).json();
    if (answer.data.login) { sessionStorage.setItem("auth", JSON.stringify({ token: answer.data.login.token, at: Date.now() })); draw(); }"""
    BOOT = """const me = await (await ask("/graphql", { operationName: "Me", variables: {}, query: "query Me { me { id email } }" })).json();"""
    KNOWN = "me.data && me.data.me"
    SAVE = """ask("/graphql", { operationName: "Add", variables: { input: { text: field("text"), tags: ["a", "b"] } }, query: "mutation Add($input: NoteInput!) { add(input: $input) { id } }" })"""

    def body(self, text: str) -> dict[str, Any]:
        query = "mutation Add($input: NoteInput!) { add(input: $input) { id } }"
        return {
            "json": {"operationName": "Add", "variables": {"input": {"text": text, "tags": ["a", "b"]}}, "query": query}
        }

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/", self.home),
            web.get("/app.js", self.script),
            web.post("/graphql", self.answer),
            web.get("/favicon.ico", self.no_icon),
        ]

    def token(self, request: web.Request) -> str | None:
        return self.sessions.get(request.headers.get("authorization", "").removeprefix("JWT "))

    async def answer(self, request: web.Request) -> web.StreamResponse:
        asked = await request.json()
        name, values = asked["operationName"], asked.get("variables") or {}
        if name == "Login":
            session = self.begin(values.get("email"), values.get("password"))
            return web.json_response({"data": {"login": session and {"token": session, "user": {"id": "u1"}}}})
        if self.token(request) is None:
            if name == "Me":
                return web.json_response({"data": {"me": None}})
            return web.json_response(
                {"data": None, "errors": [{"message": "not logged in", "extensions": {"code": "UNAUTHENTICATED"}}]}
            )
        if name == "Me":
            return web.json_response({"data": {"me": {"id": "u1", "email": USER}}})
        self.keep(values["input"]["text"])
        return web.json_response({"data": {"add": {"id": secrets.token_hex(8)}}})


class TwoSteps(OddSite):
    """The user name first, the password on the next page; the first page's ticket goes along. Lands on a page below."""

    enter = (("input[name=identifier]", USER), ("#next", ""), ("input[name=pw]", PASSWORD), ("#go", ""))
    login_path = "/signin"

    def __init__(self) -> None:
        super().__init__()
        self.tickets: dict[str, str] = {}

    def routes(self) -> list[web.RouteDef]:
        more = [
            web.post("/signin/identifier", self.second),
            web.post("/signin/challenge", self.log_in),
            web.get("/dashboard", self.dashboard),
        ]
        return [*super().routes(), *more]

    async def home(self, request: web.Request) -> web.StreamResponse:
        raise web.HTTPFound("/dashboard" if self.token(request) else self.login_path)

    async def dashboard(self, request: web.Request) -> web.StreamResponse:
        return await super().home(request)

    def inside(self, token: str, request: web.Request) -> str:
        return f'<nav><a href="/profile">Ada</a>{LEAVE}</nav>{NOTE.format("key", token)}'

    async def login_page(self, request: web.Request) -> web.StreamResponse:
        ticket = secrets.token_hex(12)
        self.tickets[ticket] = ""
        return self.page(
            f'<form method="post" action="/signin/identifier"><input type="hidden" name="ticket" value="{ticket}">'
            '<label>Email<input name="identifier" type="email" autocomplete="username"></label>'
            '<button id="next">Next</button></form><form><button type="button">Create account</button></form>'
        )

    async def second(self, request: web.Request) -> web.StreamResponse:
        data = await request.post()
        self.tickets[str(data["ticket"])] = str(data["identifier"])
        return self.page(
            f'<form method="post" action="/signin/challenge"><input type="hidden" name="ticket" value="{data["ticket"]}">'
            '<input name="pw" type="password" autocomplete="current-password"><button id="go">Next</button></form>'
        )

    async def log_in(self, request: web.Request) -> web.StreamResponse:
        data = await request.post()
        session = self.begin(self.tickets.pop(str(data.get("ticket")), None), data.get("pw"))
        if session is None:
            raise web.HTTPFound(self.login_path)
        answer = web.HTTPSeeOther("/")
        answer.set_cookie(self.sid, session, httponly=True)
        raise answer


class ScriptFile(OddSite):
    """The token stands in a script file that the server makes, and goes into a header of JSON."""

    def routes(self) -> list[web.RouteDef]:
        return [*super().routes(), web.get("/env.js", self.env)]

    def body(self, text: str) -> dict[str, Any]:
        return {"json": {"text": text}}

    async def env(self, request: web.Request) -> web.StreamResponse:
        told = {"version": "4.2.1", "csrf": self.token(request), "lang": "en"}
        return web.Response(text=f"window.ENV = {json.dumps(told)};", content_type="application/javascript")

    def inside(self, token: str, request: web.Request) -> str:
        return (
            f'{LEAVE}<script src="/env.js"></script><input name="text"><button id="save">Save</button><script>'
            'document.querySelector("#save").onclick = () => fetch("/notes", { method: "POST", headers: '
            '{ "Content-Type": "application/json", "X-App-Token": window.ENV.csrf }, '
            'body: JSON.stringify({ text: document.querySelector("input").value }) });</script>'
        )

    async def write(self, request: web.Request) -> web.StreamResponse:
        token = self.token(request)
        if token is None or request.headers.get("x-app-token") != token:
            return web.json_response({"error": "token"}, status=403)
        self.keep((await request.json())["text"])
        return web.json_response({"saved": True})


class Arrays(OddSite):
    """A form with lists and nested names, sent as multipart, its token in the address. The site dies with 500."""

    use = (("input[name='item[0][text]']", "shown"), ("#save", ""))

    def body(self, text: str) -> dict[str, Any]:
        return {"data": [("item[0][text]", text), ("item[0][tags][]", "a"), ("item[0][tags][]", "b"), ("state", "1")]}

    def inside(self, token: str, request: web.Request) -> str:
        return (
            f'{LEAVE}<form method="post" action="/notes?_token={token}" enctype="multipart/form-data">'
            '<input name="item[0][text]"><select name="item[0][tags][]" multiple><option selected>a<option selected>b</select>'
            '<input type="hidden" name="state" value="1"><button id="save">Save</button></form>'
        )

    async def write(self, request: web.Request) -> web.StreamResponse:
        data = await request.post()
        token = self.token(request)
        if token is None or request.query.get("_token") != token or data.getall("item[0][tags][]") != ["a", "b"]:
            return web.Response(status=500)
        self.keep(data["item[0][text]"])
        raise web.HTTPSeeOther("/")


class Doubled(OddSite):
    """Django: the cookie is doubled by each form's field and rotates with the login; 403 with a page without."""

    def __init__(self) -> None:
        super().__init__()
        self.cookies: set[str] = set()

    def kill(self) -> None:
        super().kill()
        self.cookies.clear()

    def give(self, answer: web.StreamResponse) -> str:
        value = secrets.token_hex(16)
        self.cookies.add(value)
        answer.set_cookie("csrftoken", value, samesite="Lax", path="/", max_age=31449600)
        return value

    def field(self, value: str) -> str:
        return f'<input type="hidden" name="csrfmiddlewaretoken" value="{value}">'

    def guarded(self, request: web.Request, data: Mapping[str, Any]) -> bool:
        kept = request.cookies.get("csrftoken", "")
        return kept in self.cookies and kept in (data.get("csrfmiddlewaretoken"), request.headers.get("x-csrftoken"))

    async def home(self, request: web.Request) -> web.StreamResponse:
        if self.token(request) is None:
            raise web.HTTPFound("/accounts/login/?next=/")
        kept = self.field(request.cookies.get("csrftoken", "none"))
        return self.page(
            f'<div id="user">Ada <form id="logout-form" method="post" action="/logout/">{kept}<button>Log out</button></form></div>'
            f'<form method="post" action="/notes">{kept}<input name="text" maxlength="80"><textarea name="more"></textarea>'
            '<input type="submit" value="Save" id="save" name="_save"></form>'
        )

    login_path = "/accounts/login/"
    enter = (("input[name=username]", USER), ("input[name=password]", PASSWORD), ("form [type=submit]", ""))

    def body(self, text: str) -> dict[str, Any]:
        return {"data": {"text": text, "more": "", "_save": "Save"}}

    async def login_page(self, request: web.Request) -> web.StreamResponse:
        answer = web.Response(content_type="text/html")
        kept = self.field(self.give(answer))
        answer.text = (
            f'<!doctype html><title>Log in</title><form method="post">{kept}<input name="username" autofocus>'
            f'<input type="password" name="password"><input type="hidden" name="next" value="{html.escape(request.query.get("next", "/"))}">'
            '<input type="submit" value="Log in"></form>'
        )
        return answer

    async def log_in(self, request: web.Request) -> web.StreamResponse:
        data = await request.post()
        if not self.guarded(request, data):
            return web.Response(status=403, text="<h1>CSRF verification failed</h1>", content_type="text/html")
        session = self.begin(data.get("username"), data.get("password"))
        if session is None:
            return await self.login_page(request)
        answer = web.HTTPFound(str(data.get("next") or "/"))
        answer.set_cookie(self.sid, session, httponly=True)
        self.give(answer)
        raise answer

    async def write(self, request: web.Request) -> web.StreamResponse:
        data = await request.post()
        if not self.guarded(request, data):
            return web.Response(status=403, text="<h1>CSRF verification failed</h1>", content_type="text/html")
        if self.token(request) is None:
            raise web.HTTPFound("/accounts/login/?next=/notes")
        self.keep(data["text"])
        raise web.HTTPFound("/")


class OneUse(OddSite):
    """Shaarli: tokens serve once, the form is on a page of its own, and the answer to the dead is the login, HTTP 200."""

    path = "/admin/note"
    enter = (("a[href='/login']", ""), *OddSite.enter)
    use = (("a[href='/admin/add']", ""), ("input[name=text]", "shown"), ("#save", ""))

    def __init__(self) -> None:
        super().__init__()
        self.once: set[str] = set()

    def routes(self) -> list[web.RouteDef]:
        return [*super().routes(), web.get("/admin/add", self.form)]

    def issue(self) -> str:
        token = secrets.token_hex(20)
        self.once.add(token)
        return token

    def kill(self) -> None:
        super().kill()
        self.once.clear()

    async def home(self, request: web.Request) -> web.StreamResponse:
        known = self.token(request) is not None
        nav = (
            '<a href="/admin/add">Add a note</a><a href="/?do=logout">Logout</a>'
            if known
            else '<a href="/login">Login</a>'
        )
        return self.page(f"<nav>{nav}</nav><ul>{''.join('<li>note</li>' for _ in self.wrote)}</ul>")

    async def form(self, request: web.Request) -> web.StreamResponse:
        if self.token(request) is None:
            return await self.login_page(request)
        return self.page(
            f'<form method="post" action="/admin/note"><input name="text"><input type="hidden" name="token" value="{self.issue()}">'
            '<input type="submit" id="save" name="save_edit" value="Save"></form>'
        )

    async def login_page(self, request: web.Request) -> web.StreamResponse:
        return self.page(FORM.format(f'<input type="hidden" name="token" value="{self.issue()}">'), "Login")

    async def log_in(self, request: web.Request) -> web.StreamResponse:
        token = (await request.post()).get("token")
        if token not in self.once:
            return await self.login_page(request)
        self.once.discard(str(token))
        return await super().log_in(request)

    async def write(self, request: web.Request) -> web.StreamResponse:
        data = await request.post()
        if self.token(request) is None:
            return await self.login_page(request)
        if data.get("token") not in self.once:
            return self.page("Wrong token.")
        self.once.discard(str(data["token"]))
        self.keep(data["text"])
        raise web.HTTPFound("/")


class Modal(OddSite):
    """A public page with the login in its corner; the nonce is an attribute; the dead are led to where they came from."""

    enter = (
        ("#login-box input[type=text]", USER),
        ("#login-box input[type=password]", PASSWORD),
        ("#login-box button", ""),
    )
    use = (("textarea", "shown"), ("#save", ""))
    path = "/ajax"

    def body(self, text: str) -> dict[str, Any]:
        return {"data": {"action": "comment", "text": text}}

    async def home(self, request: web.Request) -> web.StreamResponse:
        token = self.token(request)
        box = (
            '<div id="login-box"><form method="post" action="/login"><input type="text" name="email" placeholder="User">'
            '<input type="password" name="pw"><button>Go</button><a href="/register">Register</a></form></div>'
        )
        inside = (
            f'<div id="hello">Hi Ada <a href="/login?action=logout&amp;_wpnonce=1234567890">Out</a></div><div id="box" data-nonce="{token}">'
            '<textarea name="text"></textarea><button id="save">Send</button></div><script>'
            'document.querySelector("#save").onclick = () => fetch("/ajax", { method: "POST", headers: '
            '{ "Content-Type": "application/x-www-form-urlencoded; charset=UTF-8", "X-Requested-With": "XMLHttpRequest" }, '
            'body: new URLSearchParams({ action: "comment", _ajax_nonce: document.querySelector("#box").dataset.nonce, '
            'text: document.querySelector("textarea").value }) });</script>'
        )
        return self.page(f"<h1>Blog</h1>{inside if token else box}<article>Words</article>")

    async def login_page(self, request: web.Request) -> web.StreamResponse:
        raise web.HTTPFound("/")

    async def write(self, request: web.Request) -> web.StreamResponse:
        data, token = await request.post(), self.token(request)
        if token is None:
            return web.Response(text="0", status=400)
        if data.get("_ajax_nonce") != token:
            return web.Response(text="-1", status=403)
        self.keep(data["text"])
        return web.json_response({"success": True})


class NextAuth(Script):
    """The login's token comes from a call and a cookie; the login is a form sent by a script; who is in, tells a call."""

    BOOT = 'const me = await (await ask("/api/auth/session")).json();'
    KNOWN = "me.user"
    LOGIN = """const { csrfToken } = await (await ask("/api/auth/csrf")).json();
    const answer = await fetch("/api/auth/callback/credentials", { method: "POST", headers: { "Content-Type": "application/x-www-form-urlencoded" },
      body: new URLSearchParams({ redirect: "false", username: field("email"), password: field("pw"), csrfToken, callbackUrl: location.href, json: "true" }) });
    if (answer.ok) draw();"""
    sid = "next-auth.session-token"

    def __init__(self) -> None:
        super().__init__()
        self.tokens: set[str] = set()

    def routes(self) -> list[web.RouteDef]:
        return [
            *super().routes(),
            web.get("/api/auth/csrf", self.csrf),
            web.get("/api/auth/session", self.session),
            web.post("/api/auth/callback/credentials", self.log_in),
        ]

    async def csrf(self, _: web.Request) -> web.StreamResponse:
        token = secrets.token_hex(32)
        self.tokens.add(token)
        answer = web.json_response({"csrfToken": token})
        answer.set_cookie("next-auth.csrf-token", f"{token}|{secrets.token_hex(32)}", httponly=True)
        return answer

    async def session(self, request: web.Request) -> web.StreamResponse:
        if self.token(request) is None:
            return web.json_response({})
        return web.json_response({"user": {"name": "Ada", "email": USER}, "expires": "2030-01-01T00:00:00Z"})

    async def log_in(self, request: web.Request) -> web.StreamResponse:
        data = await request.post()
        token = str(data.get("csrfToken"))
        right = token in self.tokens and request.cookies.get("next-auth.csrf-token", "").startswith(token)
        session = self.begin(data.get("username"), data.get("password")) if right else None
        if session is None:
            return web.json_response({"url": "/?error=CredentialsSignin"}, status=401)
        answer = web.json_response({"url": "/"})
        answer.set_cookie(self.sid, session, httponly=True)
        return answer


class InMemory(Script):
    """Directus: the access token lives in the script's memory alone; a cookie brings a new one on each load."""

    HEADERS = "window.access ? { Authorization: `Bearer ${window.access}` } : {}"
    BOOT = """const fresh = window.access ? null : await ask("/auth/refresh", { mode: "cookie" });
      if (fresh && fresh.ok) window.access = (await fresh.json()).data.access_token;
      if (window.access) await ask("/api/me");"""
    KNOWN = "window.access"
    LOGIN = """const answer = await ask("/api/login", { email: field("email"), password: field("pw"), mode: "cookie" });
    if (answer.ok) { window.access = (await answer.json()).data.access_token; draw(); }"""
    sid = "refresh_token"

    def __init__(self) -> None:
        super().__init__()
        self.refreshes: set[str] = set()

    def kill(self) -> None:
        super().kill()
        self.refreshes.clear()

    def routes(self) -> list[web.RouteDef]:
        return [*super().routes(), web.post("/auth/refresh", self.refresh)]

    def token(self, request: web.Request) -> str | None:
        return self.sessions.get(request.headers.get("authorization", "").removeprefix("Bearer "))

    def hand_out(self) -> web.Response:
        access, refresh = (
            f"eyJhbGciOi.{secrets.token_urlsafe(40)}.{secrets.token_urlsafe(20)}",
            secrets.token_urlsafe(40),
        )
        self.sessions[access] = "x"
        self.refreshes.add(refresh)
        answer = web.json_response({"data": {"access_token": access, "expires": 900000}})
        answer.set_cookie(self.sid, refresh, httponly=True, samesite="Lax", path="/")
        return answer

    async def log_in(self, request: web.Request) -> web.StreamResponse:
        data = await request.json()
        return self.refuse() if self.begin(data.get("email"), data.get("password")) is None else self.hand_out()

    async def refresh(self, request: web.Request) -> web.StreamResponse:
        kept = request.cookies.get(self.sid, "")
        if kept not in self.refreshes:
            return self.refuse()
        self.refreshes.discard(kept)
        return self.hand_out()


class Choices(OddSite):
    """A login with a realm to choose, a box to tick and a button whose value counts; the password is called `secret`."""

    enter = (("#acc", USER), ("#sec", PASSWORD), ("button[value=enter]", ""))

    def inside(self, token: str, request: web.Request) -> str:
        return (
            f'<div class="bar"><button onclick="location=\'/bye\'">Sign off</button></div>{NOTE.format("key", token)}'
        )

    async def login_page(self, request: web.Request) -> web.StreamResponse:
        return self.page(
            '<form method="get" action="/search"><input name="q"><button>Search</button></form>'
            '<form method="post" action="/login" class="f"><input type="hidden" name="stage" value="1">'
            '<select name="realm"><option value="local" selected>Local<option value="ldap">LDAP</select>'
            '<input id="acc" name="acc"><input id="sec" name="secret" type="password">'
            '<input type="checkbox" name="remember" value="1" checked>'
            '<button name="do" value="reset" formnovalidate>Forgot password</button><button name="do" value="enter">Continue</button></form>'
        )

    async def log_in(self, request: web.Request) -> web.StreamResponse:
        data = await request.post()
        right = (data.get("do"), data.get("realm"), data.get("stage")) == ("enter", "local", "1")
        session = self.begin(data.get("acc"), data.get("secret")) if right else None
        if session is None:
            return await self.login_page(request)
        answer = web.HTTPSeeOther("/")
        answer.set_cookie(self.sid, session, httponly=True)
        raise answer

    def refuse(self) -> web.StreamResponse:
        return self.page('<script>location.replace("/login")</script>')


class SessionHeader(Script):
    """The login tells a session's number, kept in session storage inside JSON; a header of its own carries it."""

    HEADERS = '(() => { const kept = JSON.parse(sessionStorage.getItem("state") || "null"); return kept ? { "X-Session-Id": kept.user.sessionId } : {}; })()'
    BOOT = 'const kept = sessionStorage.getItem("state"); const me = kept && await ask("/api/me");'
    KNOWN = "me && me.ok"
    LOGIN = """const answer = await ask("/api/login", { username: field("email"), password: field("pw") });
    if (answer.ok) { sessionStorage.setItem("state", JSON.stringify({ user: await answer.json(), theme: "dark" })); draw(); }"""

    def token(self, request: web.Request) -> str | None:
        return self.sessions.get(request.headers.get("x-session-id", ""))

    async def log_in(self, request: web.Request) -> web.StreamResponse:
        data = await request.json()
        session = self.begin(data.get("username"), data.get("password"))
        return self.refuse() if session is None else web.json_response({"sessionId": session, "userName": USER})

    def refuse(self) -> web.StreamResponse:
        return web.json_response({"errorCode": 4001, "message": "session expired"}, status=400)


class Grant(Script):
    """Node-RED: OAuth's password grant as a form, and the answer kept whole in local storage."""

    HEADERS = '(() => { const kept = JSON.parse(localStorage.getItem("auth-tokens") || "null"); return kept ? { Authorization: "Bearer " + kept.access_token } : {}; })()'
    BOOT = 'const me = await ask("/api/me");'
    KNOWN = "me.ok"
    LOGIN = """const answer = await fetch("/api/login", { method: "POST", headers: { "Content-Type": "application/x-www-form-urlencoded" },
      body: new URLSearchParams({ client_id: "editor", grant_type: "password", scope: "", username: field("email"), password: field("pw") }) });
    if (answer.ok) { localStorage.setItem("auth-tokens", JSON.stringify(await answer.json())); location.reload(); }"""

    def token(self, request: web.Request) -> str | None:
        return self.sessions.get(request.headers.get("authorization", "").removeprefix("Bearer "))

    async def log_in(self, request: web.Request) -> web.StreamResponse:
        data = await request.post()
        right = (data.get("client_id"), data.get("grant_type")) == ("editor", "password")
        session = self.begin(data.get("username"), data.get("password")) if right else None
        if session is None:
            return self.refuse()
        return web.json_response({"access_token": session, "expires_in": 604800, "token_type": "Bearer"})

    def refuse(self) -> web.StreamResponse:
        return web.Response(status=401, text="Unauthorized")


class Verification(OddSite):
    """ASP.NET: a field and a cookie that belong together, the field's value as a header of scripts; 400 without."""

    def __init__(self) -> None:
        super().__init__()
        self.pairs: dict[str, str] = {}

    def kill(self) -> None:
        super().kill()
        self.pairs.clear()

    def body(self, text: str) -> dict[str, Any]:
        return {"json": {"text": text}}

    def guard(self, answer: web.StreamResponse, request: web.Request) -> str:
        kept = request.cookies.get(".AspNetCore.Antiforgery.x", "")
        if kept not in self.pairs:
            kept = "CfDJ8" + secrets.token_urlsafe(30)
            answer.set_cookie(".AspNetCore.Antiforgery.x", kept, httponly=True)
            self.pairs[kept] = "CfDJ8" + secrets.token_urlsafe(40)
        return f'<input name="__RequestVerificationToken" type="hidden" value="{self.pairs[kept]}">'

    def guarded(self, request: web.Request, sent: object) -> bool:
        return bool(sent) and self.pairs.get(request.cookies.get(".AspNetCore.Antiforgery.x", "")) == sent

    async def home(self, request: web.Request) -> web.StreamResponse:
        if self.token(request) is None:
            raise web.HTTPFound("/login?ReturnUrl=%2F")
        answer = web.Response(content_type="text/html")
        field = self.guard(answer, request)
        answer.text = (
            f'<form id="af">{field}</form><a id="logout" href="/Account/Logout">Log off</a><input name="text"><button id="save">Save</button>'
            '<script>document.querySelector("#save").onclick = () => fetch("/notes", { method: "POST", headers: '
            '{ "Content-Type": "application/json", RequestVerificationToken: document.querySelector("#af input").value }, '
            'body: JSON.stringify({ text: document.querySelector("input[name=text]").value }) });</script>'
        )
        return answer

    async def login_page(self, request: web.Request) -> web.StreamResponse:
        answer = web.Response(content_type="text/html")
        answer.text = FORM.format(self.guard(answer, request)).replace('action="/login"', "")
        return answer

    async def log_in(self, request: web.Request) -> web.StreamResponse:
        if not self.guarded(request, (await request.post()).get("__RequestVerificationToken")):
            return web.Response(status=400)
        return await super().log_in(request)

    async def write(self, request: web.Request) -> web.StreamResponse:
        if not self.guarded(request, request.headers.get("requestverificationtoken")) or self.token(request) is None:
            return web.Response(status=400)
        self.keep((await request.json())["text"])
        return web.json_response({"ok": 1})


class ViewState(OddSite):
    """Web forms: the page posts to itself with its state, which the server has signed for this session."""

    enter = (("input[name='ctl00$user']", USER), ("input[name='ctl00$pass']", PASSWORD), ("input[type=submit]", ""))
    use = (("input[name='ctl00$text']", "shown"), ("#save", ""))
    path = "/default.aspx"

    def body(self, text: str) -> dict[str, Any]:
        constant = {"__EVENTTARGET": "", "__VIEWSTATEGENERATOR": "C2EE9ABB"}
        return {"data": {**constant, "ctl00$text": text, "ctl00$save": "Save"}}

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/", self.home),
            web.get("/login.aspx", self.login_page),
            web.post("/login.aspx", self.log_in),
            web.get(self.path, self.notes),
            web.post(self.path, self.write),
            web.get("/favicon.ico", self.no_icon),
        ]

    async def home(self, request: web.Request) -> web.StreamResponse:
        raise web.HTTPFound(self.path)

    async def notes(self, request: web.Request) -> web.StreamResponse:
        token = self.token(request)
        if token is None:
            raise web.HTTPFound("/login.aspx?ReturnUrl=%2fdefault.aspx")
        state = f"/wEP{token}{secrets.token_urlsafe(60)}"
        return self.page(
            f'<form method="post" action="./default.aspx" id="form1"><input type="hidden" name="__EVENTTARGET" value="">'
            f'<input type="hidden" name="__VIEWSTATE" id="__VIEWSTATE" value="{state}"><input type="hidden" name="__VIEWSTATEGENERATOR" value="C2EE9ABB">'
            "<a id=\"ctl00_out\" href=\"javascript:__doPostBack('out','')\">Logout</a>"
            '<input name="ctl00$text"><input type="submit" id="save" name="ctl00$save" value="Save"></form>'
        )

    async def login_page(self, request: web.Request) -> web.StreamResponse:
        return self.page(
            '<form method="post" action="./login.aspx"><input type="hidden" name="__VIEWSTATE" value="/wEPDwUKLTI2NjY5NDk4NGRk">'
            '<input name="ctl00$user" type="text"><input name="ctl00$pass" type="password"><input type="submit" name="ctl00$go" value="Log In"></form>'
        )

    async def log_in(self, request: web.Request) -> web.StreamResponse:
        data = await request.post()
        session = self.begin(data.get("ctl00$user"), data.get("ctl00$pass")) if data.get("ctl00$go") else None
        if session is None:
            return await self.login_page(request)
        answer = web.HTTPFound(self.path)
        answer.set_cookie(self.sid, session, httponly=True)
        raise answer

    async def write(self, request: web.Request) -> web.StreamResponse:
        data, token = await request.post(), self.token(request)
        if token is None:
            raise web.HTTPFound("/login.aspx?ReturnUrl=%2fdefault.aspx")
        if token not in str(data.get("__VIEWSTATE", "")) or data.get("__VIEWSTATEGENERATOR") != "C2EE9ABB":
            return web.Response(status=500, text="Validation of viewstate MAC failed")
        if "ctl00$save" in data:
            self.keep(data["ctl00$text"])
        return await self.notes(request)


class Embedded(OddSite):
    """The page's state is JSON in a script tag, and the token in it goes into the body of a PUT as JSON."""

    method = "PUT"

    def routes(self) -> list[web.RouteDef]:
        return [*super().routes(), web.put("/notes", self.write)]

    def body(self, text: str) -> dict[str, Any]:
        return {"json": {"note": {"text": text}}}

    def inside(self, token: str, request: web.Request) -> str:
        state = {"user": {"name": "Ada"}, "security": {"formKey": token}, "build": "9f8e7d6c5b4a"}
        return (
            f'<script id="__STATE__" type="application/json">{json.dumps(state)}</script><a href="/session/destroy">Quit</a>'
            '<div id="root"><input name="text"><button id="save">Save</button></div><script>'
            'const state = JSON.parse(document.querySelector("#__STATE__").textContent);'
            'document.querySelector("#save").onclick = () => fetch("/notes", { method: "PUT", headers: '
            '{ "Content-Type": "application/json" }, body: JSON.stringify({ formKey: state.security.formKey, '
            'note: { text: document.querySelector("input").value } }) });</script>'
        )

    async def write(self, request: web.Request) -> web.StreamResponse:
        data, token = await request.json(), self.token(request)
        if token is None:
            return self.page(FORM.format(""), "Log in")
        if data.get("formKey") != token:
            return web.json_response({"error": "form key"}, status=403)
        self.keep(data["note"]["text"])
        return web.json_response({"id": len(self.wrote)})


KINDS: dict[str, Callable[[], OddSite]] = {
    "masked": Masked,
    "rotating": Rotating,
    "expiring": Expiring,
    "sanctum": Sanctum,
    "graphql": GraphQL,
    "two steps": TwoSteps,
    "script file": ScriptFile,
    "arrays": Arrays,
    "doubled": Doubled,
    "one use": OneUse,
    "modal": Modal,
    "next auth": NextAuth,
    "in memory": InMemory,
    "choices": Choices,
    "session header": SessionHeader,
    "grant": Grant,
    "verification": Verification,
    "view state": ViewState,
    "embedded": Embedded,
}
