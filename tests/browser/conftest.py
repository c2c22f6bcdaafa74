"""A site on this machine, its clock and a pool that is shared by a module's tests."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from doorkey.browser import BrowserPool, Profile, VisitSpec
from doorkey.browser.process import Process
from doorkey.model.page import Page
from doorkey.model.session import Tokens

DESKTOP = Profile(name="desktop")
PAGE = '<!doctype html><title>a site</title><meta name="csrf" content="abc123"><p>hello</p>'


def csrf(page: Page) -> Tokens:
    return {"csrf": page.attribute("meta[name=csrf]", "content", "csrf")}


@dataclass
class LocalSite:
    """A site whose pages a test writes; it remembers the requests' headers."""

    url: str = ""
    pages: dict[str, Callable[[web.Request], Awaitable[web.StreamResponse]]] = field(default_factory=dict)
    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    open: asyncio.Event = field(default_factory=asyncio.Event)
    asked: asyncio.Event = field(default_factory=asyncio.Event)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.requests.append((request.path, {name.lower(): value for name, value in request.headers.items()}))
        self.asked.set()
        if request.path not in self.pages:
            return html(PAGE) if request.path == "/" else web.Response(status=404)
        return await self.pages[request.path](request)

    def page(self, text: str, path: str = "/", status: int = 200, **headers: str) -> None:
        async def serve(request: web.Request) -> web.StreamResponse:
            return html(text, status, headers)

        self.pages[path] = serve

    def held(self, path: str = "/") -> None:
        """The page at *path* does not come before `open` is set."""

        async def serve(request: web.Request) -> web.StreamResponse:
            await self.open.wait()
            return html(PAGE)

        self.pages[path] = serve

    def spec(self, **more: object) -> VisitSpec:
        values: dict[str, object] = {"url": self.url, "read": csrf, "settle": 0.0, "limit": 15.0}
        return VisitSpec(**{**values, **more})  # type: ignore[arg-type]  # a test's own keywords


def html(text: str, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(text=text, status=status, content_type="text/html", headers=headers)


def crash_pages(browsers: BrowserPool) -> None:
    """Kill the processes of all pages: which of them is a page's can't be told from outside."""
    assert browsers.browser_pid is not None
    for pid in Process.of(browsers.browser_pid).list_family():
        with open(f"/proc/{pid}/cmdline") as file:
            if "--type=renderer" in file.read():
                os.kill(pid, signal.SIGKILL)


@pytest.fixture
async def site() -> AsyncIterator[LocalSite]:
    local = LocalSite()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", local.answer)
    async with TestServer(app, host="127.0.0.1") as server:
        local.url = str(server.make_url("/"))
        yield local
        local.open.set()
