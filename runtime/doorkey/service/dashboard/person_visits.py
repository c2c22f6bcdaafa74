"""Visits that a person begins on the dashboard, for the live view: a login by hand, or a look at a site's page."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from aiohttp import web

from doorkey.errors import DoorkeyError
from doorkey.service.dashboard.forms import form_handler
from doorkey.service.dashboard.viewers import Viewers
from doorkey.service.failure import Refusal
from doorkey.service.live_view.routes import PATH
from doorkey.service.live_view.views import require_room
from doorkey.service.privacy import require_private

if TYPE_CHECKING:
    from doorkey.runtime import Runtime

log = logging.getLogger("doorkey.service")

What: TypeAlias = Literal["login", "open"]


class PersonVisits:
    """Begins such visits by the browser of *runtime*, and ends those under way with the service."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._under_way: dict[str, asyncio.Task[None]] = {}
        """By their sites."""

    async def begin(self, site: str, what: What) -> str:
        """Begin a login to *site*, or open its page. Return the id of the live view, once that is there.

        A login becomes the site's session for all. Raises Refusal where the live view has no room or shows the site
        already, and what a visit raises that fails before its page is there.
        """
        handovers = self._runtime.pool.handovers
        require_room(handovers)
        if site in self._under_way or any(handover.site == site for handover in handovers.list()):
            raise Refusal(409, "site_in_view", f"{site} is in the live view already: open it there, or finish that one")
        offered: asyncio.Future[str] = asyncio.get_running_loop().create_future()

        def hear() -> None:
            for handover in handovers.list():
                if handover.site == site and not offered.done():
                    offered.set_result(handover.id)

        # The service's own task: it goes on after the request that began it.
        visit = self._under_way[site] = asyncio.create_task(self._visit(site, what))
        visit.add_done_callback(lambda ended: self._forget(site, ended))
        handovers.on_change.append(hear)
        try:
            waits: list[asyncio.Future[Any]] = [visit, offered]
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            handovers.on_change.remove(hear)
        if offered.done():
            return offered.result()
        visit.result()
        raise Refusal(409, "view_ended", "the live view has ended already: begin again")

    async def end_with(self, _: web.Application) -> AsyncIterator[None]:
        """End the visits under way when the service ends (aiohttp's `cleanup_ctx`)."""
        yield
        visits = tuple(self._under_way.values())
        for visit in visits:
            visit.cancel()
        await asyncio.gather(*visits, return_exceptions=True)

    async def _visit(self, site: str, what: What) -> None:
        logins, target = self._runtime.logins, self._runtime.target(site)
        handovers = self._runtime.pool.handovers
        if what == "login":
            await logins.log_in_by_link(target, handovers)
        else:
            await logins.open_window(target, keep=False, handovers=handovers)

    def _forget(self, site: str, visit: asyncio.Task[None]) -> None:
        del self._under_way[site]
        if visit.cancelled() or (error := visit.exception()) is None:
            return
        if isinstance(error, DoorkeyError):
            log.info("%s: a visit begun on the dashboard: %s", site, error.message)
        else:
            log.error("%s: a visit begun on the dashboard failed", site, exc_info=error)


def person_visit_routes(visits: PersonVisits, viewers: Viewers) -> list[web.RouteDef]:
    def begin(what: What) -> web.RouteDef:
        async def act(request: web.Request, _: Mapping[str, str]) -> str:
            require_private(request)
            return f"{PATH}/{await visits.begin(request.match_info['name'], what)}"

        return web.post(f"/dashboard/sites/{{name}}/{what}", form_handler(viewers, act))

    return [begin("login"), begin("open")]
