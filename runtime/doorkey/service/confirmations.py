"""`/api/confirmations`: what agents wait for, and a person's decision; for keys with admin."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict

from aiohttp import web

from doorkey.accounts.confirmations import Confirmations
from doorkey.errors import RequestError
from doorkey.service.access import allows_site, require_admin, require_sites
from doorkey.service.bodies import DecisionBody, read_body
from doorkey.service.body import read_object
from doorkey.service.failure import Refusal


def confirmation_routes(open_queue: Callable[[], Confirmations]) -> list[web.RouteDef]:
    """*open_queue* is called for each request: the folder is needed only then."""

    async def list_waiting(request: web.Request) -> web.Response:
        require_admin(request)
        shown = [asdict(each) for each in open_queue().waiting() if allows_site(request, each.site)]
        return web.json_response({"confirmations": shown}, headers={"Cache-Control": "no-store"})

    async def decide(request: web.Request) -> web.Response:
        require_admin(request)
        body = read_body(DecisionBody, await read_object(request))
        if body.allow is None:
            raise RequestError("allow is missing: true or false was expected", param="allow")
        confirmations = open_queue()
        try:
            pending = confirmations.find(request.match_info["pending"])
            require_sites(request, [pending.site])
            confirmations.decide(pending.id, allowed=body.allow, note=body.note or "")
        except RequestError as error:
            raise Refusal(404, "not_found", error.message, param="pending") from None
        return web.json_response({"id": pending.id, "allowed": body.allow})

    return [web.get("/api/confirmations", list_waiting), web.post("/api/confirmations/{pending}", decide)]
