"""`GET /v1/models`: lists the models by the names that requests use."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any

from aiohttp import web

from doorkey.clock import Clock
from doorkey.errors import UnknownModel
from doorkey.service.access import allows_site

if TYPE_CHECKING:
    from doorkey.runtime import Runtime


def model_routes(runtime: Runtime, clock: Clock) -> list[web.RouteDef]:
    started = int(clock.wall())

    def describe(name: str) -> dict[str, Any]:
        site, slash, _ = name.partition("/")
        owner = site if slash and site in runtime.sites else "doorkey"
        return {"id": name, "object": "model", "created": started, "owned_by": owner}

    async def list_names(request: web.Request) -> list[str]:
        await runtime.known()  # another process may have visited a site, and seen its models
        return [name for name in runtime.models() if all(allows_site(request, site) for site in runtime.sites_of(name))]

    async def list_models(request: web.Request) -> web.Response:
        return web.json_response({"object": "list", "data": [describe(name) for name in await list_names(request)]})

    async def show_model(request: web.Request) -> web.Response:
        name, known = request.match_info["id"], await list_names(request)
        if name not in known:
            nearest = difflib.get_close_matches(name[:200], known, 1)
            hint = f"did you mean {nearest[0]!r}?" if nearest else "GET /v1/models lists them"
            raise UnknownModel(f"no model is called {name[:80]!r}; {hint}", param="model")
        return web.json_response(describe(name))

    return [web.get("/v1/models", list_models), web.get("/v1/models/{id:.+}", show_model)]
