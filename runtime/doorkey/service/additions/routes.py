"""The forms by which a site is added from the dashboard."""

from __future__ import annotations

from collections.abc import Mapping
from typing import get_args

from aiohttp import web

from doorkey.service.access import ACCESS
from doorkey.service.additions.addition import Order
from doorkey.service.additions.additions import Additions
from doorkey.service.additions.board import Wish
from doorkey.service.dashboard.forms import form_handler
from doorkey.service.dashboard.viewers import Viewers
from doorkey.service.failure import Refusal
from doorkey.service.privacy import require_private


def addition_routes(additions: Additions, viewers: Viewers) -> list[web.RouteDef]:
    async def begin(request: web.Request, fields: Mapping[str, str]) -> None:
        order = Order(
            url=fields.get("url", "").strip(),
            name=fields.get("name", "").strip(),
            user=fields.get("user", ""),
            password=fields.get("password", ""),
            show=bool(fields.get("show")),
        )
        if order.password or order.show:
            require_private(request)
        additions.begin(order, request[ACCESS].name if ACCESS in request else "")

    async def wish(request: web.Request, _: Mapping[str, str]) -> None:
        id_, wished = request.match_info["id"], request.match_info["wish"]
        for known in get_args(Wish):
            if wished == known:
                return additions.wish(id_, known)
        raise Refusal(404, "no_such_wish", "this can't be asked of an addition: load the dashboard again")

    async def dismiss(request: web.Request, _: Mapping[str, str]) -> None:
        additions.board.dismiss(request.match_info["id"])

    return [
        web.post("/dashboard/additions", form_handler(viewers, begin)),
        web.post("/dashboard/additions/{id}/dismiss", form_handler(viewers, dismiss)),
        web.post("/dashboard/additions/{id}/{wish}", form_handler(viewers, wish)),
    ]
