"""A blank page of the site: of its origin, with its cookies, and without its scripts and policies."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.async_api import CDPSession, Page

BLANK = "<!doctype html><title>doorkey</title>"
BUFFER = 128 * 1024 * 1024
"""Bytes of bodies that DevTools keeps: more than arrive before the page reads them or DevTools streams them."""


async def make_blank(page: Page, url: str) -> CDPSession:
    """Make *page*, a new one, a blank page at *url*, and return its DevTools session. Raises Playwright's errors."""
    devtools = await page.context.new_cdp_session(page)
    # The site's service worker must neither answer the blank page nor change its requests.
    await devtools.send("Network.enable", {"maxTotalBufferSize": BUFFER, "maxResourceBufferSize": BUFFER})
    await devtools.send("Network.setBypassServiceWorker", {"bypass": True})
    await page.route("**/*", lambda route: route.fulfill(body=BLANK, content_type="text/html"))
    await page.goto(url)
    await page.unroute("**/*")
    return devtools
