"""`GET /api/sites`: how the configured sites stand; `GET /healthz`: that the service does."""

from __future__ import annotations

import difflib
from dataclasses import asdict
from typing import TYPE_CHECKING

from aiohttp import web

from doorkey.errors import UnknownSite

if TYPE_CHECKING:
    from doorkey.runtime import Runtime


def site_routes(runtime: Runtime) -> list[web.RouteDef]:
    async def listed(request: web.Request) -> web.Response:
        return web.json_response({"sites": [asdict(status) for status in await runtime.known()]})

    async def one(request: web.Request) -> web.Response:
        name = request.match_info["name"]
        standing = {status.name: status for status in await runtime.known()}
        if name not in standing:
            nearest = difflib.get_close_matches(name[:200], standing, 1)
            hint = f"did you mean {nearest[0]!r}?" if nearest else f"configured: {', '.join(standing) or 'none'}"
            raise UnknownSite(f"no site is called {name[:80]!r}; {hint}", param="name")
        return web.json_response(asdict(standing[name]))

    async def alive(request: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    return [web.get("/api/sites", listed), web.get("/api/sites/{name}", one), web.get("/healthz", alive)]
