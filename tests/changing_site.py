"""A site whose page, scripts and answers a test changes, to see what a report says of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from aiohttp import web

from doorkey import Runtime
from doorkey.reports.archive import Archive

Entered = Callable[..., Awaitable[tuple[Runtime, Archive]]]


class ChangingSite:
    """A site whose page a test writes. `scripts` are served below it by path, and `/api/` answers JSON. `opened` is set
    when the page was asked for."""

    def __init__(self) -> None:
        self.url = ""
        self.html = ""
        self.status = 200
        self.scripts: dict[str, str] = {}
        self.cookies: dict[str, str] = {}
        self.refusing = 0
        self.opened = asyncio.Event()

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/", self.home)
        app.router.add_route("*", "/api/{path:.*}", self.api)
        app.router.add_get("/{path:.*}", self.script)
        return app

    async def home(self, request: web.Request) -> web.Response:
        text = f"<!doctype html><title>Wiki</title>{self.html}"
        self.opened.set()
        answer = web.Response(text=text, content_type="text/html", status=self.status)
        for name, value in self.cookies.items():
            answer.set_cookie(name, value)
        return answer

    async def api(self, request: web.Request) -> web.Response:
        return web.json_response({"ok": not self.refusing}, status=self.refusing or 200)

    async def script(self, request: web.Request) -> web.Response:
        if request.path not in self.scripts:
            raise web.HTTPNotFound
        return web.Response(text=self.scripts[request.path], content_type="text/javascript")
