"""A person's browser while they log in: doorkey attaches to it only for moments, to see whether they have."""

from __future__ import annotations

import asyncio
import logging
from asyncio.subprocess import Process as Child
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from doorkey.browser.launcher import default_state
from doorkey.browser.playwright_errors import limited, translate
from doorkey.browser.routing import RequestRouting
from doorkey.browser.visit.inspector import PageInspector
from doorkey.browser.visit.page_visit import PageVisit
from doorkey.browser.visit.parts import VisitParts
from doorkey.browser.visit.snapshot import take_snapshot
from doorkey.browser.visit.spec import VisitResult, VisitSpec
from doorkey.clock import Clock
from doorkey.config.one_time_codes import OneTimeCodes
from doorkey.errors import Blocked, BrowserFailed, Changed, DoorkeyError, Enough, NeedsPerson, SiteDown, TimeLimit
from doorkey.model.events import SiteEvents
from doorkey.model.urls import origin_of

if TYPE_CHECKING:
    from playwright.async_api import Browser, BrowserContext, Playwright

log = logging.getLogger("doorkey.browser")

ATTACH = 20.0
CALL = 5.0
CLOSE = 5.0
TICK = 0.5
LOOK = 10.0
"""Seconds: for attaching; for one call; for an orderly end; between two listings of its pages; between two readings of
a page whose address and title stay the same."""


class AttachedBrowser:
    """The browser that a person logs in with. `watch_login` returns once they have."""

    def __init__(
        self,
        child: Child,
        playwright: Playwright,
        port: int,
        path: str,
        spec: VisitSpec,
        routing: RequestRouting,
        clock: Clock,
        events: SiteEvents,
    ) -> None:
        self._child, self._playwright, self._port, self._path = child, playwright, port, path
        self._spec, self._routing, self._clock, self._events = spec, routing, clock, events
        self._origin = origin_of(routing.site_url)

    async def watch_login(self, done: asyncio.Event) -> VisitResult:
        """Wait until `ready` shows on a page of the site, or *done* is set, and return what a visit then brings."""
        seen: frozenset[str] = frozenset()
        before: frozenset[str] = frozenset()
        read_at = self._clock.now() - LOOK
        while True:
            self._check_open()
            said = done.is_set()
            try:
                pages = await self._list_pages()
            except BrowserFailed:
                pages = frozenset()  # it is being closed, or busy
            settled, before = pages == before, pages
            new = pages != seen and settled
            if said or (self._spec.ready and pages and (new or self._clock.now() - read_at >= LOOK)):
                seen, read_at = pages, self._clock.now()
                result = await self._try_visit(said)
                if result is not None:
                    return result
                if said:
                    done.clear()
            await self._clock.sleep(TICK)

    async def _try_visit(self, said: bool) -> VisitResult | None:
        """Return what a visit brings if the person is logged in, else None."""
        try:
            async with self._attach() as context:
                return await self._visit(context) if said or await self._shows_ready(context) else None
        except (Blocked, Changed, Enough, NeedsPerson, SiteDown, TimeLimit) as error:
            self._events.report("window", f"not logged in yet: {error.message}")
        except BrowserFailed as error:
            self._check_open()
            self._events.report("window", f"the page can't be read now: {error.message}")
        return None

    async def _shows_ready(self, context: BrowserContext) -> bool:
        for page in context.pages:
            if origin_of(page.url) == self._origin:
                snapshot = await take_snapshot(PageInspector(page), self._clock)
                if await asyncio.to_thread(snapshot.page.find, self._spec.ready or "") is not None:
                    return True
        return False

    async def _visit(self, context: BrowserContext) -> VisitResult:
        """Visit the site in a new page of the person's browser."""
        from playwright.async_api import Error

        try:
            async with limited("opening a page", CALL):
                page = await context.new_page()
            codes = OneTimeCodes(default_state(), self._clock)
            try:
                parts = VisitParts.build(page, self._spec, self._routing, self._clock, self._events, codes)
                visit = PageVisit(page, self._spec, self._routing, self._clock, self._events, parts)
                async with asyncio.timeout(self._spec.limit):
                    return await visit.run()
            finally:
                async with limited("closing a page", CALL):
                    await page.close()
        except Error as error:
            raise translate(error, "visiting the site in the person's browser") from error
        except TimeoutError as error:
            if isinstance(error, DoorkeyError):
                raise
            raise BrowserFailed(f"the visit in the person's browser took over {self._spec.limit:g} s") from error

    @asynccontextmanager
    async def _attach(self) -> AsyncIterator[BrowserContext]:
        browser = await self._connect()
        try:
            (context, *_) = browser.contexts
            # Without a listener, Playwright would answer the page's dialogs in the person's place.
            context.on("dialog", lambda _: None)
            yield context
        finally:
            async with limited("leaving the person's browser", CALL):
                await browser.close()

    async def _connect(self) -> Browser:
        async with limited("attaching to the person's browser", ATTACH):
            return await self._playwright.chromium.connect_over_cdp(f"ws://127.0.0.1:{self._port}{self._path}")

    async def _list_pages(self) -> frozenset[str]:
        """Return addresses and titles of the site's pages. DevTools lists them without attaching to any."""
        async with limited("asking the person's browser for its pages", CALL):
            request = await self._playwright.request.new_context()
            try:
                listed = await (await request.get(f"http://127.0.0.1:{self._port}/json/list")).json()
            finally:
                await request.dispose()
        return frozenset(
            f"{target['url']} {target['title']}"
            for target in listed
            if target["type"] == "page" and origin_of(target["url"]) == self._origin
        )

    def _check_open(self) -> None:
        if self._child.returncode is not None:
            raise NeedsPerson(
                "the browser was closed before doorkey saw the login: log in, and leave the window open until doorkey "
                "says that it is done" + ("" if self._spec.ready else " (without `ready`, until you press Enter)")
            )

    async def end(self) -> None:
        """Close the browser in order, so that its profile stays intact."""
        try:
            browser = await self._connect()
            async with limited("closing the person's browser", CLOSE):
                await (await browser.new_browser_cdp_session()).send("Browser.close")
                await self._child.wait()
        except BrowserFailed as error:
            log.debug("%s", error.message)
