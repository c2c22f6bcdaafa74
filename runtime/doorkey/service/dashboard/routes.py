"""The dashboard's routes: the page, its live events, the way in and out, and what its buttons do."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from aiohttp import web

from doorkey.service.access import ACCESS
from doorkey.service.answers import STREAM_HEADERS
from doorkey.service.client_writer import ClientWriter
from doorkey.service.dashboard.dashboard import Dashboard
from doorkey.service.dashboard.forms import form_handler, read_form, to_page
from doorkey.service.dashboard.page import HEADERS, read_asset, respond
from doorkey.service.dashboard.playground import playground_routes
from doorkey.service.dashboard.viewers import (
    LINK_LIFE,
    PAGE,
    VIEWER_LIFE,
    Viewers,
    cookie_name,
)
from doorkey.service.failure import Refusal
from doorkey.service.middleware import BASE_PATH, BEGUN, Begun

OFTEN = 1.0
"""Seconds between two updates of a page at the least, however much happens."""
SELDOM = 10.0
"""Seconds after which the page is updated although nothing happened: ages grow."""
MOST_WATCHERS = 20
"""The most pages that are kept live at a time."""
Handler: TypeAlias = Callable[[web.Request], Awaitable[web.Response]]


def dashboard_routes(dashboard: Dashboard, unread: float) -> list[web.RouteDef]:
    async def show(request: web.Request) -> web.Response:
        return respond(await dashboard.write_page(request))

    async def leave(request: web.Request) -> web.Response:
        await read_form(request, dashboard.viewers)
        dashboard.viewers.forget(request)
        response = to_page(request)
        response.del_cookie(cookie_name(request), path=_cookie_path(request))
        return response

    async def make_link(request: web.Request) -> web.Response:
        base = request.app[BASE_PATH]
        if not dashboard.viewers.needed:
            return web.json_response({"path": f"{base}{PAGE}", "expires_in": None})
        path = dashboard.viewers.make_link(request.get(ACCESS))
        return web.json_response(
            {"path": f"{base}{path}", "expires_in": LINK_LIFE}, headers={"Cache-Control": "no-store"}
        )

    async def show_login(request: web.Request) -> web.Response:
        return respond(await dashboard.write_login(request, request.match_info["name"]))

    return [
        web.get(PAGE, show),
        enter_route(dashboard.viewers),
        web.post("/dashboard/leave", leave),
        web.post("/api/dashboard/links", make_link),
        web.get("/dashboard/events", _live_events(dashboard, unread)),
        web.get("/dashboard/page.css", _asset("page.css", "text/css")),
        web.get("/dashboard/page.js", _asset("page.js", "text/javascript")),
        web.get("/dashboard/sites/{name}/login", show_login),
        web.post("/dashboard/sites/{name}/renew", _action(dashboard, _renew)),
        web.post("/dashboard/sites/{name}/pause", _action(dashboard, _pause)),
        web.post("/dashboard/sites/{name}/resume", _action(dashboard, _resume)),
        *playground_routes(dashboard, unread),
    ]


def enter_route(viewers: Viewers) -> web.RouteDef:
    """Return the route of the one-time links of *viewers*. It leads to PAGE, whether the link is right or not."""

    async def enter(request: web.Request) -> web.Response:
        if "prefetch" in request.headers.get("Sec-Purpose", "") + request.headers.get("Purpose", ""):
            raise Refusal(403, "not_prefetched", "a link that works once is not loaded before somebody opens it")
        response = to_page(request)
        cookie = viewers.redeem(request.match_info["code"])
        if cookie is not None:
            response.set_cookie(
                cookie_name(request), cookie, path=_cookie_path(request), max_age=int(VIEWER_LIFE),
                httponly=True, samesite="Strict", secure=request.secure,
            )  # fmt: skip
        return response

    return web.get("/dashboard/enter/{code}", enter, allow_head=False)


def _live_events(dashboard: Dashboard, unread: float) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """Return the handler of the stream that keeps a page live: a JSON object of changed regions for each event."""

    async def stream(request: web.Request) -> web.StreamResponse:
        if dashboard.whole.history.watched >= MOST_WATCHERS:
            raise Refusal(503, "too_many_viewers", f"{MOST_WATCHERS} pages are live already: close one of them")
        response, writer = web.StreamResponse(headers=STREAM_HEADERS), ClientWriter(request, unread)
        sent: dict[str, str] = {}
        with dashboard.whole.history.watch() as changed:
            await response.prepare(request)
            request[BEGUN] = Begun(response, None)
            while not dashboard.running.stopping and dashboard.viewers.is_watching(request):
                changed.clear()
                regions = await dashboard.write_regions(request)
                new = {name: text for name, text in regions.items() if sent.get(name) != text}
                # Written without news as well: that tells of a client that has left.
                await writer.write(response, f"data: {json.dumps(new)}\n\n".encode())
                sent = regions
                await _wait(OFTEN, dashboard.running.stops)
                await _wait(SELDOM, dashboard.running.stops, changed)
        await writer.end(response)
        return response

    return stream


async def _wait(limit: float, *events: asyncio.Event) -> None:
    """Return when one of *events* is set, or after *limit* seconds."""
    waits = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        await asyncio.wait(waits, timeout=limit, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()


def _asset(name: str, kind: str) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def show(request: web.Request) -> web.Response:
        headers = {**HEADERS, "Content-Type": f"{kind}; charset=utf-8", "Cache-Control": "no-cache"}
        return web.Response(text=read_asset(name), headers=headers)

    return show


def _action(dashboard: Dashboard, act: Callable[[Dashboard, str], Awaitable[None]]) -> Handler:
    """Return the handler of a button of one site."""
    return form_handler(dashboard.viewers, lambda request, _: act(dashboard, request.match_info["name"]))


async def _renew(dashboard: Dashboard, name: str) -> None:
    await dashboard.runtime.visit(name)


async def _pause(dashboard: Dashboard, name: str) -> None:
    dashboard.runtime.pause(name)
    dashboard.whole.history.tell()


async def _resume(dashboard: Dashboard, name: str) -> None:
    dashboard.runtime.resume(name)
    dashboard.whole.history.tell()


def _cookie_path(request: web.Request) -> str:
    return request.app[BASE_PATH] or "/"
