"""Exclusive use of one browser context, for a visit or for a person's window."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from doorkey.browser.live.live_page import LivePage
from doorkey.browser.playwright_errors import translate
from doorkey.browser.profile import Profile
from doorkey.browser.routing import RequestRouting
from doorkey.browser.running_browser import RunningBrowser
from doorkey.browser.stored_state import StoredState
from doorkey.browser.visit.facts_reader import FactsReader
from doorkey.browser.visit.inspector import PageInspector
from doorkey.browser.visit.network_log import NetworkLog
from doorkey.browser.visit.page_visit import PageVisit
from doorkey.browser.visit.parts import VisitParts
from doorkey.browser.visit.snapshot import Snapshot, take_snapshot
from doorkey.browser.visit.spec import VisitResult, VisitSpec
from doorkey.clock import Clock
from doorkey.config.one_time_codes import OneTimeCodes
from doorkey.config.secrets import resolve
from doorkey.errors import (
    BrowserFailed,
    ConfigurationError,
    DoorkeyError,
    HeadlessDenied,
    RateLimited,
    SiteDown,
    TimeLimit,
)
from doorkey.model.cookies import Cookie
from doorkey.model.events import SiteEvents
from doorkey.model.evidence import VisitEvidence
from doorkey.model.urls import origin_of

if TYPE_CHECKING:
    from playwright.async_api import BrowserContext, Page

log = logging.getLogger("doorkey.browser")

OPEN = 5.0
LOOK = 0.5
PAUSE = 60.0
"""Seconds: for opening a context or a page; between two readings of a person's window; without another try after a
login that was sent and failed."""


class Lease:
    """One fresh context of a shared browser. `BrowserPool.lease` makes it, and the pool closes it."""

    def __init__(
        self,
        running: RunningBrowser,
        clock: Clock,
        profile: Profile,
        routing: RequestRouting,
        events: SiteEvents,
        codes: OneTimeCodes,
        on_kept_open: Callable[[], object] = lambda: None,
    ) -> None:
        self._running, self._lost, self._clock = running, running.lost, clock
        self._profile, self._routing, self._events, self._codes = profile, routing, events, codes
        self._opening: asyncio.Task[BrowserContext] | None = None
        self._visit: PageVisit | None = None
        self.evidence: VisitEvidence | None = None
        self.failed = False
        self._page: Page | None = None
        self.kept_open = False
        self._on_kept_open = on_kept_open

    async def enter(self, spec: VisitSpec) -> VisitResult:
        """Visit `spec.url`: wait until the page has loaded, the tokens and named cookies are there, and cookies and
        local storage have not changed for the settle time. Once per lease.

        Raises SiteDown, MissingToken, MissingCookies or Changed for the site; BrowserFailed, at once, when browser or
        page die; TimeLimit past `spec.limit`; ConfigurationError when the egress rules forbid `spec.url`; NeedsPerson
        when login steps do not suffice, or a challenge is not passed; Blocked, HeadlessDenied or RateLimited for other
        refusals. An error after a login was sent has `retry_after`, because sites lock accounts that try too often.
        No other exception leaves a visit. `evidence` is what was found at its end, if `spec` asks for that.
        """
        crashed = asyncio.Event()
        work = asyncio.create_task(self._translate(self._run_visit(spec, crashed)))
        watches = [asyncio.create_task(self._lost.wait()), asyncio.create_task(crashed.wait())]
        try:
            limit = spec.limit
            done, _ = await asyncio.wait([work, *watches], timeout=limit, return_when=asyncio.FIRST_COMPLETED)
            if not done and self._visit is not None and self._visit.waited:
                limit += spec.challenge
                await asyncio.wait([work, *watches], timeout=spec.challenge, return_when=asyncio.FIRST_COMPLETED)
            if self._lost.is_set() or crashed.is_set():
                raise BrowserFailed("the browser ended during the visit" if self._lost.is_set() else "the page crashed")
            if not work.done():
                raise TimeLimit("visit", limit, setting="limits.visit")
            result = work.result()
            if spec.evidence == "always":
                await self._collect_evidence()
            return result
        except DoorkeyError as error:
            self.failed = True
            if not isinstance(error, RateLimited | ConfigurationError | HeadlessDenied):
                advice = self._routing.refusals.advise(self._routing.egress.reach)
                error.message += f". {advice}" if advice else ""
            # A site that went away in between takes one more try: it has not answered the login.
            if self._visit is not None and self._visit.form_sent and not isinstance(error, SiteDown):
                error.retry_after = max(PAUSE, error.retry_after or 0.0)
            if spec.evidence != "never" and not crashed.is_set():
                work.cancel()
                await asyncio.wait([work])
                await self._collect_evidence()
            raise
        finally:
            for task in (work, *watches):
                task.cancel()
            await asyncio.wait([work, *watches])
            if not work.cancelled():
                work.exception()  # marked as retrieved: the error that is raised already may be its cause

    async def _translate(self, visit: Coroutine[Any, Any, VisitResult]) -> VisitResult:
        try:
            return await visit
        except DoorkeyError:
            raise
        except Exception as error:
            # A visit is a rim: whatever a hostile page makes Playwright or a parser raise must not reach the callers.
            log.warning("a visit ended with an unexpected error", exc_info=True)
            raise BrowserFailed(
                f"the visit failed unexpectedly ({type(error).__name__}); the log has details"
            ) from error

    async def _collect_evidence(self) -> None:
        """Set `evidence` to what a report of the visit needs, while its page is still there."""
        if self._visit is None:
            return
        try:
            self.evidence = await self._visit.collect_evidence()
        except Exception:
            # A rim, as above: the report must not replace the error that it tells of.
            log.warning("the page of a visit could not be examined for a report", exc_info=True)

    async def open_live_page(self) -> LivePage:
        """Keep the context of a finished visit open, with a live page that sends requests."""
        if self._visit is None or self._opening is None:
            raise RuntimeError("a live page needs a visit before it")
        context, visit = await self._opening, self._visit

        async def open_page() -> Page:
            visit.opening = True
            try:
                return await context.new_page()
            finally:
                visit.opening = False

        live_page = await LivePage.open(context, self._routing.site_url, open_page)
        self.kept_open = True
        self._on_kept_open()
        return live_page

    async def show(
        self, url: str, cookies: tuple[Cookie, ...] = (), local: Mapping[str, str] | None = None
    ) -> Snapshot:
        """Open *url* for a person and wait until they close the window. Return the last snapshot of the page."""
        from playwright.async_api import Error

        spec = VisitSpec(url=url, read=lambda _: {}, cookies=cookies, local=local or {})
        why = await self._routing.explain_refusal(url)
        if why is not None:
            raise ConfigurationError(f"the page is not opened: {why}")
        self._opening = asyncio.create_task(self._open(spec))
        try:
            context = await asyncio.shield(self._opening)
            page = await context.new_page()
            inspector = PageInspector(page)
            network_log = NetworkLog(inspector, recording=False)
            await network_log.listen()
            await page.goto(url, wait_until="commit", timeout=spec.limit * 1000)
        except Error as error:
            raise translate(error, "opening the window", spec.limit) from error
        last: Snapshot | None = None
        reader = FactsReader(inspector, network_log, spec, self._clock)
        while not page.is_closed() and not self._lost.is_set():
            try:
                stood = await reader.find(widgets=False)
                last = replace(
                    await take_snapshot(inspector, self._clock), stood=stood.name if stood is not None else ""
                )
            except BrowserFailed:
                self._events.report("window", "the page is busy or was closed")
            await self._clock.sleep(LOOK)
        if last is None:
            raise BrowserFailed("the window was closed before its page could be read")
        return last

    async def wait_closed(self) -> None:
        """Wait until the visit's page is closed, or the browser has ended."""
        if self._page is None or self._page.is_closed():
            return
        closed = asyncio.Event()
        self._page.on("close", lambda _: closed.set())
        waits = [asyncio.create_task(closed.wait()), asyncio.create_task(self._lost.wait())]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in waits:
                task.cancel()
            await asyncio.wait(waits)

    async def detach_context(self) -> BrowserContext | None:
        """Return the context that has to be closed, even if it was still being opened when the lease ended, or None."""
        self._running.filter.dismiss(self._routing)
        if self._opening is None:
            return None
        await asyncio.wait([self._opening], timeout=OPEN)
        if not self._opening.done():
            self._opening.cancel()
            return None
        return None if self._opening.cancelled() or self._opening.exception() else self._opening.result()

    async def _run_visit(self, spec: VisitSpec, crashed: asyncio.Event) -> VisitResult:
        from playwright.async_api import Error

        self._opening = asyncio.create_task(self._open(spec))
        try:
            async with asyncio.timeout(OPEN):
                # Shielded: a cancelled opening would leave a context that nobody closes.
                context = await asyncio.shield(self._opening)
                page = self._page = await context.new_page()
        except Error as error:
            raise translate(error, "opening a page") from error
        except TimeoutError as error:
            raise BrowserFailed(f"opening a page: the browser did not answer within {OPEN:g} s") from error
        page.on("crash", lambda _: crashed.set())
        # The event loop keeps only weak references to tasks.
        popups: set[asyncio.Task[None]] = set()
        parts = VisitParts.build(page, spec, self._routing, self._clock, self._events, self._codes)
        visit = self._visit = PageVisit(page, spec, self._routing, self._clock, self._events, parts)

        def close_popup(popup: Any) -> None:
            if not visit.adopt(popup):
                popups.add(asyncio.create_task(_close(popup)))

        context.on("page", close_popup)
        return await visit.run()

    async def _open(self, spec: VisitSpec) -> BrowserContext:
        options: dict[str, Any] = {}
        if spec.user_agent:
            options["user_agent"] = spec.user_agent
        if self._profile.language:
            options["locale"] = self._profile.language
        way = self._running.filter.admit(self._routing)
        width, height = self._profile.viewport
        options |= {
            "viewport": {"width": width, "height": height},
            "accept_downloads": False,
            "proxy": {
                "server": way.server, "bypass": "<-loopback>", "username": way.username, "password": way.password,
            },
        }  # fmt: skip
        credentials = self._routing.egress.credentials
        if credentials is not None:
            options["http_credentials"] = {
                "username": await resolve(credentials.username),
                "password": await resolve(credentials.password),
                "origin": origin_of(self._routing.site_url),
            }
        seeds = spec.seeds.get("indexedDB")
        stored = StoredState(spec.cookies, origin_of(self._routing.site_url), spec.local, seeds)
        context = await stored.open_context(self._running.browser, options)
        if stored.dropped:
            self._events.report("page", f"the browser refused what was stored of an earlier visit: {stored.dropped}")
        await self._routing.attach(context)
        return context


async def _close(popup: Any) -> None:
    from playwright.async_api import Error

    try:
        async with asyncio.timeout(OPEN):
            await popup.close()
    except (Error, TimeoutError):
        return  # it goes with its context
