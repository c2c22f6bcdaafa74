"""One visit: opens the page, logs in where that is needed, and reads what the visit has to bring."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from urllib.parse import urljoin

from tenacity import AsyncRetrying, retry_if_exception, stop_after_attempt, wait_exponential

from doorkey.browser.live.blank_page import BLANK
from doorkey.browser.playwright_errors import TRANSIENT, explain_load, translate
from doorkey.browser.routing import RequestRouting
from doorkey.browser.visit.inspector import PageInspector
from doorkey.browser.visit.obstacle_errors import explain_missing_page, explain_unnamed
from doorkey.browser.visit.parts import VisitParts
from doorkey.browser.visit.settle import OPENING, POLL, TOKENS, WAIT_READY
from doorkey.browser.visit.snapshot import take_snapshot
from doorkey.browser.visit.spec import VisitResult, VisitSpec
from doorkey.clock import Clock
from doorkey.errors import BrowserFailed, Changed, ConfigurationError, NeedsPerson
from doorkey.model.events import SiteEvents
from doorkey.model.evidence import VisitEvidence
from doorkey.model.urls import origin_of

if TYPE_CHECKING:
    from playwright.async_api import Page as BrowserPage
    from playwright.async_api import Response

HEADERS = ("user-agent", "accept-language")
"""The headers of the page's first request that belong to the session, beside sec-ch-ua*."""
NO_PAGE = "net::ERR_HTTP_RESPONSE_CODE_FAILURE"
"""Chromium's error for an answer of 4xx or 5xx without a body."""


class PageVisit:
    """One visit by one page. Loading may take a third of the limit, and its tokens may take another third to appear."""

    def __init__(
        self,
        page: BrowserPage,
        spec: VisitSpec,
        routing: RequestRouting,
        clock: Clock,
        events: SiteEvents,
        parts: VisitParts,
    ) -> None:
        self._page, self._spec, self._routing, self._clock, self._events = page, spec, routing, clock, events
        self._share = spec.limit / 3
        self.opening = False  # whether a new page is ours and no popup
        self._others: dict[str, PageInspector] = {}
        self._inspector, self._network_log, self._reader = parts.inspector, parts.network_log, parts.reader
        self._collector, self._challenge, self._watch = parts.collector, parts.challenge, parts.watch
        self._targets, self._observer, self._login = parts.targets, parts.observer, parts.login
        self._settler = parts.settler

    @property
    def form_sent(self) -> bool:
        """Whether a login form may have been sent."""
        return self._login.sent

    @property
    def waited(self) -> bool:
        """Whether the visit waited for a challenge or for a one-time code, for `spec.challenge` seconds at most."""
        return self._challenge.waiting or self._login.waiting

    async def collect_evidence(self) -> VisitEvidence:
        """Return what a report of the visit needs. Nothing else may use the page any more."""
        return await self._collector.collect(self._observer.state)

    def adopt(self, popup: BrowserPage) -> bool:
        """Tell whether *popup*, which a page has opened, stays open: a login may need it."""
        return self.opening or self._targets.adopt(popup)

    async def run(self) -> VisitResult:
        why = await self._routing.explain_refusal(self._spec.url)
        if why is not None or not self._spec.url.lower().startswith(("http:", "https:")):
            raise ConfigurationError(f"the page is not opened: {why or 'only http and https pages are'}")
        await self._seed()
        await self._network_log.listen()
        if self._spec.evidence != "never":
            await self._collector.listen()
        if self._spec.steps:
            await self._observer.listen()
        if self._watch is not None and not self._spec.keep_once_in:
            await self._watch.begin()
        done = False
        try:
            result = await self._bring()
            done = True
        finally:
            if self._watch is not None:
                await self._watch.end(failed=not done)
        return result

    async def _seed(self) -> None:
        """Put session storage into the page's tab: no context can be opened with it."""
        from playwright.async_api import Error

        stored = self._spec.seeds.get("sessionStorage")
        if not isinstance(stored, dict) or not stored:
            return
        try:
            async with asyncio.timeout(self._share):
                await self._page.route("**/*", lambda route: route.fulfill(body=BLANK, content_type="text/html"))
                await self._page.goto(self._routing.site_url)
                for name, value in stored.items():
                    await self._page.session_storage.set_item(name, str(value))
                await self._page.unroute("**/*")
        except Error as error:
            raise translate(error, "putting session storage into the page") from error
        except TimeoutError as error:
            raise BrowserFailed("the browser did not take session storage in time") from error

    async def _bring(self) -> VisitResult:
        response = await self._load()
        if self._spec.inspection.pause:
            await self._pause()
        if self._spec.explores and self._spec.steps:
            await self._explore()
        elif self._spec.steps:
            await self._log_in()
        await self._open_others()
        headers = self._network_log.sent or await response.request.all_headers()
        self._events.report("page", f"the page came with HTTP {self._network_log.status}")
        snapshot, tokens = await self._settler.settle(self._others)
        return VisitResult(
            page=snapshot.page,
            tokens=tokens,
            cookies=snapshot.cookies,
            headers={name: value for name, value in headers.items() if name in HEADERS or name.startswith("sec-ch-ua")},
            local=snapshot.page.local,
            url=snapshot.page.url,
            status=self._network_log.status,
            device_bound=self._network_log.device_bound,
        )

    async def _pause(self) -> None:
        """Wait until a person resumes the visit in Playwright's inspector. Raises NeedsPerson if they end it."""
        self._events.report("window", "paused in Playwright's inspector: press Resume there to go on")
        await pause(self._page)
        if self._page.is_closed():
            raise NeedsPerson("the window was closed while the visit was paused")

    async def _load(self, url: str = "") -> Response:
        """Open *url*, or else the page of the visit."""
        from playwright.async_api import Error

        attempts = AsyncRetrying(
            sleep=self._clock.sleep,
            stop=stop_after_attempt(3),
            wait=wait_exponential(0.2, max=2),
            retry=retry_if_exception(lambda error: isinstance(error, Error) and bool(TRANSIENT.search(error.message))),
            reraise=True,
        )
        url = url or self._spec.url
        self._reader.note_opened(url)
        try:
            async for attempt in attempts:
                with attempt:
                    response = await self._page.goto(url, wait_until="commit", timeout=self._share * 1000)
        except Error as error:
            if NO_PAGE in error.message:
                raise explain_missing_page(self._network_log) from error
            failed = await explain_load(error, self._page, "loading the page", self._share)
            raise self._routing.last_failure or failed from error
        if response is None:
            raise Changed("loading the page: no answer came")
        await self._wait_loaded()
        if response.status >= 500:
            await self._check_up()
        if self._spec.steps:
            # Before any step of a login. A widget may be the login page's own.
            await self._challenge.wait_passed(widgets=False)
            await self._wait_opened()
        return response

    async def _check_up(self) -> None:
        """Raise SiteDown for a page that failed, unless something stands there that a browser may pass."""
        facts = await self._reader.read()
        if facts.status < 500 or facts.may_open or self._reader.recognize(facts, widgets=True) is not None:
            return
        error = explain_unnamed(facts, self._network_log)
        assert error is not None, "a status of 5xx is a refusal"
        raise error

    async def _wait_opened(self) -> None:
        """Give an unnamed page that refuses the time to open by its scripts, before the steps of a login."""
        end = self._clock.now() + await self._challenge.find_opening_time(OPENING)
        while self._clock.now() < end and self._network_log.status >= 400 and not await self._login.can_begin():
            await self._clock.sleep(POLL)

    async def _wait_loaded(self) -> None:
        """Wait until the page has loaded, for the rest of the share: a script or an image may never come."""
        from playwright.async_api import Error
        from playwright.async_api import TimeoutError as PlaywrightTimeout

        try:
            await self._page.wait_for_load_state("load", timeout=self._share * 1000)
        except PlaywrightTimeout:
            self._events.report("page", "the page is still loading something; going on with what is there")
        except Error as error:
            raise self._routing.last_failure or translate(error, "loading the page") from error

    async def _log_in(self) -> None:
        """Make sure that the page shows `ready`, by the login steps where they are needed."""
        if self._spec.ready is None:
            raise ConfigurationError("login steps need `ready`: a selector of what only a page that let one in has")
        if await self._wait_ready(WAIT_READY):
            if not await self._login.clear_way():
                if self._spec.logs_in:
                    self._events.report("login", "the site still knows the session: no login is needed")
                return
            await self._load()
            if await self._wait_ready(min(TOKENS, self._share)):
                return
        self._network_log.recording = False  # the requests would hold what is filled in
        try:
            await self._login.run(lambda: self._wait_ready(0.0))
        finally:
            self._network_log.recording = self._spec.sees_requests
        if self._spec.handovers is not None and self._observer.asked_for_more and not await self._wait_ready(0.0):
            # The page that asks for a code is left open for the person: it may come only once.
            raise await self._login.explain_failure(f"{self._spec.ready} is not there")
        self._network_log.clear()
        await self._load()
        if not await self._wait_ready(min(TOKENS, self._share)):
            raise await self._login.explain_failure(f"{self._spec.ready} is not there")
        if self._spec.logs_in:
            self._events.report("login", "logged in")
        else:
            self._events.report("page", "the steps have opened the page")
        if self._watch is not None:
            await self._watch.begin()

    async def _explore(self) -> None:
        """Run the login steps, and open the page of the visit, or else the one where the login led."""
        self._network_log.recording = self._spec.sees_login  # the requests hold what is filled in
        try:
            await self._login.run(self._asks_nothing)
        finally:
            self._network_log.recording = self._spec.sees_requests
        led = self._page.url
        for url in dict.fromkeys((self._spec.url, led)):
            if not self._spec.sees_login:
                self._network_log.clear()
            await self._load(url)
            here = origin_of(self._page.url) == origin_of(self._routing.site_url)
            if here and self._network_log.status < 400 and await self._asks_nothing():
                return
        raise await self._login.explain_failure("the page asks for a password")

    async def _asks_nothing(self) -> bool:
        return not await self._login.asks_password()

    async def _wait_ready(self, limit: float) -> bool:
        """Tell whether `ready` is there or comes within *limit* seconds. A page with a password field ends the wait."""
        end = self._clock.now() + limit
        while True:
            try:
                snapshot = await take_snapshot(self._inspector, self._clock)
                at_home = origin_of(snapshot.page.url) == origin_of(self._routing.site_url)
                if at_home and await asyncio.to_thread(self._spec.is_ready, snapshot.page):
                    return True
            except BrowserFailed:
                if self._page.is_closed():
                    raise
            if self._clock.now() >= end or await self._login.asks_password():
                return False
            await self._clock.sleep(POLL)

    async def _open_others(self) -> None:
        """Open the provider's further pages beside the first one, in the same context."""
        from playwright.async_api import Error

        for path in self._spec.pages:
            url = urljoin(self._routing.site_url, path)
            if origin_of(url) != origin_of(self._routing.site_url):
                raise ConfigurationError(f"the page {path!r} is not one of the site's: give a path such as /login")
            self.opening = True
            try:
                page = await self._page.context.new_page()
                self._others[path] = PageInspector(page)
                await page.goto(url, wait_until="load", timeout=self._share * 1000)
            except Error as error:
                raise await explain_load(error, page, f"loading the page {path}", self._share) from error
            finally:
                self.opening = False


async def pause(page: BrowserPage) -> None:
    """Show Playwright's inspector, and wait until a person resumes or closes *page*. Raises BrowserFailed."""
    from playwright.async_api import Error

    try:
        await page.pause()
    except Error as error:
        if not page.is_closed():
            raise translate(error, "pausing in Playwright's inspector") from error
