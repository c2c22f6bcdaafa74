"""One way in: opens the page, and knows when the visit is done."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

from tenacity import AsyncRetrying, retry_if_exception, stop_after_attempt, wait_exponential

from doorkey.browser.arrival import Arrival, Wanted
from doorkey.browser.egress import Guard
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
from doorkey.page import Page, Seen
from doorkey.request import Head
from doorkey.session import Cookie, Tokens

if TYPE_CHECKING:
    from playwright.async_api import Page as BrowserPage
    from playwright.async_api import Response

HEADERS = ("user-agent", "accept-language")
POLL = 0.05
MOST_SETTLING = 2.0
CALL = 5.0
TOKENS = 10.0
MOST_SEEN = 1000
"""Seconds: between two looks, for settling at most (longer when asked), for one call into the page, for tokens that
scripts may add to a page that has loaded."""

STATE = """(paths) => {
  const stored = (name) => {
    try {
      const held = window[name];  // by index: the keys "key" and "length" are no properties of it
      const names = Array.from({ length: held.length }, (_, at) => held.key(at));
      return Object.fromEntries(names.map((name) => [name, held.getItem(name)]));
    } catch { return {}; }
  };
  const scripts = {};
  for (const path of paths) {
    try {
      let value = window;
      for (const part of path.split(".")) value = value[part];
      if (value !== undefined && typeof value !== "function") scripts[path] = JSON.parse(JSON.stringify(value));
    } catch { /* not there, or nothing that can be said in JSON */ }
  }
  return { local: stored("localStorage"), session: stored("sessionStorage"), scripts };
}"""
"""What scripts left in the page. Paths are walked, never evaluated: a setting can't run code."""


@dataclass(frozen=True, slots=True)
class Look:
    """What the page held at one moment."""

    page: Page
    cookies: tuple[Cookie, ...]

    def same_state(self, other: Look) -> bool:
        return (self.cookies, self.page.local) == (other.cookies, other.page.local)


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
        self._seen: list[Seen] = []

    async def run(self) -> Arrival:
        why = await self._guard.refuses(self._wanted.url)
        if why is not None or not self._wanted.url.lower().startswith(("http:", "https:")):
            raise ConfigurationError(f"the page is not opened: {why or 'only http and https pages are'}")
        sent = await self._listen()
        response = await self._load()
        await self._open_others()
        headers = sent or await response.request.all_headers()
        self._say(f"the page came with HTTP {response.status}")
        look, tokens = await self._found(response)
        look, tokens = await self._settled(look, tokens)
        return Arrival(
            page=look.page,
            tokens=tokens,
            cookies=look.cookies,
            headers={name: value for name, value in headers.items() if name in HEADERS or name.startswith("sec-ch-ua")},
            local=look.page.local,
            url=look.page.url,
            status=response.status,
        )

    async def _listen(self) -> Mapping[str, str]:
        """The headers of the page's own request, there once it was sent, lower-case.

        From DevTools: while routing is on, Playwright gives them without Accept-Language (measured).
        """
        from playwright.async_api import Error

        documents: set[str] = set()
        sent: dict[str, str] = {}

        def asked(event: dict[str, Any]) -> None:
            if self._wanted.sees_requests and len(self._seen) < MOST_SEEN:
                self._seen.append(_seen(event["request"]))
            if event.get("type") == "Document" and not documents:
                documents.add(event["requestId"])

        def told(event: dict[str, Any]) -> None:
            if event["requestId"] in documents and not sent:
                sent.update({name.lower(): value for name, value in event["headers"].items()})

        try:
            async with asyncio.timeout(CALL):
                session = await self._page.context.new_cdp_session(self._page)
                session.on("Network.requestWillBeSent", asked)
                session.on("Network.requestWillBeSentExtraInfo", told)
                await session.send("Network.enable")
        except Error as error:
            raise translate(error, "opening a page") from error
        except TimeoutError as error:
            raise BrowserFailed(f"opening a page: the browser did not answer within {CALL:g} s") from error
        return sent

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
            raise translate(error, "loading the page", self._share) from error
        if response is None:
            raise Changed("loading the page: no answer came")
        if response.status >= 500 and "cf-mitigated" not in response.headers:
            after = Head(status=response.status, headers=response.headers).retry_after
            raise SiteDown(f"the page came with HTTP {response.status}", retry_after=after)
        try:
            await self._page.wait_for_load_state("load", timeout=self._share * 1000)
        except PlaywrightTimeout:
            self._say("the page is still loading something; going on with what is there")
        except Error as error:
            raise translate(error, "loading the page") from error
        return response

    async def _found(self, response: Response) -> tuple[Look, Tokens]:
        """The first look that holds everything wanted. Raises what was missing last when its share of time is over."""
        end = self._clock.now() + min(TOKENS, self._share)
        while True:
            try:
                look = await self._look()
                return look, await self._read(look)
            except (MissingToken, MissingCookies, Changed, BrowserFailed) as error:
                if self._clock.now() >= end:
                    raise self._explained(error, response.status) from error
            await self._clock.sleep(POLL)

    async def _settled(self, look: Look, tokens: Tokens) -> tuple[Look, Tokens]:
        """The look after which cookies and storage stayed as they were for the settle time, or the last one."""
        settle = self._wanted.settle + self._wanted.longer
        now = self._clock.now()
        since, end = now, now + max(MOST_SETTLING, settle)
        while self._clock.now() - since < settle and self._clock.now() < end:
            await self._clock.sleep(min(POLL, settle))
            try:
                later = await self._look()
            except BrowserFailed:
                since = self._clock.now()  # it navigates: not settled
                continue
            if not later.same_state(look) or later.page.html != look.page.html:
                since = self._clock.now() if not later.same_state(look) else since
                tokens = await self._read(later)
            look = later
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
        if not self._others and not self._seen:
            return look
        others = {path: (await look_at(page, self._clock)).page for path, page in self._others.items()}
        return replace(look, page=replace(look.page, others=others, sent=tuple(self._seen)))

    async def _read(self, look: Look) -> Tokens:
        self._check_landing(look.page.url)
        wanted = self._wanted
        if not self._ready:
            assert wanted.ready is not None
            self._ready = await asyncio.to_thread(lambda: look.page.find(wanted.ready or "") is not None)
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


def _seen(request: dict[str, Any]) -> Seen:
    headers = {name.lower(): value for name, value in request["headers"].items()}
    return Seen(method=request["method"], url=request["url"], headers=headers, body=request.get("postData", ""))


async def look_at(page: BrowserPage, clock: Clock, script_values: tuple[str, ...] = ()) -> Look:
    """What *page* holds now. Raises BrowserFailed while it navigates, hangs or is gone."""
    from playwright.async_api import Error

    try:
        async with asyncio.timeout(CALL):
            html, state, found = await asyncio.gather(
                page.content(), page.evaluate(STATE, list(script_values)), page.context.cookies()
            )
    except Error as error:
        raise translate(error, "reading the page") from error
    except TimeoutError as error:
        raise BrowserFailed(f"reading the page: it did not answer within {CALL:g} s") from error
    cookies = tuple(
        Cookie(
            name=cookie["name"],
            value=cookie["value"],
            domain=cookie["domain"].lstrip("."),
            path=cookie["path"],
            host_only=not cookie["domain"].startswith("."),
            secure=cookie["secure"],
            http_only=cookie["httpOnly"],
            same_site=cookie["sameSite"],
            expires=None if cookie["expires"] < 0 else cookie["expires"],
        )
        for cookie in found
    )
    values = {cookie.name: cookie.value for cookie in cookies if cookie.goes_to(page.url, clock.wall())}
    return Look(Page(url=page.url, html=html, cookies=values, **state), cookies)


def _origin(url: str) -> str:
    parts = urlsplit(url)
    port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    shown = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return f"{parts.scheme}://{shown}" + ("" if port in (80, 443) else f":{port}")
