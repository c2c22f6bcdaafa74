"""The live view's routes: its page, and the WebSocket that carries pictures and input."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from aiohttp import WSMsgType, web

from doorkey.errors import BrowserFailed
from doorkey.service.access import ACCESS, require_admin, require_sites
from doorkey.service.dashboard.page import CSP, HEADERS, LOGIN_ONLY, respond
from doorkey.service.dashboard.viewers import VIEWER, Viewers
from doorkey.service.door_websocket import asks_websocket
from doorkey.service.failure import Refusal
from doorkey.service.live_view.exchange import run_both
from doorkey.service.live_view.views import Looker, View, Views
from doorkey.service.middleware import BASE_PATH, BEGUN, UNTYPED, Begun
from doorkey.service.privacy import require_private
from doorkey.service.running import RunningRequests

if TYPE_CHECKING:
    from jinja2 import Template


log = logging.getLogger("doorkey.live_view")

PATH = "/dashboard/live"
"""Below the dashboard's path: its cookie lets people in here, too."""
CSP_VIEW = CSP.replace("img-src 'self' data:", "img-src 'self' blob: data:")
UNREAD = 20.0
"""Seconds that a browser may leave a picture unread."""
CLOSING = 2.0
BEAT = 15.0
"""Seconds: for a browser's answer to a close frame; between two signs of life."""


def live_view_routes(views: Views, viewers: Viewers, running: RunningRequests) -> list[web.RouteDef]:
    async def show(request: web.Request) -> web.Response:
        view = await _find(request, views)
        return respond(_write_page(request, view), csp=CSP_VIEW)

    async def connect(request: web.Request) -> web.StreamResponse:
        view = await _find(request, views)
        if not asks_websocket(request):
            raise Refusal(400, "websocket_expected", "a WebSocket was expected")
        if urlsplit(request.headers.get("Origin", "")).netloc.lower() != request.host.lower():
            # The guard lets the origins of the settings use sessions, but no other page may show or steer a browser.
            raise Refusal(403, "origin_not_allowed", "only the live view's own page may open its WebSocket")
        async with AsyncExitStack() as exits:
            try:
                looker = await exits.enter_async_context(view.watch(_name(request)))
            except BrowserFailed as error:
                log.info("%s: live view: %s", view.site, error.message)
                raise Refusal(503, "view_unavailable", error.message) from None
            return await _show(request, looker, lambda: not running.stopping and viewers.is_watching(request))

    return [
        web.get(f"{PATH}/view.css", _asset("view.css", "text/css")),
        web.get(f"{PATH}/view.js", _asset("view.js", "text/javascript")),
        web.get(f"{PATH}/{{id}}", show),
        web.get(f"{PATH}/{{id}}/socket", connect),
    ]


async def _show(request: web.Request, looker: Looker, may_look: Callable[[], bool]) -> web.StreamResponse:
    """Pass pictures and input on until one side ends, or the viewer may not look any more."""
    from doorkey.browser.live_view.input import LONGEST_MESSAGE  # loaded with the view itself

    socket = web.WebSocketResponse(
        timeout=CLOSING, heartbeat=BEAT, max_msg_size=LONGEST_MESSAGE, compress=False, autoclose=True
    )
    request[UNTYPED] = True
    await socket.prepare(request)
    request[BEGUN] = Begun(socket, None)
    await run_both(_send(socket, looker), _receive(socket, looker), may_look)
    await socket.close()
    return socket


async def _send(socket: web.WebSocketResponse[Any], looker: Looker) -> None:
    while (news := await looker.next()) is not None:
        try:
            async with asyncio.timeout(UNREAD):
                await (socket.send_bytes(news) if isinstance(news, bytes) else socket.send_str(news))
        except TimeoutError:
            raise ConnectionResetError("the browser stopped reading") from None


async def _receive(socket: web.WebSocketResponse[Any], looker: Looker) -> None:
    async for message in socket:
        if message.type is WSMsgType.TEXT:
            await looker.receive(message.data)


async def _find(request: web.Request, views: Views) -> View:
    """Return the view of the path. Raises Refusal where *request* may not use it, or there is none."""
    require_admin(request)
    require_private(request)
    view = await views.find(request.match_info["id"])
    if view is None:
        raise Refusal(404, "no_such_view", "this live view has ended: the visit was finished, or its time was over")
    require_sites(request, [view.site])
    return view


def _name(request: web.Request) -> str:
    """Say for the audit who looks: the key by whose right, and from where."""
    key = (
        f"the key {request[ACCESS].name!r}"
        if ACCESS in request
        else "a browser with a link"
        if VIEWER in request
        else ""
    )
    return f"{key or 'a browser'} at {request.remote or 'a Unix socket'}"


def _write_page(request: web.Request, view: View) -> str:
    base = request.app[BASE_PATH]
    has_dashboard = LOGIN_ONLY not in request.app
    return load_template().render(base=base, site=view.site, why=view.why, id=view.id, has_dashboard=has_dashboard)


@cache
def load_template() -> Template:
    """Return the template of the page. The first call imports what reads it."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("doorkey.service.live_view"), autoescape=True, undefined=StrictUndefined
    )
    return environment.get_template("view.html")


@cache
def _read_asset(name: str) -> str:
    return (resources.files("doorkey.service.live_view") / "assets" / name).read_text("utf-8")


def _asset(name: str, kind: str) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def show(request: web.Request) -> web.Response:
        headers = {**HEADERS, "Content-Type": f"{kind}; charset=utf-8", "Cache-Control": "no-cache"}
        return web.Response(text=_read_asset(name), headers=headers)

    return show
