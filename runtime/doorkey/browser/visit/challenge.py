"""Handles what stands before a site: waits while the browser passes it, or raises what says no."""

from __future__ import annotations

from doorkey.browser.visit.inspector import CALL, PageInspector
from doorkey.browser.visit.network_log import NetworkLog
from doorkey.browser.visit.reading_scripts import FACTS
from doorkey.clock import Clock
from doorkey.errors import (
    Blocked,
    BrowserFailed,
    Changed,
    DoorkeyError,
    HeadlessDenied,
    NeedsPerson,
    RateLimited,
    SiteDown,
)
from doorkey.model.events import SiteEvents
from doorkey.protections.finding import SELECTORS, read_pause, recognize_page
from doorkey.protections.signs import Facts, Finding, Obstacle

POLL = 0.1
TELL = 5.0
GRACE = 3.0
CALM = 2.0
LOAD = 10.0
"""Seconds: between two checks; between two progress reports; for scripts to start a challenge that would otherwise need
a person's click; for the page behind a passed challenge to appear; for that page to load."""
PAUSE = 300.0
"""Seconds without a further visit after one that needs a person or was blocked: the next one would end the same way."""
ENOUGH = 30.0
"""The same after a rate limit that names no time."""


class Challenge:
    """What stands before the site in one visit.

    `limit` is the number of seconds that all waits may take together. `waiting` tells whether there was a wait.
    """

    def __init__(
        self, inspector: PageInspector, network_log: NetworkLog, limit: float, clock: Clock, events: SiteEvents
    ) -> None:
        self._inspector, self._page = inspector, inspector.page
        self._network_log, self._clock, self._events = network_log, clock, events
        self._limit = self._left = limit
        self.waiting = False

    async def find(self, *, widgets: bool) -> Finding | None:
        """Return what stands before the site now. `recognize_page` describes *widgets*."""
        return recognize_page(await self._read_facts(), widgets=widgets)

    def explain_missing_page(self) -> DoorkeyError:
        """Return the error for an answer without a page, judged by its head."""
        status = self._network_log.status
        found = recognize_page(Facts(status=status, headers=self._network_log.headers), widgets=False)
        if found is not None:
            return _refusal_of(found) or _person_error(found, None)
        if status == 407:
            return SiteDown("the proxy asks for a name and a password (HTTP 407); see the site's proxy setting")
        if status >= 500:
            return SiteDown(f"the page came with HTTP {status}", retry_after=read_pause(self._network_log.head))
        return (
            make_blocked(status) if status in (401, 403) else Changed(f"the page came with HTTP {status}, and is empty")
        )

    async def wait_passed(self, *, widgets: bool) -> bool:
        """Wait until nothing stands before the site. Return whether something did and the browser passed it.

        Raises NeedsPerson for what only a person can pass, and for what was not passed within the limit. Raises
        Blocked, HeadlessDenied or RateLimited for a refusal.
        """
        facts = await self._read_facts()
        finding = recognize_page(facts, widgets=widgets)
        if finding is None:
            return False
        error = _refusal_of(finding)
        if error is not None:
            raise error
        self.waiting = True
        began = self._clock.now()
        end = began + self._left
        self._events.report("challenge", f"{finding}; waiting up to {self._left:g} s for the browser to pass it")
        try:
            await self._wait(finding, facts.born, end, widgets=widgets)
        finally:
            self._left = max(0.0, end - self._clock.now())
        self._events.report("challenge", f"{finding.name} was passed after {self._clock.now() - began:.1f} s")
        await self._wait_loaded()
        return True

    async def _wait(self, finding: Finding, born: float, end: float, *, widgets: bool) -> None:
        """Wait until *finding*, or what replaced it, is gone and another document than that of *born* is there."""
        clock = self._clock
        told = since = clock.now()  # since when only a person could pass it
        gone: float | None = None
        while gone is None or clock.now() - gone < CALM:
            now = clock.now()
            if gone is None and (now >= end or (_needs_person_error(finding) and now - since >= GRACE)):
                raise _person_error(finding, self._limit if now >= end else None)
            if now - told >= TELL:
                told = now
                self._events.report("challenge", f"{finding.name}: {end - now:.0f} s are left")
            await clock.sleep(POLL)
            try:
                facts = await self._facts()
            except BrowserFailed:
                if self._page.is_closed():
                    raise
                continue  # the page navigates
            found = recognize_page(facts, widgets=widgets)
            if found is None:
                if facts.born != born:
                    return
                gone = clock.now() if gone is None else gone
                continue
            error = _refusal_of(found)
            if error is not None:
                raise error
            if not _needs_person_error(found) or not _needs_person_error(finding):
                since = clock.now()
            finding, gone, born = found, None, facts.born

    async def _wait_loaded(self) -> None:
        from playwright.async_api import Error

        try:
            await self._page.wait_for_load_state("load", timeout=LOAD * 1000)
        except Error as error:
            self._events.report("challenge", f"the page behind it is still loading ({type(error).__name__})")

    async def _read_facts(self) -> Facts:
        """Read the facts, also of a page that is navigating."""
        end = self._clock.now() + CALL
        while True:
            try:
                return await self._facts()
            except BrowserFailed:
                if self._page.is_closed() or self._clock.now() >= end:
                    raise
            await self._clock.sleep(POLL)

    async def _facts(self) -> Facts:
        told = await self._inspector.evaluate(FACTS, [list(SELECTORS), self._network_log.status >= 400])
        found = frozenset(told.pop("found"))
        return Facts(
            url=self._page.url, found=found, status=self._network_log.status, headers=self._network_log.headers, **told
        )


def make_blocked(status: int) -> Blocked:
    """Return the error for a page that came with 401 or 403 and shows nothing of what was asked for."""
    return Blocked(
        f"the page came with HTTP {status}: the site does not let this browser in, and does not say why. See it with "
        "doorkey open SITE; if it is the page you want all the same, say in `ready` what it holds",
        retry_after=PAUSE,
        answer_status=status,
    )


def _needs_person_error(finding: Finding) -> bool:
    return finding.obstacle is Obstacle.PERSON


def _refusal_of(finding: Finding) -> DoorkeyError | None:
    """Return the error for a *finding* that waiting can't help against, None for another one."""
    words = f"before the site stands {finding.obstacle.value} ({finding.name}); {finding.protection.todo}"
    match finding.obstacle:
        case Obstacle.BLOCK:
            return Blocked(words, by=finding.name, retry_after=PAUSE)
        case Obstacle.HEADLESS:
            return HeadlessDenied(words, by=finding.name, retry_after=PAUSE)
        case Obstacle.RATE:
            return RateLimited(words, retry_after=ENOUGH if finding.retry_after is None else finding.retry_after)
        case _:
            return None


def _person_error(finding: Finding, limit: float | None) -> DoorkeyError:
    tried = f", and it did not pass within {limit:g} s (limits.challenge)" if limit is not None else ""
    widget = "; if this is the page you want, say in `ready` what it holds" if finding.protection.widget else ""
    return NeedsPerson(
        f"before the site stands {finding.obstacle.value} ({finding.name}){tried}: {finding.protection.todo}{widget}",
        retry_after=PAUSE,
    )
