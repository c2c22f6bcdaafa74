"""Waits for what stands before a site while the browser passes it, and loads its page once more if that is stuck."""

from __future__ import annotations

from doorkey.browser.visit.facts_reader import POLL, FactsReader
from doorkey.browser.visit.inspector import PageInspector
from doorkey.browser.visit.network_log import NetworkLog
from doorkey.browser.visit.obstacle_errors import (
    MISSING,
    describe_accepted,
    explain_unnamed,
    make_call_for_person,
    make_refusal,
)
from doorkey.browser.visit.progress import Progress
from doorkey.clock import Clock
from doorkey.errors import BrowserFailed, DoorkeyError, SiteDown
from doorkey.model.events import SiteEvents
from doorkey.protections.signs import Facts, Finding, Obstacle

TELL = 5.0
GRACE = 3.0
CALM = 2.0
LOAD = 10.0
AGAIN = 1.0
"""Seconds: between two progress reports; for scripts to start a challenge that would otherwise need a person's click;
for the page behind a passed challenge to appear; for that page to load; between two tries to load a page that did not
come."""
ERROR_PAGE = "chrome-error:"
"""How the URL of the browser's own page begins that stands for an answer that did not come."""


class Challenge:
    """What stands before the site in one visit.

    `limit` is the number of seconds that all waits may take together. `waiting` tells whether there was a wait.
    """

    def __init__(
        self,
        inspector: PageInspector,
        network_log: NetworkLog,
        reader: FactsReader,
        limit: float,
        clock: Clock,
        events: SiteEvents,
    ) -> None:
        self._page, self._network_log, self._reader = inspector.page, network_log, reader
        self._clock, self._events = clock, events
        self._limit = self._left = limit
        self._reloaded = False
        self.waiting = False

    async def find(self, *, widgets: bool) -> Finding | None:
        """Return what stands before the site now. `recognize_page` describes *widgets*."""
        return await self._reader.find(widgets=widgets)

    async def explain(self) -> DoorkeyError | None:
        """Return the error for a page that refuses, named or not; None for a page that does not."""
        facts = await self._reader.read()
        found = self._reader.recognize(facts, widgets=False, final=True)
        if found is not None:
            return make_refusal(found) or make_call_for_person(found)
        return explain_unnamed(facts, self._network_log)

    async def describe(self) -> str:
        """Return what the page shows, in sentences, where its status does not refuse."""
        return describe_accepted(await self._reader.read())

    async def find_opening_time(self, usual: float) -> float:
        """Return for how many seconds an unnamed page that refuses is given to open by itself; 0 if it can't.

        These are the *usual* ones, or more if it says by a refresh when it goes on.
        """
        if self._network_log.status < 400:
            return 0.0
        facts = await self._reader.read()
        if facts.status < 400:
            return usual  # it has opened just now
        if not facts.may_open:
            return 0.0
        self.waiting = True
        return usual if facts.refresh is None else max(usual, min(self._limit, facts.refresh + CALM))

    async def wait_passed(self, *, widgets: bool) -> bool:
        """Wait until nothing stands before the site. Return whether something did and the browser passed it.

        Raises NeedsPerson for what only a person can pass, and for what was not passed within the limit. Raises
        Blocked, HeadlessDenied or RateLimited for a refusal, and SiteDown if the site went away meanwhile.
        """
        facts = await self._reader.read()
        finding = self._reader.recognize(facts, widgets=widgets)
        if finding is None:
            return await self._leave_refusal(facts)
        error = make_refusal(finding)
        if error is not None:
            raise error
        self.waiting = True
        began = self._clock.now()
        end = began + self._left
        self._events.report("challenge", f"{finding}; waiting up to {self._left:g} s for the browser to pass it")
        try:
            await self._wait(finding, facts, end, widgets=widgets)
        finally:
            self._left = max(0.0, end - self._clock.now())
        self._events.report("challenge", f"{finding.name} was passed after {self._clock.now() - began:.1f} s")
        await self._wait_loaded()
        return True

    async def _leave_refusal(self, facts: Facts) -> bool:
        """Load the page once more if it has led to a refusal, or nowhere: a challenge may have failed there unseen."""
        nowhere = facts.url.startswith(ERROR_PAGE)
        refused = facts.status >= 400 and facts.status not in (401, *MISSING) and not facts.ready
        if self._reloaded or not (nowhere or (refused and self._reader.led_on)):
            return False
        await self._reload("the page led nowhere" if nowhere else f"the page led to HTTP {facts.status}")
        await self._wait_loaded()
        return True

    async def _wait(self, finding: Finding, facts: Facts, end: float, *, widgets: bool) -> None:
        """Wait until *finding*, or what replaced it, is gone and another document than that of *facts* is there."""
        clock = self._clock
        told = since = clock.now()  # since when only a person could pass it
        progress, born, began_by_itself = (
            Progress(clock, self._network_log, self._reader),
            facts.born,
            not _needs_person(finding),
        )
        gone: float | None = None
        while gone is None or clock.now() - gone < CALM:
            now = clock.now()
            by_person = _needs_person(finding) and now - since >= GRACE
            if gone is None and (now >= end or by_person):
                stopped = by_person and (began_by_itself or self._reader.failed)
                if self._reloaded or now >= end or not stopped:
                    raise self._make_error(finding, progress, by_limit=now >= end)
                await self._reload(f"{finding.name} stopped")
                progress, since = Progress(clock, self._network_log, self._reader), clock.now()
            elif gone is None and not self._reloaded and progress.is_stuck(self._limit):
                await self._reload(progress.describe())
                progress = Progress(clock, self._network_log, self._reader)
            if now - told >= TELL:
                told = now
                self._events.report("challenge", f"{finding.name}: {end - now:.0f} s are left")
            await clock.sleep(POLL)
            try:
                facts = await self._reader.read_once()
            except BrowserFailed:
                if self._page.is_closed():
                    raise
                continue  # the page navigates
            progress.note(facts)
            if facts.url.startswith(ERROR_PAGE):
                await self._come_back(end)
                continue
            found = self._reader.recognize(facts, widgets=widgets)
            if found is None:
                if facts.born == born:
                    gone = clock.now() if gone is None else gone
                    continue
                if self._reloaded or facts.status < 400 or facts.ready:
                    return
                # Its check has failed, or the page behind refuses for another reason: a second look tells.
                await self._reload(f"after {finding.name}, the site answered with HTTP {facts.status}")
                born = facts.born
                continue
            error = make_refusal(found)
            if error is not None:
                raise error
            if not _needs_person(found) or not _needs_person(finding):
                since = clock.now()
            began_by_itself = began_by_itself or not _needs_person(found)
            finding, gone, born = found, None, facts.born

    async def _come_back(self, end: float) -> None:
        """Load the page again: the browser shows an error page of its own. Raises SiteDown past *end*."""
        if self._clock.now() >= end:
            raise SiteDown("the site stopped answering while the browser passed what stands before it")
        await self._clock.sleep(AGAIN)
        await self._reload("the site did not answer")

    async def _reload(self, why: str) -> None:
        """Load the page once more, because of *why*. A page that does not come is noticed by its facts."""
        from playwright.async_api import Error

        self._reloaded = True
        self._reader.note_opened(self._reader.url)
        self._events.report("challenge", f"{why}; loading the page once more")
        try:
            await self._page.goto(self._reader.url, wait_until="commit", timeout=LOAD * 1000)
        except Error as error:
            if self._page.is_closed():
                raise BrowserFailed("the page was closed") from error
            self._events.report("challenge", "the page did not come")

    def _make_error(self, finding: Finding, progress: Progress, *, by_limit: bool) -> DoorkeyError:
        """Return the error for a *finding* that was not passed, *by_limit* or because it waits for a click."""
        if not by_limit:
            return make_call_for_person(finding)
        why = f"it did not pass within {self._limit:g} s (limits.challenge)"
        if progress.is_moving:
            why += "; it was still at work, so more time may help: set sites.SITE.limits.challenge"
        elif self._reloaded:
            why += ", although its page was loaded once more"
        return make_call_for_person(finding, why, at_work=progress.is_moving)

    async def _wait_loaded(self) -> None:
        from playwright.async_api import Error

        try:
            await self._page.wait_for_load_state("load", timeout=LOAD * 1000)
        except Error as error:
            self._events.report("challenge", f"the page behind it is still loading ({type(error).__name__})")


def _needs_person(finding: Finding) -> bool:
    return finding.obstacle is Obstacle.PERSON
