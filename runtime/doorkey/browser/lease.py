"""Exclusive use of one browser context, for a visit or for a person's window."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from doorkey.browser.capture import Capture
from doorkey.browser.context import LeasedContext, close_page, end_tasks
from doorkey.browser.live.live_page import LivePage
from doorkey.browser.live_view.handovers import Handovers
from doorkey.browser.playwright_errors import explain_load
from doorkey.browser.profile import Profile
from doorkey.browser.routing import RequestRouting
from doorkey.browser.running_browser import RunningBrowser
from doorkey.browser.visit.page_visit import PageVisit, pause
from doorkey.browser.visit.parts import VisitParts
from doorkey.browser.visit.person_visit import PersonVisit, describe_need
from doorkey.browser.visit.snapshot import Snapshot
from doorkey.browser.visit.spec import VisitResult, VisitSpec
from doorkey.browser.visit.window_watch import watch_view, watch_window
from doorkey.clock import Clock
from doorkey.config.one_time_codes import OneTimeCodes
from doorkey.errors import (
    BrowserFailed,
    ConfigurationError,
    DoorkeyError,
    HeadlessDenied,
    NeedsPerson,
    RateLimited,
    SiteDown,
    TimeLimit,
)
from doorkey.model.events import SiteEvents
from doorkey.model.evidence import VisitEvidence
from doorkey.model.inspection import NONE

if TYPE_CHECKING:
    from playwright.async_api import Page

T = TypeVar("T")
log = logging.getLogger("doorkey.browser")

PAUSE = 60.0
"""Seconds without another try after a login that was sent and failed, or that a person did not finish."""


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
        self._routing, self._events, self._codes = routing, events, codes
        self._context = LeasedContext(running, profile, routing, events, clock)
        self._visit: PageVisit | None = None
        self.evidence: VisitEvidence | None = None
        self.failed = False
        self._page: Page | None = None
        self.kept_open = False
        self._on_kept_open = on_kept_open
        self._crashed = asyncio.Event()
        self._parts: VisitParts | None = None
        self._popups: set[asyncio.Task[None]] = set()
        self._handed_over = False
        self._inspection = NONE

    def record(self, capture: Capture) -> None:
        """Record what is opened from now on with *capture*, which is finished when the lease has ended."""
        self._context.capture = capture

    async def enter(self, spec: VisitSpec) -> VisitResult:
        """Visit `spec.url`: wait until the page has loaded, the tokens and named cookies are there, and cookies and
        local storage have not changed for the settle time. Once per lease.

        Raises SiteDown, MissingToken, MissingCookies or Changed for the site; BrowserFailed, at once, when browser or
        page die; TimeLimit past `spec.limit`; ConfigurationError when the egress rules forbid `spec.url`; NeedsPerson
        when login steps do not suffice, or a challenge is not passed; Blocked, HeadlessDenied or RateLimited for other
        refusals. An error after a login was sent has `retry_after`, because sites lock accounts that try too often.
        No other exception leaves a visit. `evidence` is what was found at its end, if `spec` asks for that.
        With `spec.handovers`, a person is asked before NeedsPerson is raised, and the time that they take is no part of
        the limit.
        """
        try:
            return await self._enter(spec)
        except NeedsPerson as error:
            if spec.handovers is None or spec.handovers.full or self._parts is None:
                raise
            why = describe_need(error, self._events.site)
        self._events.report("person", f"{why}. The page is open in the live view, on the dashboard")
        return await self._hand_over(spec, spec.handovers, why, self._parts, by_ready_only=False)

    async def enter_by_person(self, spec: VisitSpec, handovers: Handovers, why: str) -> VisitResult:
        """Open `spec.url` for a person in the live view, and return what a visit brings once they have got in.

        Raises NeedsPerson when they don't, and what `enter` raises.
        """
        parts = await self._open_for_person(spec)
        return await self._hand_over(spec, handovers, why, parts, by_ready_only=True)

    async def open_for_person(self, url: str, prepare: Callable[[Page], Awaitable[object]]) -> Page:
        """Open *url* in a page that nothing but a person acts in; *prepare* gets it while it is empty still."""
        self._handed_over = True
        return (await self._open_for_person(VisitSpec(url=url, read=lambda _: {}), prepare)).inspector.page

    async def _open_for_person(
        self, spec: VisitSpec, prepare: Callable[[Page], Awaitable[object]] | None = None
    ) -> VisitParts:
        """Open `spec.url` in a page that nothing but a person acts in, and return what reads it."""
        from playwright.async_api import Error

        why = await self._routing.explain_refusal(spec.url)
        if why is not None:
            raise ConfigurationError(f"the page is not opened: {why}")
        page = await self._open_page(spec)
        _, parts = self._begin(page, spec)
        await parts.network_log.listen()
        try:
            if prepare is not None:
                await prepare(page)
            await page.goto(spec.url, wait_until="commit", timeout=spec.limit * 1000)
        except Error as error:
            raise self._routing.last_failure or await explain_load(error, page, "opening a page", spec.limit) from error
        return parts

    async def _hand_over(
        self, spec: VisitSpec, handovers: Handovers, why: str, parts: VisitParts, *, by_ready_only: bool
    ) -> VisitResult:
        page, self._handed_over = parts.inspector.page, True
        visit = PersonVisit(
            page, spec, self._routing.site_url, self._clock, parts, partial(self._begin, page),
            by_ready_only=by_ready_only,
        )  # fmt: skip
        try:
            result = await self.run_while_alive(self._translate(visit.run(handovers, self._events.site, why)))
        except DoorkeyError as error:
            self.failed = True
            error.retry_after = max(PAUSE, error.retry_after or 0.0)
            raise
        self.failed = False
        return result

    async def run_while_alive(self, work: Coroutine[Any, Any, T]) -> T:
        """Return what *work* returns. Raises BrowserFailed as soon as the page or its browser is lost."""
        task = asyncio.create_task(work)
        watches = [asyncio.create_task(self._lost.wait()), asyncio.create_task(self._crashed.wait())]
        try:
            await asyncio.wait([task, *watches], return_when=asyncio.FIRST_COMPLETED)
            self._check_alive()
            return task.result()
        finally:
            await end_tasks(task, *watches)

    async def _enter(self, spec: VisitSpec) -> VisitResult:
        crashed = self._crashed
        work = asyncio.create_task(self._translate(self._run_visit(spec)))
        watches = [asyncio.create_task(self._lost.wait()), asyncio.create_task(crashed.wait())]
        try:
            limit = spec.limit + spec.inspection.longer
            done, _ = await asyncio.wait([work, *watches], timeout=limit, return_when=asyncio.FIRST_COMPLETED)
            if not done and self._visit is not None and self._visit.waited:
                limit += spec.challenge
                await asyncio.wait([work, *watches], timeout=spec.challenge, return_when=asyncio.FIRST_COMPLETED)
            self._check_alive()
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
            self._context.tell_failure(error)
            raise
        finally:
            await end_tasks(work, *watches)

    def _check_alive(self) -> None:
        if self._lost.is_set() or self._crashed.is_set():
            raise BrowserFailed("the browser ended during the visit" if self._lost.is_set() else self._running.crash)

    async def _translate(self, visit: Coroutine[Any, Any, VisitResult]) -> VisitResult:
        try:
            return await visit
        except DoorkeyError:
            raise
        except Exception as error:
            # A visit is a rim: whatever a hostile page makes Playwright or a parser raise must not reach the callers.
            log.warning("a visit ended with an unexpected error", exc_info=True)
            why = f"the visit failed unexpectedly ({type(error).__name__}); the log has details"
            raise BrowserFailed(why) from error

    async def _collect_evidence(self) -> None:
        """Set `evidence` to what a report of the visit needs, while its page is still there."""
        if self._visit is None:
            return
        try:
            async with self._context.without_bar():
                self.evidence = await self._visit.collect_evidence()
        except Exception:
            # A rim, as above: the report must not replace the error that it tells of.
            log.warning("the page of a visit could not be examined for a report", exc_info=True)

    async def open_live_page(self) -> LivePage:
        """Keep the context of a finished visit open, with a live page that sends requests."""
        context, visit = self._context.context, self._visit
        if visit is None or context is None:
            raise RuntimeError("a live page needs a visit before it")

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

    async def show(self, spec: VisitSpec, handovers: Handovers | None = None) -> Snapshot:
        """Open `spec.url` for a person and wait until they close the window. Return the last snapshot of the page.

        With *handovers*, they see it in the live view, and say when they are done. Raises NeedsPerson if they do not.
        """
        self._handed_over = True
        parts = await self._open_for_person(spec)
        if handovers is not None:
            return await self.run_while_alive(watch_view(parts, handovers, self._lost, self._clock, self._events))
        pausing = asyncio.create_task(pause(parts.inspector.page)) if spec.inspection.pause else None
        try:
            return await watch_window(parts, self._lost, self._clock, self._events)
        finally:
            if pausing is not None:
                await end_tasks(pausing)

    async def wait_closed(self) -> None:
        """Wait until the visit's page is closed, the pause in it has ended, or the browser has."""
        if self._page is None or self._page.is_closed():
            return
        closed = asyncio.Event()
        self._page.on("close", lambda _: closed.set())
        waits: list[asyncio.Task[object]] = [asyncio.create_task(closed.wait()), asyncio.create_task(self._lost.wait())]
        if self._inspection.pause:
            waits.append(asyncio.create_task(pause(self._page)))
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in waits:
                task.cancel()
            await asyncio.wait(waits)

    async def close(self) -> None:
        """Close the context, even if it was still being opened when the lease ended."""
        await self._context.close()

    async def _run_visit(self, spec: VisitSpec) -> VisitResult:
        return await self._begin(await self._open_page(spec), spec)[0].run()

    def _begin(self, page: Page, spec: VisitSpec) -> tuple[PageVisit, VisitParts]:
        """Make a visit of *page*, and its parts."""
        parts = self._parts = VisitParts.build(page, spec, self._routing, self._clock, self._events, self._codes)
        visit = self._visit = PageVisit(page, spec, self._routing, self._clock, self._events, parts)
        return visit, parts

    async def _open_page(self, spec: VisitSpec) -> Page:
        """Open the page of a visit. Raises BrowserFailed."""
        self._inspection = spec.inspection
        page = self._page = await self._context.open_page(spec, self._crashed.set)
        page.context.on("page", self._judge_popup)
        return page

    def _judge_popup(self, popup: Page) -> None:
        if not self._handed_over and self._visit is not None and not self._visit.adopt(popup):
            # The event loop keeps only weak references to tasks.
            task = asyncio.create_task(close_page(popup))
            self._popups.add(task)
            task.add_done_callback(self._popups.discard)
