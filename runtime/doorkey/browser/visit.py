"""One way in: opens the page, and logs in where that is needed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import urljoin

from tenacity import AsyncRetrying, retry_if_exception, stop_after_attempt, wait_exponential

from doorkey.browser.arrival import Arrival, Wanted
from doorkey.browser.challenge import Challenge
from doorkey.browser.egress import Guard
from doorkey.browser.look import look_at
from doorkey.browser.reading import POLL, TOKENS, WAIT_READY, Reading
from doorkey.browser.steps import Login
from doorkey.browser.traffic import Traffic
from doorkey.browser.trouble import TRANSIENT, translate
from doorkey.clock import Clock
from doorkey.errors import BrowserFailed, Changed, ConfigurationError, SiteDown
from doorkey.origin import origin_of

if TYPE_CHECKING:
    from playwright.async_api import Page as BrowserPage
    from playwright.async_api import Response

HEADERS = ("user-agent", "accept-language")
NO_PAGE = "net::ERR_HTTP_RESPONSE_CODE_FAILURE"
"""What Chromium says of an answer of 4xx or 5xx that has no body."""


class Entry:
    """One visit by one page. A third of the limit is for loading it, a third for its tokens to appear."""

    def __init__(
        self, page: BrowserPage, wanted: Wanted, guard: Guard, clock: Clock, say: Callable[[str], None]
    ) -> None:
        self._page, self._wanted, self._guard, self._clock, self._say = page, wanted, guard, clock, say
        self._share = wanted.limit / 3
        self.opening = False  # a page of ours: not a popup
        self._others: dict[str, BrowserPage] = {}
        self._traffic = Traffic(page, keeping=wanted.sees_requests)
        self._challenge = Challenge(page, self._traffic, wanted.challenge, clock, say)
        self._login = Login(page, wanted, guard, self._challenge, clock, say)
        self._reading = Reading(page, wanted, guard, self._traffic, self._challenge, self._login, clock)

    @property
    def form_sent(self) -> bool:
        """Whether a login's form may have been sent."""
        return self._login.sent

    @property
    def challenged(self) -> bool:
        """Whether it had to wait for what stands before the site: for at most `wanted.challenge` seconds in all."""
        return self._challenge.waiting

    async def run(self) -> Arrival:
        why = await self._guard.refuses(self._wanted.url)
        if why is not None or not self._wanted.url.lower().startswith(("http:", "https:")):
            raise ConfigurationError(f"the page is not opened: {why or 'only http and https pages are'}")
        await self._traffic.listen()
        response = await self._load()
        if self._wanted.steps:
            await self._logged_in()
        await self._open_others()
        headers = self._traffic.sent or await response.request.all_headers()
        self._say(f"the page came with HTTP {self._traffic.status}")
        look, tokens = await self._reading.done(self._others)
        return Arrival(
            page=look.page,
            tokens=tokens,
            cookies=look.cookies,
            headers={name: value for name, value in headers.items() if name in HEADERS or name.startswith("sec-ch-ua")},
            local=look.page.local,
            url=look.page.url,
            status=self._traffic.status,
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
                        self._wanted.url, wait_until="domcontentloaded", timeout=self._share * 1000
                    )
        except Error as error:
            if NO_PAGE in error.message:
                raise self._challenge.no_page() from error
            raise self._guard.trouble or translate(error, "loading the page", self._share) from error
        if response is None:
            raise Changed("loading the page: no answer came")
        if response.status >= 500 and await self._challenge.stands(widgets=True) is None:
            raise SiteDown(f"the page came with HTTP {response.status}", retry_after=self._traffic.head.retry_after)
        try:
            await self._page.wait_for_load_state("load", timeout=self._share * 1000)
        except PlaywrightTimeout:
            self._say("the page is still loading something; going on with what is there")
        except Error as error:
            raise translate(error, "loading the page") from error
        if self._wanted.steps:
            # Before any step of a login. A widget may be the login page's own.
            await self._challenge.passed(widgets=False)
        return response

    async def _logged_in(self) -> None:
        """Return once the page lets one in: as it is, or after the steps."""
        if self._wanted.ready is None:
            raise ConfigurationError("login steps need `ready`: a selector of what only a page that let one in has")
        if await self._let_in(WAIT_READY):
            self._say("the site knows us still: no login is needed")
            return
        self._traffic.keeping = False  # they would hold what is filled in
        try:
            await self._login.run(lambda: self._let_in(0.0))
        finally:
            self._traffic.keeping = self._wanted.sees_requests
        self._traffic.seen.clear()
        await self._load()
        if not await self._let_in(min(TOKENS, self._share)):
            raise await self._login.failure(f"the login steps are done, but {self._wanted.ready} is not there")
        self._say("logged in")

    async def _let_in(self, limit: float) -> bool:
        """Whether `ready` is there, or comes within *limit* seconds; one that asks for a password says no at once."""
        end = self._clock.now() + limit
        while True:
            try:
                look = await look_at(self._page, self._clock)
                at_home = origin_of(look.page.url) == origin_of(self._guard.site_url)
                if at_home and await asyncio.to_thread(self._wanted.is_ready, look.page):
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

        for path in self._wanted.pages:
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
