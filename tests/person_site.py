"""A site that needs a person, for a click or a login with a one-time code. Its pages tell what they do there."""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import dataclass, field

from aiohttp import web

USER, PASSWORD, CODE = "ada", "canary-Pa55-word", "246810"
PLACES = {"user": (60, 30), "pw": (60, 90), "code": (60, 30), "go": (60, 150), "box": (60, 30)}
"""Where the middle of each element is, in CSS pixels."""
STYLE = "<style>body{margin:0}" + "".join(
    f"#{name}{{position:fixed;left:{x - 50}px;top:{y - 20}px;width:100px;height:40px;margin:0}}"
    for name, (x, y) in PLACES.items()
) + "</style>"  # fmt: skip
SCRIPT = """<script>
const tell = (what) => navigator.sendBeacon("/told", what);
addEventListener("resize", () => tell(`size ${innerWidth}`));
if (document.getElementById("code")) tell("asks code");
for (const each of document.querySelectorAll("input, button")) {
  each.addEventListener("focus", () => tell(`focus ${each.id}`));
  each.addEventListener("touchstart", () => tell(`touch ${each.id}`));
  each.addEventListener("input", () => tell(`value ${each.id} ${each.type === "password" ? "*" : each.value}`));
}
</script>"""
GATE = """<altcha-widget challengeurl="/challenge" auto="off"><input type="checkbox" id="box"></altcha-widget>
<script>
document.getElementById("box").onchange = async () => { await fetch("/pass", { method: "POST" }); location.reload(); };
</script>"""


@dataclass
class PersonSite:
    """With a `gate`, a click lets in; else the login. `told` is what its pages say happens in them."""

    gate: bool = False
    url: str = ""
    passes: set[str] = field(default_factory=set)
    calls: list[str] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    def app(self) -> web.Application:
        app = web.Application()
        app.add_routes(
            [
                web.get("/", self.home),
                web.post("/told", self.hear),
                web.post("/pass", self.let_in),
                web.post("/login", self.log_in),
                web.post("/code", self.take_code),
                web.get("/api/items", self.items),
            ]
        )
        return app

    async def until_told(self, what: str) -> None:
        """Wait until a page has said *what*, and forget what was said before."""
        async with asyncio.timeout(30), self.changed:
            await self.changed.wait_for(lambda: what in self.told)
            del self.told[: self.told.index(what) + 1]

    def knows(self, request: web.Request) -> bool:
        return request.cookies.get("pass") in self.passes

    async def home(self, request: web.Request) -> web.Response:
        if self.knows(request):
            return _html(
                f'<meta name="csrf" content="csrf-{request.cookies["pass"]}"><a id="out" href="/logout">Out</a>'
            )
        if self.gate:
            return _html(GATE, 403)
        return _html(
            '<form method="post" action="/login"><input id="user" name="user"><input id="pw" name="pw" type="password">'
            '<button id="go">Log in</button></form>'
        )

    async def log_in(self, request: web.Request) -> web.Response:
        data = await request.post()
        if (data.get("user"), data.get("pw")) != (USER, PASSWORD):
            raise web.HTTPFound("/")
        return _html(
            '<form method="post" action="/code"><input id="code" name="code" autocomplete="one-time-code">'
            '<button id="go">Go</button></form>'
        )

    async def take_code(self, request: web.Request) -> web.Response:
        if (await request.post()).get("code") != CODE:
            raise web.HTTPFound("/")
        answer = web.HTTPFound("/")
        self._admit(answer)
        raise answer

    async def let_in(self, request: web.Request) -> web.Response:
        answer = web.Response()
        self._admit(answer)
        return answer

    def _admit(self, answer: web.Response | web.HTTPFound) -> None:
        name = secrets.token_hex(8)
        self.passes.add(name)
        answer.set_cookie("pass", name, httponly=True, path="/")

    async def items(self, request: web.Request) -> web.Response:
        self.calls.append(request.headers.get("x-csrf", ""))
        if not self.knows(request):
            return web.json_response({"error": "who are you"}, status=401)
        return web.json_response({"items": [1]})

    async def hear(self, request: web.Request) -> web.Response:
        async with self.changed:
            self.told.append(await request.text())
            self.changed.notify_all()
        return web.Response()


def _html(text: str, status: int = 200) -> web.Response:
    whole = f'<!doctype html><html lang="en"><title>a site</title>{STYLE}{text}{SCRIPT}'
    return web.Response(text=whole, status=status, content_type="text/html")
