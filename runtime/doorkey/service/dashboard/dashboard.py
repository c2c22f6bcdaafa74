"""What one viewer sees: the parts of the dashboard's page, made for the rights of a request."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING

from aiohttp import web

from doorkey.clock import Clock
from doorkey.errors import UnknownSite
from doorkey.service.access import ACCESS, allows_site
from doorkey.service.additions.board import Board, Phase
from doorkey.service.dashboard.history import RequestRecord
from doorkey.service.dashboard.page import render
from doorkey.service.dashboard.view import say_seconds, view_browsers, view_requests, view_sites
from doorkey.service.dashboard.viewers import PAGE, VIEWER, Viewers, may_add, may_administer
from doorkey.service.middleware import BASE_PATH
from doorkey.service.running import RunningRequests
from doorkey.service.sites import BROKEN
from doorkey.service.workers.whole_service import WholeService

if TYPE_CHECKING:
    from doorkey.runtime import Runtime
    from doorkey.status import SiteStatus

REFUSED = "The site refused several new sessions in a row before they ever worked. Open it, and see what it says."
WORDS: Mapping[Phase, str] = {
    "looking": "looking and trying",
    "showing": "waits for you in the live view",
    "asking": "has a question",
    "found": "waits for your word",
    "writing": "being written",
    "written": "added",
    "failed": "not added",
    "cancelled": "cancelled",
}
TONES: Mapping[Phase, str] = {
    "looking": "busy", "showing": "warn", "asking": "warn", "found": "warn", "writing": "busy", "written": "good",
    "failed": "bad", "cancelled": "off",
}  # fmt: skip
"""What the page says of the site that is being added."""


@dataclass(frozen=True, slots=True)
class Dashboard:
    """Renders the page and its regions. Nothing is computed but for a request."""

    runtime: Runtime
    viewers: Viewers
    whole: WholeService
    running: RunningRequests
    clock: Clock
    board: Board

    async def write_page(self, request: web.Request) -> str:
        """Return the whole page."""
        from markupsafe import Markup

        regions = {name: Markup(text) for name, text in (await self.write_regions(request)).items()}  # noqa: S704 - rendered here, escaped
        return render(
            "page.html",
            **self._common(request),
            regions=regions,
            version=version("doorkey"),
            rights=request[ACCESS].name if ACCESS in request else "",
            can_leave=VIEWER in request,
            models=[
                name
                for name in self.runtime.models()
                if all(allows_site(request, site) for site in self.runtime.sites_of(name))
            ],
        )

    async def write_regions(self, request: web.Request) -> dict[str, str]:
        """Return the HTML of each region of the page, by the id of its element."""
        common, wall = self._common(request), self.clock.wall()
        whole = self.whole.sites(await self.runtime.known())
        known = [status for status in whole if allows_site(request, status.name)]
        broken = {name: fault for name, fault in request.app[BROKEN].items() if allows_site(request, name)}
        history, pool = self.whole.whole_history(), self.whole.pool()
        records = [record for record in history.requests if _may_see(request, record)]
        own = self.whole.watched + (request.path == PAGE)
        return {
            "people": render(
                "people.html",
                **common,
                waiting=self._view_handovers(request, wall),
                stuck=self._list_stuck(request, known),
            ),
            **self._write_addition(request, common),
            "sites": render("sites.html", **common, sites=view_sites(known, history, wall), broken=broken),
            "requests": render("requests.html", **common, requests=view_requests(records, wall)),
            "browsers": render(
                "browsers.html", **common, pool=pool, browsers=view_browsers(pool),
                under_way=max(0, self.running.whole_under_way - own), waiting=self.running.whole_waiting,
            ),
        }  # fmt: skip

    async def write_login(self, request: web.Request, name: str) -> str:
        """Return the page about a site's session, without its secrets. Raises UnknownSite."""
        known = [status for status in self.whole.sites(await self.runtime.known()) if status.name == name]
        if not known:
            raise UnknownSite(f"no site is called {name[:80]!r}", param="name")
        session, wall = self.runtime.held(name), self.clock.wall()
        facts, cookies = [("Page", known[0].url)], []
        if session is not None:
            left = session.born + session.hard - wall
            facts += [
                ("Ends", f"in {say_seconds(left)} at the latest" if left > 0 else "it has ended"),
                ("Tokens", ", ".join(session.tokens) or "none"),
                ("Local storage", f"{len(session.local)} {'entry' if len(session.local) == 1 else 'entries'}"),
                ("Made so far", ", ".join(f"{count} by {rung}" for rung, count in session.rungs.items()) or "unknown"),
            ]
            cookies = [(cookie.name, cookie.domain, _say_end(cookie.expires, wall)) for cookie in session.cookies]
        return render(
            "login.html",
            **self._common(request),
            site=view_sites(known, self.whole.whole_history(), wall)[0],
            facts=facts,
            cookies=cookies,
            steps=len(self.runtime.provider(name).steps),
        )

    def _write_addition(self, request: web.Request, common: Mapping[str, object]) -> dict[str, str]:
        """Return the region about the site that is being added, for those who may add one."""
        if not may_add(request):
            return {}
        state = self.board.read()
        return {"addition": render("addition.html", **common, addition=state, words=WORDS, tones=TONES)}

    def _view_handovers(self, request: web.Request, wall: float) -> list[tuple[str, str, str, str]]:
        """Return the visits that wait for a person whom *request* may show: id, site, reason and since when."""
        if not may_administer(request):
            return []
        state = self.board.read()
        shown = state.view if state is not None else ""
        return [
            (need.id, need.site, need.why, say_seconds(wall - need.asked))
            for _, need in self.whole.needs()
            if allows_site(request, need.site) and need.id != shown
        ]

    def _list_stuck(self, request: web.Request, known: Iterable[SiteStatus]) -> list[tuple[str, str]]:
        """Return the sites that need a person without a visit that waits for one: name and reason."""
        if not may_administer(request):
            return []
        waiting = {need.site for _, need in self.whole.needs()}
        return [
            (site.name, REFUSED if site.state == "open" else site.last_error or "A person has to log in.")
            for site in known
            if site.state in ("open", "needs person") and site.name not in waiting
        ]

    def _common(self, request: web.Request) -> dict[str, object]:
        """Return the values that all templates may use."""
        return {
            "base": request.app[BASE_PATH],
            "form_token": self.viewers.token_of(request),
            "may_administer": may_administer(request),
            "may_add": may_add(request),
        }


def _may_see(request: web.Request, record: RequestRecord) -> bool:
    """Return whether the rights behind *request* cover *record*. One of no site is for those who see all sites."""
    access = request.get(ACCESS)
    return access is None or access.sites is None or bool(record.site and record.site in access.sites)


def _say_end(expires: float | None, wall: float) -> str:
    if expires is None:
        return "until the browser's session ends"
    return f"for another {say_seconds(expires - wall)}" if expires > wall else "expired"
