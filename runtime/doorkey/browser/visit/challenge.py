"""What stands before a site, as a visit meets it: waited for, told to a person, or the visit's end."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from doorkey.browser.playwright_errors import translate
from doorkey.browser.visit.network_log import NetworkLog
from doorkey.browser.visit.snapshot import CALL
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
from doorkey.protections.finding import SELECTORS, of_page, pause_of
from doorkey.protections.signs import Facts, Finding, Obstacle

if TYPE_CHECKING:
    from playwright.async_api import Page as BrowserPage

POLL = 0.1
TELL = 5.0
GRACE = 3.0
CALM = 2.0
LOAD = 10.0
"""Seconds: between two looks, between two words on how long it has been; that scripts have to begin what would need a
person's click; for a challenge that is gone to bring the page behind it, and for that page to load."""
PAUSE = 300.0
"""Seconds for which nobody visits after a person was called, or a block was met: they would meet the same."""
ENOUGH = 30.0
"""The same, after a rate limit that names no time."""

FACTS = """async ([selectors, refused]) => {
  // Of a document that is half there, what is missing may yet come.
  if (document.readyState === "loading")
    await new Promise((done) => { document.addEventListener("DOMContentLoaded", done); setTimeout(done, 2000); });
  const found = selectors.filter((css) => document.querySelector(css) !== null);
  // What is shown takes a layout: only where it could matter.
  const shown = (found.length || refused) && document.body ? document.body.innerText : "";
  return {
    title: document.title, found, text: shown.slice(0, 2000), length: shown.length,
    links: document.links.length, born: performance.timeOrigin,
  };
}"""


class Challenge:
    """One visit's. `limit`: seconds that all its waiting may take; `waiting`: whether there was any."""

    def __init__(
        self, page: BrowserPage, network_log: NetworkLog, limit: float, clock: Clock, events: SiteEvents
    ) -> None:
        self._page, self._network_log, self._clock, self._events = page, network_log, clock, events
        self._limit = self._left = limit
        self.waiting = False

    async def stands(self, *, widgets: bool) -> Finding | None:
        """What stands before the site now. *widgets*: see `of_page`."""
        return of_page(await self._settled_facts(), widgets=widgets)

    def no_page(self) -> DoorkeyError:
        """What an answer without a page was, by its head."""
        status = self._network_log.status
        found = of_page(Facts(status=status, headers=self._network_log.headers), widgets=False)
        if found is not None:
            return _error(found) or _person(found, None)
        if status == 407:
            return SiteDown("the proxy asks for a name and a password (HTTP 407); see the site's proxy setting")
        if status >= 500:
            return SiteDown(f"the page came with HTTP {status}", retry_after=pause_of(self._network_log.head))
        return refused(status) if status in (401, 403) else Changed(f"the page came with HTTP {status}, and is empty")

    async def passed(self, *, widgets: bool) -> bool:
        """Return once nothing stands before the site; whether something did, and the browser passed it.

        Raises NeedsPerson for what needs a person, or does not pass within the limit; Blocked, HeadlessDenied or
        RateLimited for what says no.
        """
        facts = await self._settled_facts()
        finding = of_page(facts, widgets=widgets)
        if finding is None:
            return False
        error = _error(finding)
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
        await self._loaded()
        return True

    async def _wait(self, finding: Finding, born: float, end: float, *, widgets: bool) -> None:
        """Return when *finding*, or what came in its place, is gone from the document *born* then, and another came."""
        clock = self._clock
        told = since = clock.now()  # since when it has been one for a person
        gone: float | None = None
        while gone is None or clock.now() - gone < CALM:
            now = clock.now()
            if gone is None and (now >= end or (_needs_person(finding) and now - since >= GRACE)):
                raise _person(finding, self._limit if now >= end else None)
            if now - told >= TELL:
                told = now
                self._events.report("challenge", f"{finding.name}: {end - now:.0f} s are left")
            await clock.sleep(POLL)
            try:
                facts = await self._facts()
            except BrowserFailed:
                if self._page.is_closed():
                    raise
                continue  # it navigates
            found = of_page(facts, widgets=widgets)
            if found is None:
                if facts.born != born:
                    return
                gone = clock.now() if gone is None else gone
                continue
            error = _error(found)
            if error is not None:
                raise error
            if not _needs_person(found) or not _needs_person(finding):
                since = clock.now()
            finding, gone, born = found, None, facts.born

    async def _loaded(self) -> None:
        from playwright.async_api import Error

        try:
            await self._page.wait_for_load_state("load", timeout=LOAD * 1000)
        except Error as error:
            self._events.report("challenge", f"the page behind it is still loading ({type(error).__name__})")

    async def _settled_facts(self) -> Facts:
        """The facts, also of a page that is about to go on to another."""
        end = self._clock.now() + CALL
        while True:
            try:
                return await self._facts()
            except BrowserFailed:
                if self._page.is_closed() or self._clock.now() >= end:
                    raise
            await self._clock.sleep(POLL)

    async def _facts(self) -> Facts:
        from playwright.async_api import Error

        try:
            async with asyncio.timeout(CALL):
                told = await self._page.evaluate(FACTS, [list(SELECTORS), self._network_log.status >= 400])
        except Error as error:
            raise translate(error, "reading the page") from error
        except TimeoutError as error:
            raise BrowserFailed(f"reading the page: it did not answer within {CALL:g} s") from error
        found = frozenset(told.pop("found"))
        return Facts(
            url=self._page.url, found=found, status=self._network_log.status, headers=self._network_log.headers, **told
        )


def refused(status: int) -> Blocked:
    """What a page is that came with 401 or 403 and shows nothing that was asked for: it let nobody in."""
    return Blocked(
        f"the page came with HTTP {status}: the site does not let this browser in, and does not say why. See it with "
        "doorkey open SITE; if it is the page you want all the same, say in `ready` what it holds",
        retry_after=PAUSE,
        answer_status=status,
    )


def _needs_person(finding: Finding) -> bool:
    return finding.obstacle is Obstacle.PERSON


def _error(finding: Finding) -> DoorkeyError | None:
    """The error of a *finding* that no waiting helps against; None where waiting may."""
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


def _person(finding: Finding, limit: float | None) -> DoorkeyError:
    tried = f", and it did not pass within {limit:g} s (limits.challenge)" if limit is not None else ""
    widget = "; if this is the page you want, say in `ready` what it holds" if finding.protection.widget else ""
    return NeedsPerson(
        f"before the site stands {finding.obstacle.value} ({finding.name}){tried}: {finding.protection.todo}{widget}",
        retry_after=PAUSE,
    )
