"""`GET /api/sites`: the state of the configured sites."""

from __future__ import annotations

import difflib
from dataclasses import asdict
from typing import TYPE_CHECKING

from aiohttp import web

from doorkey.errors import UnknownSite
from doorkey.service.access import allows_site

if TYPE_CHECKING:
    from doorkey.runtime import Runtime


def site_routes(runtime: Runtime) -> list[web.RouteDef]:
    async def list_sites(request: web.Request) -> web.Response:
        shown = [asdict(status) for status in await runtime.known() if allows_site(request, status.name)]
        return web.json_response({"sites": shown})

    async def show_site(request: web.Request) -> web.Response:
        name = request.match_info["name"]
        known = {status.name: status for status in await runtime.known()}
        if name not in known:
            nearest = difflib.get_close_matches(name[:200], known, 1)
            hint = f"did you mean {nearest[0]!r}?" if nearest else f"configured: {', '.join(known) or 'none'}"
            raise UnknownSite(f"no site is called {name[:80]!r}; {hint}", param="name")
        return web.json_response(asdict(known[name]))

    return [
        web.get("/api/sites", list_sites),
        web.get("/api/sites/{name}", show_site),
    ]
