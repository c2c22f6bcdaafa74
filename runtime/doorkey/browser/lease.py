"""Exclusive use of one browser context: a visit that goes in, and is given back whatever happens."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from doorkey.browser.live.live_page import LivePage
from doorkey.browser.playwright_errors import translate
from doorkey.browser.profile import Profile
from doorkey.browser.routing import RequestRouting
from doorkey.browser.running_browser import RunningBrowser
from doorkey.browser.visit.challenge import Challenge
from doorkey.browser.visit.network_log import NetworkLog
from doorkey.browser.visit.page_visit import PageVisit
from doorkey.browser.visit.snapshot import Snapshot, take_snapshot
from doorkey.browser.visit.spec import VisitResult, VisitSpec
from doorkey.clock import Clock
from doorkey.errors import BrowserFailed, ConfigurationError, DoorkeyError, TimeLimit
from doorkey.model.events import SiteEvents
from doorkey.model.session import Cookie
from doorkey.model.urls import origin_of

if TYPE_CHECKING:
    from playwright.async_api import BrowserContext

OPEN = 5.0
LOOK = 0.5
PAUSE = 60.0
"""Seconds: that opening a context or a page may take; between two looks at a person's window; until a login that failed
may be tried again."""


class Lease:
    """One fresh context of a shared browser. Made by `BrowserPool.lease`; its end is the pool's work."""

    def __init__(
        self,
        running: RunningBrowser,
        clock: Clock,
        profile: Profile,
        guard: RequestRouting,
        events: SiteEvents,
        on_kept_open: Callable[[], object] = lambda: None,
    ) -> None:
        self._running, self._lost, self._clock = running, running.lost, clock
        self._profile, self._guard, self._events = profile, guard, events
        self._opening: asyncio.Task[BrowserContext] | None = None
        self._entry: PageVisit | None = None
        self.kept_open = False
        self._on_kept_open = on_kept_open

    async def enter(self, spec: VisitSpec) -> VisitResult:
        """Open `spec.url` and wait until the visit is done: tokens and named cookies there, page loaded, and cookies
        and local storage unchanged for the settle time. Once per lease.

        Raises SiteDown, MissingToken, MissingCookies or Changed for the site; BrowserFailed, at once, when browser or
        page die; TimeLimit past `spec.limit`; ConfigurationError when the guard refuses `spec.url`; NeedsPerson
        when login steps do not suffice, or a challenge does not pass; Blocked, HeadlessDenied or RateLimited for what
        else stands before the site. What fails after a login was sent has `retry_after`: sites lock accounts that
        try too often.
        """
        crashed = asyncio.Event()
        work = asyncio.create_task(self._enter(spec, crashed))
        watches = [asyncio.create_task(self._lost.wait()), asyncio.create_task(crashed.wait())]
        try:
            limit = spec.limit
            done, _ = await asyncio.wait([work, *watches], timeout=limit, return_when=asyncio.FIRST_COMPLETED)
            if not done and self._entry is not None and self._entry.challenged:
                limit += spec.challenge
                await asyncio.wait([work, *watches], timeout=spec.challenge, return_when=asyncio.FIRST_COMPLETED)
            if self._lost.is_set() or crashed.is_set():
                raise BrowserFailed("the browser ended during the visit" if self._lost.is_set() else "the page crashed")
            if not work.done():
                raise TimeLimit("visit", limit, setting="limits.visit")
            return work.result()
        except DoorkeyError as error:
            if self._entry is not None and self._entry.form_sent:
                error.retry_after = max(PAUSE, error.retry_after or 0.0)
            raise
        finally:
            for task in (work, *watches):
                task.cancel()
            await asyncio.wait([work, *watches])
            if not work.cancelled():
                work.exception()  # looked at: it may have failed for the reason that is raised already

    async def open_live_page(self) -> LivePage:
        """Keep the context of a visit that is done, for requests inside it; another visit may be made beside it."""
        if self._entry is None or self._opening is None:
            raise RuntimeError("a stay begins with a visit")
        context = await self._opening
        self._entry.opening = True
        try:
            live_page = await LivePage.open(context, self._guard.site_url)
        finally:
            self._entry.opening = False
        self.kept_open = True
        self._on_kept_open()
        return live_page

    async def show(
        self, url: str, cookies: tuple[Cookie, ...] = (), local: Mapping[str, str] | None = None
    ) -> Snapshot:
        """Open *url* for a person and wait until they close it. Returns what its page held last."""
        from playwright.async_api import Error

        spec = VisitSpec(url=url, read=lambda _: {}, cookies=cookies, local=local or {})
        why = await self._guard.refuses(url)
        if why is not None:
            raise ConfigurationError(f"the page is not opened: {why}")
        self._opening = asyncio.create_task(self._open(spec))
        try:
            context = await asyncio.shield(self._opening)
            page = await context.new_page()
            network_log = NetworkLog(page, keeping=False)
            await network_log.listen()
            await page.goto(url, wait_until="commit", timeout=spec.limit * 1000)
        except Error as error:
            raise translate(error, "opening the window", spec.limit) from error
        last: Snapshot | None = None
        challenge = Challenge(page, network_log, 0.0, self._clock, self._events)
        while not page.is_closed() and not self._lost.is_set():
            try:
                stood = await challenge.stands(widgets=False)
                last = replace(await take_snapshot(page, self._clock), stood=stood.name if stood is not None else "")
            except BrowserFailed:
                self._events.report("window", "the page is busy or was closed")
            await self._clock.sleep(LOOK)
        if last is None:
            raise BrowserFailed("the window was closed before its page could be read")
        return last

    async def abandoned(self) -> BrowserContext | None:
        """The context to be closed, also when its opening was under way as the lease ended; None when there is none."""
        self._running.filter.dismiss(self._guard)
        if self._opening is None:
            return None
        await asyncio.wait([self._opening], timeout=OPEN)
        if not self._opening.done():
            self._opening.cancel()
            return None
        return None if self._opening.cancelled() or self._opening.exception() else self._opening.result()

    async def _enter(self, spec: VisitSpec, crashed: asyncio.Event) -> VisitResult:
        from playwright.async_api import Error

        self._opening = asyncio.create_task(self._open(spec))
        try:
            async with asyncio.timeout(OPEN):
                # Shielded: an opening that is cut off half-way would leave a context that nobody knows.
                context = await asyncio.shield(self._opening)
                page = await context.new_page()
        except Error as error:
            raise translate(error, "opening a page") from error
        except TimeoutError as error:
            raise BrowserFailed(f"opening a page: the browser did not answer within {OPEN:g} s") from error
        page.on("crash", lambda _: crashed.set())
        # Held, as the loop keeps only weak references to tasks.
        popups: set[asyncio.Task[None]] = set()
        entry = self._entry = PageVisit(page, spec, self._guard, self._clock, self._events)

        def opened(popup: Any) -> None:
            if not entry.opening:
                popups.add(asyncio.create_task(_close(popup)))

        context.on("page", opened)
        return await entry.run()

    async def _open(self, spec: VisitSpec) -> BrowserContext:
        options: dict[str, Any] = {}
        if spec.user_agent:
            options["user_agent"] = spec.user_agent
        if self._profile.language:
            options["locale"] = self._profile.language
        way = self._running.filter.admit(self._guard)
        if spec.local or spec.cookies:
            options["storage_state"] = _state(spec.cookies, origin_of(self._guard.site_url), spec.local)
        width, height = self._profile.viewport
        context = await self._running.browser.new_context(
            viewport={"width": width, "height": height},
            accept_downloads=False,
            # A service worker's own requests pass by request routing, and so by the guard.
            service_workers="block",
            proxy={"server": way.server, "bypass": "<-loopback>", "username": way.username, "password": way.password},
            **options,
        )
        await self._guard.attach(context)
        return context


def _state(cookies: tuple[Cookie, ...], origin: str, local: Mapping[str, str]) -> dict[str, Any]:
    """Playwright's form of a stored state: the browser is given the values as data, no script holds them."""
    stored = [{"name": name, "value": value} for name, value in local.items()]
    return {
        "cookies": [
            {
                "name": cookie.name,
                "value": cookie.value,
                "domain": cookie.domain if cookie.host_only else "." + cookie.domain.lstrip("."),
                "path": cookie.path,
                "expires": -1 if cookie.expires is None else cookie.expires,
                "httpOnly": cookie.http_only,
                "secure": cookie.secure,
                "sameSite": cookie.same_site if cookie.same_site in ("Strict", "None") else "Lax",
            }
            for cookie in cookies
        ],
        "origins": [{"origin": origin, "localStorage": stored}] if stored else [],
    }


async def _close(popup: Any) -> None:
    from playwright.async_api import Error

    try:
        async with asyncio.timeout(OPEN):
            await popup.close()
    except (Error, TimeoutError):
        return  # it goes with its context
