"""The context of one lease: an empty one with what is stored of an earlier visit, behind the egress rules."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from doorkey.browser.profile import Profile
from doorkey.browser.routing import RequestRouting
from doorkey.browser.running_browser import RunningBrowser
from doorkey.browser.stored_state import StoredState
from doorkey.browser.visit.spec import VisitSpec
from doorkey.config.secrets import resolve
from doorkey.model.events import SiteEvents
from doorkey.model.urls import origin_of

if TYPE_CHECKING:
    from playwright.async_api import BrowserContext, Page

CLOSE = 5.0
"""Seconds that a page may take to close."""


async def open_context(
    running: RunningBrowser, profile: Profile, routing: RequestRouting, events: SiteEvents, spec: VisitSpec
) -> BrowserContext:
    """Return a new context of *running* for *spec*. Its requests pass *routing*; it downloads nothing."""
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
    seeds = spec.seeds.get("indexedDB")
    stored = StoredState(spec.cookies, origin_of(routing.site_url), spec.local, seeds)
    context = await stored.open_context(running.browser, options)
    if stored.dropped:
        events.report("page", f"the browser refused what was stored of an earlier visit: {stored.dropped}")
    await routing.attach(context)
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
