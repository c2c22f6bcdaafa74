"""A site on this machine for the `page` transport, and a runtime that goes into it by its page."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer

from doorkey import Runtime, Settings
from doorkey.browser import BrowserPool
from doorkey.clock import Clock

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
PAGE = '<!doctype html><title>a site</title><meta name="csrf" content="abc123"><p>hello</p>'


@dataclass
class PagedSite:
    """Answers /echo with what came, /stream with pieces that a test releases, and what a test adds to `routes`."""

    url: str = ""
    page: str = PAGE
    page_headers: dict[str, str] = field(default_factory=dict)
    page_cookie: str = ""
    loads: int = 0
    seen: list[web.Request] = field(default_factory=list)
    routes: dict[str, Handler] = field(default_factory=dict)
    release: asyncio.Event = field(default_factory=asyncio.Event)
    arrived: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))
    left: asyncio.Event = field(default_factory=asyncio.Event)
    gate: Callable[[web.Request], web.StreamResponse | None] = lambda request: None

    async def answer(self, request: web.Request) -> web.StreamResponse:
        if request.path == "/":
            self.loads += 1
            response = web.Response(text=self.page, content_type="text/html", headers=self.page_headers)
            if self.page_cookie or "sid" not in request.cookies:
                response.set_cookie("sid", self.page_cookie or f"s{self.loads}", httponly=True)
            return response
        self.seen.append(request)
        refusal = self.gate(request)
        if refusal is not None:
            return refusal
        handler = self.routes.get(request.path) or {"/echo": self.echo, "/stream": self.stream}.get(request.path)
        return await handler(request) if handler else web.Response(status=404, text="not here")

    async def echo(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        headers = {name.lower(): value for name, value in request.headers.items()}
        return web.json_response({
            "method": request.method, "path": request.raw_path, "headers": headers,
            "size": len(body), "hash": hashlib.sha256(body).hexdigest(),
            "text": body[:2000].decode("utf-8", "replace"),
        })  # fmt: skip

    async def stream(self, request: web.Request) -> web.StreamResponse:
        """One piece at once, and the others when the test releases them."""
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        name = request.query.get("n", "")
        try:
            await response.write(f"data: {name} 0\n\n".encode())
            self.arrived.release()
            await self.release.wait()
            for at in range(1, 5):
                await response.write(f"data: {name} {at}\n\n".encode())
        except asyncio.CancelledError:
            self.left.set()
            raise
        return response


@asynccontextmanager
async def serving(site: PagedSite) -> AsyncIterator[PagedSite]:
    app = web.Application(client_max_size=256 * 1024 * 1024)
    app.router.add_route("*", "/{path:.*}", site.answer)
    async with TestServer(app, host="127.0.0.1", handler_cancellation=True) as server:
        site.url = str(server.make_url("/"))
        yield site
        site.release.set()


def runtime_for(
    site: PagedSite, clock: Clock | None = None, *, pool: BrowserPool | None = None, **more: Any
) -> Runtime:
    limits = more.pop("limits", {})
    table = {
        "provider": "web", "url": site.url, "ready": "meta[name=csrf]", "transport": "page", "stale": [401],
        "tokens": {"csrf": "meta[name=csrf]@content"}, "send": {"header": {"X-CSRF": "{csrf}"}}, **more,
    }  # fmt: skip
    return Runtime(
        Settings.model_validate({"sites": {"wiki": table}, "store": {"url": "memory://"}, "limits": limits}),
        clock=clock,
        pool=pool,
    )
