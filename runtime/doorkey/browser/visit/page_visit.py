"""One way in: opens the page, and logs in where that is needed."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from urllib.parse import urljoin

from tenacity import AsyncRetrying, retry_if_exception, stop_after_attempt, wait_exponential

from doorkey.browser.playwright_errors import TRANSIENT, translate
from doorkey.browser.routing import RequestRouting
from doorkey.browser.visit.challenge import Challenge
from doorkey.browser.visit.login import StepLogin
from doorkey.browser.visit.network_log import NetworkLog
from doorkey.browser.visit.settle import POLL, TOKENS, WAIT_READY, PageSettler
from doorkey.browser.visit.snapshot import take_snapshot
from doorkey.browser.visit.spec import VisitResult, VisitSpec
from doorkey.clock import Clock
from doorkey.errors import BrowserFailed, Changed, ConfigurationError, SiteDown
from doorkey.model.events import SiteEvents
from doorkey.model.urls import origin_of

if TYPE_CHECKING:
    from playwright.async_api import Page as BrowserPage
    from playwright.async_api import Response

HEADERS = ("user-agent", "accept-language")
NO_PAGE = "net::ERR_HTTP_RESPONSE_CODE_FAILURE"
"""What Chromium says of an answer of 4xx or 5xx that has no body."""


class PageVisit:
    """One visit by one page. A third of the limit is for loading it, a third for its tokens to appear."""

    def __init__(
        self, page: BrowserPage, spec: VisitSpec, guard: RequestRouting, clock: Clock, events: SiteEvents
    ) -> None:
        self._page, self._spec, self._guard, self._clock, self._events = page, spec, guard, clock, events
        self._share = spec.limit / 3
        self.opening = False  # a page of ours: not a popup
        self._others: dict[str, BrowserPage] = {}
        self._network_log = NetworkLog(page, keeping=spec.sees_requests)
        self._challenge = Challenge(page, self._network_log, spec.challenge, clock, events)
        self._login = StepLogin(page, spec, guard, self._challenge, clock, events)
        self._reading = PageSettler(page, spec, guard, self._network_log, self._challenge, self._login, clock)

    @property
    def form_sent(self) -> bool:
        """Whether a login's form may have been sent."""
        return self._login.sent

    @property
    def challenged(self) -> bool:
        """Whether it had to wait for what stands before the site: for at most `spec.challenge` seconds in all."""
        return self._challenge.waiting

    async def run(self) -> VisitResult:
        why = await self._guard.refuses(self._spec.url)
        if why is not None or not self._spec.url.lower().startswith(("http:", "https:")):
            raise ConfigurationError(f"the page is not opened: {why or 'only http and https pages are'}")
        await self._network_log.listen()
        response = await self._load()
        if self._spec.steps:
            await self._logged_in()
        await self._open_others()
        headers = self._network_log.sent or await response.request.all_headers()
        self._events.report("page", f"the page came with HTTP {self._network_log.status}")
        snapshot, tokens = await self._reading.done(self._others)
        return VisitResult(
            page=snapshot.page,
            tokens=tokens,
            cookies=snapshot.cookies,
            headers={name: value for name, value in headers.items() if name in HEADERS or name.startswith("sec-ch-ua")},
            local=snapshot.page.local,
            url=snapshot.page.url,
            status=self._network_log.status,
        )

    async def _load(self) -> Response:
        from playwright.async_api import Error
        from playwright.async_api import TimeoutError as PlaywrightTimeout

        attempts = AsyncRetrying(
            sleep=self._clock.sleep,
            stop=stop_after_attempt(3),
            wait=wait_exponential(0.2, max=2),
            retry=retry_if_exception(lambda error: isinstance(error, Error) and bool(TRANSIENT.search(error.message))),
            reraise=True,
        )
        try:
            async for attempt in attempts:
                with attempt:
                    response = await self._page.goto(
                        self._spec.url, wait_until="domcontentloaded", timeout=self._share * 1000
                    )
        except Error as error:
            if NO_PAGE in error.message:
                raise self._challenge.no_page() from error
            raise self._guard.trouble or translate(error, "loading the page", self._share) from error
        if response is None:
            raise Changed("loading the page: no answer came")
        if response.status >= 500 and await self._challenge.stands(widgets=True) is None:
            raise SiteDown(f"the page came with HTTP {response.status}", retry_after=self._network_log.head.retry_after)
        try:
            await self._page.wait_for_load_state("load", timeout=self._share * 1000)
        except PlaywrightTimeout:
            self._events.report("page", "the page is still loading something; going on with what is there")
        except Error as error:
            raise translate(error, "loading the page") from error
        if self._spec.steps:
            # Before any step of a login. A widget may be the login page's own.
            await self._challenge.passed(widgets=False)
        return response

    async def _logged_in(self) -> None:
        """Return once the page lets one in: as it is, or after the steps."""
        if self._spec.ready is None:
            raise ConfigurationError("login steps need `ready`: a selector of what only a page that let one in has")
        if await self._let_in(WAIT_READY):
            self._events.report("login", "the site knows us still: no login is needed")
            return
        self._network_log.keeping = False  # they would hold what is filled in
        try:
            await self._login.run(lambda: self._let_in(0.0))
        finally:
            self._network_log.keeping = self._spec.sees_requests
        self._network_log.seen.clear()
        await self._load()
        if not await self._let_in(min(TOKENS, self._share)):
            raise await self._login.failure(f"the login steps are done, but {self._spec.ready} is not there")
        self._events.report("login", "logged in")

    async def _let_in(self, limit: float) -> bool:
        """Whether `ready` is there, or comes within *limit* seconds; one that asks for a password says no at once."""
        end = self._clock.now() + limit
        while True:
            try:
                snapshot = await take_snapshot(self._page, self._clock)
                at_home = origin_of(snapshot.page.url) == origin_of(self._guard.site_url)
                if at_home and await asyncio.to_thread(self._spec.is_ready, snapshot.page):
                    return True
            except BrowserFailed:
                if self._page.is_closed():
                    raise
            if self._clock.now() >= end or await self._login.asks_password():
                return False
            await self._clock.sleep(POLL)

    async def _open_others(self) -> None:
        """Open the provider's further pages beside the first, in the same context."""
        from playwright.async_api import Error

        for path in self._spec.pages:
            url = urljoin(self._guard.site_url, path)
            if origin_of(url) != origin_of(self._guard.site_url):
                raise ConfigurationError(f"the page {path!r} is not one of the site's: give a path such as /login")
            self.opening = True
            try:
                page = self._others[path] = await self._page.context.new_page()
                await page.goto(url, wait_until="load", timeout=self._share * 1000)
            except Error as error:
                raise translate(error, f"loading the page {path}", self._share) from error
            finally:
                self.opening = False
