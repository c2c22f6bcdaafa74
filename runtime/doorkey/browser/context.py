"""The context of one lease: an empty one with what is stored of an earlier visit, behind the egress rules."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from doorkey.browser.capture import Capture, explain_no_video
from doorkey.browser.playwright_errors import translate
from doorkey.browser.profile import Profile
from doorkey.browser.routing import RequestRouting
from doorkey.browser.running_browser import RunningBrowser
from doorkey.browser.stored_state import StoredState
from doorkey.browser.visit.spec import VisitSpec
from doorkey.clock import Clock
from doorkey.config.secrets import resolve
from doorkey.errors import BrowserFailed, DoorkeyError
from doorkey.model.events import SiteEvents
from doorkey.model.urls import origin_of

if TYPE_CHECKING:
    from playwright.async_api import BrowserContext, Page

    from doorkey.browser.showing.findings import FindingsBar

OPEN = 5.0
CLOSE = 5.0
RECORDED = 30.0
"""Seconds: for opening a context or a page, for closing a page, for closing a context that is recorded."""


class LeasedContext:
    """The context of one lease. It is opened by a task of its own, so that one that comes late is closed, too."""

    def __init__(
        self, running: RunningBrowser, profile: Profile, routing: RequestRouting, events: SiteEvents, clock: Clock
    ) -> None:
        self._running, self._profile, self._routing, self._events = running, profile, routing, events
        self._clock = clock
        self._bar: FindingsBar | None = None
        self._opening: asyncio.Task[BrowserContext] | None = None
        self.capture: Capture | None = None
        """What records it, set before it is opened."""

    @property
    def context(self) -> BrowserContext | None:
        """The context, once it is open."""
        if self._opening is None or not self._opening.done() or self._opening.cancelled():
            return None
        return None if self._opening.exception() else self._opening.result()

    async def open_page(self, spec: VisitSpec, on_crash: Callable[[], None]) -> Page:
        """Open the context and its first page. Raises BrowserFailed, or BrowserMissing for a video without ffmpeg."""
        from playwright.async_api import Error

        self._opening = asyncio.create_task(
            open_context(self._running, self._profile, self._routing, self._events, spec, self.capture)
        )
        try:
            async with asyncio.timeout(OPEN):
                # Shielded: a cancelled opening would leave a context that nobody closes.
                context = await asyncio.shield(self._opening)
                page = await context.new_page()
        except Error as error:
            raise explain_no_video(error) or translate(error, "opening a page") from error
        except TimeoutError as error:
            raise BrowserFailed(f"opening a page: the browser did not answer within {OPEN:g} s") from error
        page.on("crash", lambda _: on_crash())
        if spec.inspection.headed:
            from doorkey.browser.showing.findings import FindingsBar  # few visits are looked at

            self._bar = FindingsBar(page, spec, self._clock, self._events)
            self._bar.start()
        return page

    @asynccontextmanager
    async def without_bar(self) -> AsyncIterator[None]:
        """Take doorkey's own bar out of the page meanwhile. Raises BrowserFailed."""
        if self._bar is None:
            yield
            return
        async with self._bar.hidden():
            yield

    def tell_failure(self, error: DoorkeyError) -> None:
        """Show in the bar, if there is one, that the visit has ended with *error*."""
        if self._bar is not None:
            self._bar.fail(error)

    async def close(self) -> None:
        """Close the context, even if it is still being opened, and end what records it."""
        self._running.filter.dismiss(self._routing)
        if self._bar is not None:
            await self._bar.end()
        try:
            if self._opening is not None:
                await asyncio.wait([self._opening], timeout=OPEN)
                self._opening.cancel()
            if self.context is not None:
                await self._close(self.context)
        finally:
            if self.capture is not None:
                self.capture.finish()

    async def _close(self, context: BrowserContext) -> None:
        if self.capture is None:
            await self._running.close_context(context)
        else:
            await self.capture.end(context)
            await self._running.close_context(context, RECORDED)


async def open_context(
    running: RunningBrowser,
    profile: Profile,
    routing: RequestRouting,
    events: SiteEvents,
    spec: VisitSpec,
    capture: Capture | None = None,
) -> BrowserContext:
    """Return a new context of *running* for *spec*, recorded by *capture*.

    Its requests pass *routing*; it downloads nothing.
    """
    options: dict[str, Any] = {}
    if spec.user_agent:
        options["user_agent"] = spec.user_agent
    if profile.language:
        options["locale"] = profile.language
    way = running.filter.admit(routing)
    width, height = profile.viewport
    options |= {
        "viewport": {"width": width, "height": height},
        "accept_downloads": False,
        "proxy": {
            "server": way.server, "bypass": "<-loopback>", "username": way.username, "password": way.password,
        },
    }  # fmt: skip
    credentials = routing.egress.credentials
    if credentials is not None:
        options["http_credentials"] = {
            "username": await resolve(credentials.username),
            "password": await resolve(credentials.password),
            "origin": origin_of(routing.site_url),
        }
    if capture is not None:
        options |= capture.options
    seeds = spec.seeds.get("indexedDB")
    stored = StoredState(spec.cookies, origin_of(routing.site_url), spec.local, seeds)
    context = await stored.open_context(running.browser, options)
    if stored.dropped:
        events.report("page", f"the browser refused what was stored of an earlier visit: {stored.dropped}")
    await routing.attach(context)
    if capture is not None:
        await capture.begin(context)
    return context


async def close_page(page: Page) -> None:
    """Close *page*. One that does not close goes with its context."""
    from playwright.async_api import Error

    try:
        async with asyncio.timeout(CLOSE):
            await page.close()
    except (Error, TimeoutError):
        return


async def end_tasks(work: asyncio.Task[Any], *watches: asyncio.Task[Any]) -> None:
    """Cancel the tasks and wait for their end."""
    for task in (work, *watches):
        task.cancel()
    await asyncio.wait([work, *watches])
    if not work.cancelled():
        work.exception()  # marked as retrieved: the error that is raised already may be its cause
