"""Serves a twin's switches, counts and log under `/_twin/`, for other processes on this machine."""

from __future__ import annotations

import ipaddress
from collections.abc import Awaitable, Callable
from functools import wraps
from typing import TYPE_CHECKING, TypeAlias

from aiohttp import web

if TYPE_CHECKING:
    from doorkey_providers.twins.twin import Twin

Handler: TypeAlias = Callable[[web.Request], Awaitable[web.Response]]
LOG_SHOWN = 100


def add_routes(app: web.Application, twin: Twin) -> None:
    """Add GET counts, GET log (`?last=N`) and POST switch (a JSON object). Only clients on loopback get an answer."""

    async def counts(request: web.Request) -> web.Response:
        return web.json_response(twin.counts.as_json())

    async def log(request: web.Request) -> web.Response:
        try:
            last = max(1, int(request.query.get("last", LOG_SHOWN)))
        except ValueError:
            return _make_fault("last is a number of records")
        return web.json_response([received.as_json() for received in twin.log[-last:]])

    async def switch(request: web.Request) -> web.Response:
        # A page of another site can't send this type without a preflight request, which is refused.
        if request.content_type != "application/json":
            return _make_fault("switches are sent as application/json")
        try:
            changes = await request.json()
            twin.switch(**changes)
        except (ValueError, TypeError) as fault:
            return _make_fault(str(fault) or "the body is not a JSON object of switches")
        return web.json_response(twin.counts.as_json())

    app.router.add_get("/_twin/counts", _allow_loopback(counts))
    app.router.add_get("/_twin/log", _allow_loopback(log))
    app.router.add_post("/_twin/switch", _allow_loopback(switch))


def is_loopback(remote: str | None) -> bool:
    try:
        return ipaddress.ip_address(remote or "").is_loopback
    except ValueError:
        return False


def _allow_loopback(handler: Handler) -> Handler:
    @wraps(handler)
    async def guard(request: web.Request) -> web.Response:
        if not is_loopback(request.remote):
            return web.json_response({"error": "only for this machine"}, status=403)
        return await handler(request)

    return guard


def _make_fault(text: str) -> web.Response:
    return web.json_response({"error": text}, status=400)
