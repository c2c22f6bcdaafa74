"""One way in: opens the page, and knows when the visit is done."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

from tenacity import AsyncRetrying, retry_if_exception, stop_after_attempt, wait_exponential

from doorkey.browser.arrival import Arrival, Wanted
from doorkey.browser.challenge import Challenge, refused
from doorkey.browser.egress import Guard
from doorkey.browser.look import Look, look_at
from doorkey.browser.steps import Login
from doorkey.browser.traffic import Traffic
from doorkey.browser.trouble import TRANSIENT, translate
from doorkey.clock import Clock
from doorkey.errors import (
    BrowserFailed,
    Changed,
    ConfigurationError,
    DoorkeyError,
    MissingCookies,
    MissingToken,
    SiteDown,
)
from doorkey.page import Page
from doorkey.session import Tokens

if TYPE_CHECKING:
    from playwright.async_api import Page as BrowserPage
    from playwright.async_api import Response

HEADERS = ("user-agent", "accept-language")
NO_PAGE = "net::ERR_HTTP_RESPONSE_CODE_FAILURE"
"""What Chromium says of an answer of 4xx or 5xx that has no body."""
POLL = 0.05
MOST_SETTLING = 2.0
TOKENS = 10.0
GATE = 5.0
WAIT_READY = 2.0
"""Seconds: between two looks, for settling at most (longer when asked), for tokens that scripts may add to a page that
has loaded, for scripts to open a gate without a name (401, 403), for them to show that one is logged in."""


class Entry:
    """One visit by one page. A third of the limit is for loading it, a third for its tokens to appear."""

    def __init__(
        self, page: BrowserPage, wanted: Wanted, guard: Guard, clock: Clock, say: Callable[[str], None]
    ) -> None:
        self._page, self._wanted, self._guard, self._clock, self._say = page, wanted, guard, clock, say
        self._share = wanted.limit / 3
        self._ready = wanted.ready is None
        self.opening = False  # a page of ours: not a popup
        self._others: dict[str, BrowserPage] = {}
        self._traffic = Traffic(page, keeping=wanted.sees_requests)
        self._challenge = Challenge(page, self._traffic, wanted.challenge, clock, say)
        self._login = Login(page, wanted, guard, self._challenge, clock, say)

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
        while True:
            look, tokens = await self._settled(*await self._found())
            widgets = not self._wanted.steps and not self._proven(look, tokens)
            if not await self._challenge.passed(widgets=widgets):
                break  # else it came late, and what was read may be its own
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
                at_home = _origin(look.page.url) == _origin(self._guard.site_url)
                if at_home and await asyncio.to_thread(self._shows_ready, look.page):
                    return True
            except BrowserFailed:
                if self._page.is_closed():
                    raise
            if self._clock.now() >= end or await self._login.asks_password():
                return False
            await self._clock.sleep(POLL)

    def _shows_ready(self, page: Page) -> bool:
        return self._wanted.ready is None or page.find(self._wanted.ready) is not None

    async def _found(self) -> tuple[Look, Tokens]:
        """The first look that holds everything wanted, of a page that is the site's own.

        Raises what was missing last when its share of time is over, and what `Challenge.passed` raises.
        """
        share = min(TOKENS, self._share)
        came, widgets, first = self._clock.now(), False, True
        while True:
            try:
                # Not before the first look: `run` asks after the last one.
                if not first and await self._challenge.passed(widgets=widgets):
                    came = self._clock.now()
                look = await self._look()
                tokens = await self._read(look)
                if self._wanted.steps or self._proven(look, tokens):
                    return look, tokens
                if widgets:
                    if self._traffic.status not in (401, 403):
                        return look, tokens
                    if "<script" not in look.page.html or self._clock.now() >= came + GATE:
                        raise refused(self._traffic.status)
                    await self._clock.sleep(POLL)
            except (MissingToken, MissingCookies, Changed, BrowserFailed) as error:
                waited = self._clock.now() - came
                # A page that asks who one is shows by itself that nobody is logged in.
                if waited >= share or (waited >= WAIT_READY and not self._ready and await self._login.asks_password()):
                    raise self._explained(error, self._traffic.status) from error
                if not first:
                    await self._clock.sleep(POLL)
            # What was wanted is not there, or nothing of the page was: a widget may be all there is.
            widgets, first = not self._wanted.steps, False

    def _proven(self, look: Look, tokens: Tokens) -> bool:
        """Whether the page shows something by which the site was to be told."""
        values = [str(value) for value in tokens.values() if isinstance(value, str | int)]
        return self._wanted.ready is not None or any(len(value) > 3 and value in look.page.html for value in values)

    async def _settled(self, look: Look, tokens: Tokens) -> tuple[Look, Tokens]:
        """The look after which cookies and storage stayed as they were for the settle time, or the last one.

        Raises what the last one lacked: the page was drawn anew, and did not become whole again.
        """
        settle = self._wanted.settle + self._wanted.longer
        now = self._clock.now()
        since, end = now, now + max(MOST_SETTLING, settle)
        lacks: DoorkeyError | None = None
        while self._clock.now() - since < settle and self._clock.now() < end:
            await self._clock.sleep(min(POLL, settle))
            try:
                later = await self._look()
            except BrowserFailed:
                since = self._clock.now()  # it navigates: not settled
                continue
            if lacks or not later.same_state(look) or later.page.html != look.page.html:
                moved = lacks is not None or not later.same_state(look)
                try:
                    tokens, lacks = await self._read(later), None
                except (MissingToken, MissingCookies, Changed) as error:
                    moved, lacks = True, error
                since = self._clock.now() if moved else since
            look = later
        if lacks is not None:
            raise self._explained(lacks, self._traffic.status) from lacks
        return look, tokens

    async def _open_others(self) -> None:
        """Open the provider's further pages beside the first, in the same context."""
        from playwright.async_api import Error

        for path in self._wanted.pages:
            url = urljoin(self._guard.site_url, path)
            if _origin(url) != _origin(self._guard.site_url):
                raise ConfigurationError(f"the page {path!r} is not one of the site's: give a path such as /login")
            self.opening = True
            try:
                page = self._others[path] = await self._page.context.new_page()
                await page.goto(url, wait_until="load", timeout=self._share * 1000)
            except Error as error:
                raise translate(error, f"loading the page {path}", self._share) from error
            finally:
                self.opening = False

    async def _look(self) -> Look:
        look = await look_at(self._page, self._clock, self._wanted.script_values)
        if not self._others and not self._traffic.seen:
            return look
        others = {path: (await look_at(page, self._clock)).page for path, page in self._others.items()}
        return replace(look, page=replace(look.page, others=others, sent=tuple(self._traffic.seen)))

    async def _read(self, look: Look) -> Tokens:
        self._check_landing(look.page.url)
        wanted = self._wanted
        if not self._ready:
            self._ready = await asyncio.to_thread(self._shows_ready, look.page)
        tokens = await asyncio.to_thread(wanted.read, look.page)
        if not self._ready:
            raise MissingToken("sign of being ready", wanted.ready or "")
        names = {cookie.name for cookie in look.cookies}
        missing = [name for name in wanted.cookies_needed if name not in names]
        if missing or (wanted.cookies_required and not names):
            raise MissingCookies(
                f"the visit ended without {'the cookies ' + ', '.join(missing) if missing else 'any cookie'} that "
                f"requests need (it has: {', '.join(sorted(names)) or 'none'})"
            )
        return tokens

    def _check_landing(self, url: str) -> None:
        """Raises Changed on another origin than the site's: its tokens are not ours to send back to the site."""
        found, site = _origin(url), _origin(self._guard.site_url)
        if found != site:
            raise Changed(
                f"the page led away from {site} to {found}: nothing is read there. If that is the site's place now, "
                "set the site's url to it"
            )

    def _explained(self, error: DoorkeyError, status: int) -> DoorkeyError:
        if isinstance(error, MissingToken) and status >= 400:
            return MissingToken(error.name, error.sought, site=error.site, came=f"come with HTTP {status}")
        return error.again()


def _origin(url: str) -> str:
    parts = urlsplit(url)
    port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    shown = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return f"{parts.scheme}://{shown}" + ("" if port in (80, 443) else f":{port}")
