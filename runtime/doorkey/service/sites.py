"""`GET /api/sites`: the state of the configured sites."""

from __future__ import annotations

import difflib
from dataclasses import asdict
from typing import TYPE_CHECKING

from aiohttp import web

from doorkey.errors import ConfigurationError, UnknownSite
from doorkey.service.access import allows_site

if TYPE_CHECKING:
    from doorkey.service.workers.whole_service import WholeService


BROKEN = web.AppKey("BROKEN", dict[str, str])
"""The faults of configured sites that can't be used, by name."""


def site_routes(whole: WholeService) -> list[web.RouteDef]:
    async def list_sites(request: web.Request) -> web.Response:
        known = await whole.known()
        shown = [asdict(status) for status in known if allows_site(request, status.name)]
        broken = {name: fault for name, fault in request.app[BROKEN].items() if allows_site(request, name)}
        return web.json_response({"sites": shown, "broken": broken})

    async def show_site(request: web.Request) -> web.Response:
        name = request.match_info["name"]
        known = {status.name: status for status in await whole.known()}
        if name not in known:
            nearest = difflib.get_close_matches(name[:200], known, 1)
            hint = f"did you mean {nearest[0]!r}?" if nearest else f"configured: {', '.join(known) or 'none'}"
            if name in request.app[BROKEN]:
                raise ConfigurationError(f"the site {name!r} can't be used: {request.app[BROKEN][name]}", site=name)
            raise UnknownSite(f"no site is called {name[:80]!r}; {hint}", param="name")
        return web.json_response(asdict(known[name]))

    return [
        web.get("/api/sites", list_sites),
        web.get("/api/sites/{name}", show_site),
    ]
