"""The end of a visit that a person makes: waits for them in the live view, and reads the page that they reached."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from doorkey.browser.live_view.handovers import Handover, Handovers
from doorkey.browser.live_view.live_view import LiveView
from doorkey.browser.visit.page_visit import PageVisit
from doorkey.browser.visit.parts import VisitParts
from doorkey.browser.visit.snapshot import take_snapshot
from doorkey.browser.visit.spec import VisitResult, VisitSpec
from doorkey.clock import Clock
from doorkey.errors import Blocked, BrowserFailed, Changed, DoorkeyError, Enough, NeedsPerson, SiteDown, TimeLimit
from doorkey.model.urls import origin_of
from doorkey.protections.advice import BY_HAND

if TYPE_CHECKING:
    from playwright.async_api import Page as BrowserPage

LOOK = 0.25
"""Seconds between two readings of the page."""
LAST_WORDS = 0.2
"""Seconds that viewers are given to be told how it ended."""
Begin = Callable[[VisitSpec], tuple[PageVisit, VisitParts]]


def describe_need(error: NeedsPerson, site: str) -> str:
    """Say for the person what *error* needs of them: its first sentence. The others are advice for the settings.

    Other ways to pass what stands there are left out: this person has the page before them.
    """
    needed = error.message.partition(f": {BY_HAND.partition(':')[0]}")[0]
    why = needed.replace("SITE", site).removeprefix(f"{site}: ").partition(". ")[0]
    return why[:1].upper() + why[1:]


class PersonVisit:
    """A visit by *page* that a person finishes. *begin* makes a visit of the same page.

    `parts` read the page meanwhile. With *by_ready_only* false, a page without `ready` counts as reached, too, once
    nothing stands before the site and the provider finds its tokens: where a challenge was all that was in the way.
    """

    def __init__(
        self,
        page: BrowserPage,
        spec: VisitSpec,
        site_url: str,
        clock: Clock,
        parts: VisitParts,
        begin: Begin,
        *,
        by_ready_only: bool,
    ) -> None:
        self._page, self._spec, self._clock, self._parts, self._begin = (
            page,
            replace(spec, steps=()),
            clock,
            parts,
            begin,
        )
        self._origin = origin_of(site_url)
        self._by_ready_only = by_ready_only

    async def run(self, handovers: Handovers, site: str, why: str) -> VisitResult:
        """Offer the page in *handovers* until the visit has what it needs. Raises NeedsPerson if nobody gets there."""
        view = LiveView(self._page, site, why)
        with handovers.offer(view) as handover:
            try:
                result = await self._wait(handover, handovers.patience)
            except DoorkeyError as error:
                view.say("failed", error.message)
                await self._clock.sleep(LAST_WORDS)
                raise
            view.say("done", f"{site} is open, and doorkey takes the session. You can close this page.")
            await self._clock.sleep(LAST_WORDS)
            return result

    async def _wait(self, handover: Handover, patience: float) -> VisitResult:
        view, tried = handover.view, ""
        while True:
            if view.given_up.is_set():
                raise NeedsPerson(f"the person gave up ({view.why})")
            if self._clock.now() >= handover.until:
                raise NeedsPerson(f"nobody finished it in the live view within {patience:g} s ({view.why})")
            if self._page.is_closed():
                raise BrowserFailed("the page was closed before doorkey saw that a person had finished")
            said = view.done.is_set()
            state = await self._read_state() if not said else "said"
            if state and (said or state != tried):
                view.done.clear()
                tried = state
                result = await self._try(view)
                if result is not None:
                    return result
            await self._clock.sleep(LOOK)

    async def _read_state(self) -> str:
        """Return a text that stands for the page if it looks as if the person had got there, else an empty one."""
        try:
            snapshot = await take_snapshot(self._parts.inspector, self._clock, self._spec.script_values)
            if origin_of(snapshot.page.url) != self._origin:
                return ""
            if self._spec.ready is not None:
                reached = await asyncio.to_thread(self._spec.is_ready, snapshot.page)
            else:
                reached = not self._by_ready_only and await self._is_open(snapshot.page.url)
                if reached:
                    await asyncio.to_thread(self._spec.read, snapshot.page)
        except (BrowserFailed, Changed):
            return ""  # it navigates, or is another page than the provider knows
        return f"{snapshot.page.url} {hash(snapshot.page.html)}" if reached else ""

    async def _is_open(self, url: str) -> bool:
        """Return whether nothing stands before the site, and the page asks for no login."""
        facts = await self._parts.reader.read_once()
        stands = self._parts.reader.recognize(facts, widgets=True) is not None
        return not stands and facts.status < 400 and not await self._parts.login.asks_password()

    async def _try(self, view: LiveView) -> VisitResult | None:
        """Return what a visit of the page brings now; None where it does not bring all yet."""
        view.say("checking", "doorkey checks whether the page is there")
        visit, self._parts = self._begin(self._spec)
        try:
            async with asyncio.timeout(self._spec.limit):
                return await visit.run()
        except (Blocked, BrowserFailed, Changed, Enough, NeedsPerson, SiteDown, TimeLimit) as error:
            view.say("open", f"Not there yet: {error.message}")
        except TimeoutError:
            view.say("open", f"Not there yet: the page was not read within {self._spec.limit:g} s")
        return None
