"""A hostile page, in a real browser, reaches nothing but its own site."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from playwright.async_api import Error, async_playwright

from doorkey.browser import BrowserPool, find_chromium
from doorkey.errors import Changed
from event_lines import site_events

from .conftest import DESKTOP, PAGE, LocalSite
from .hostile import WAYS, Outside, make_hostile, outside_place

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture
async def outside() -> AsyncIterator[Outside]:
    async with outside_place() as place:
        yield place


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "2130706433", "0.0.0.0"])
async def test_a_page_that_tries_every_way_out_reaches_nothing(
    browsers: BrowserPool, site: LocalSite, outside: Outside, host: str
) -> None:
    make_hostile(site, outside, host)
    said: list[str] = []
    async with browsers.lease(DESKTOP, site_url=site.url, events=site_events(said)) as lease:
        result = await lease.enter(site.spec(limit=40.0))
    await browsers.wait_returned()
    assert (outside.seen, outside.other, outside.connections) == (set(), [], 0)
    # No file was read, and no address of this machine was told by WebRTC.
    assert result.tokens == {"csrf": "done"}
    assert any("refused" in step for step in said)


async def test_a_browser_without_doorkey_is_led_out_by_that_page(site: LocalSite, outside: Outside) -> None:
    make_hostile(site, outside)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=find_chromium().path)
        page = await browser.new_page()
        await page.goto(site.url, wait_until="commit")
        await page.wait_for_selector("meta[name=csrf]", state="attached", timeout=20_000)
        await browser.close()
    # What else is tried is refused, or not done, by Chromium itself as it is today.
    assert len(outside.seen & set(WAYS)) >= 40
    assert any(sent.startswith(b"udp") for sent in outside.other)


LEAVING = (
    "location = '{there}'",
    "location = '{here}'",
    "document.write(`<meta http-equiv=refresh content='0;url={there}'>`)",
    "document.body.innerHTML = '<form action={there} method=post>'; document.forms[0].submit()",
    "location = 'file:///etc/passwd'",
    "location = 'view-source:{there}'",
    "location = 'data:text/html,<img src={there}>'",
    "location = URL.createObjectURL(new Blob(['<img src={there}>'], {{type: 'text/html'}}))",
)


async def test_a_page_that_leaves_for_elsewhere_does_not_get_there(
    browsers: BrowserPool, site: LocalSite, outside: Outside
) -> None:
    make_hostile(site, outside)
    there = f"http://127.0.0.1:{outside.port}/fetch"
    for number, script in enumerate(LEAVING):
        text = f"<body><script>{script.format(there=there, here='/away/fetch')}</script>"
        site.page(text, f"/leaving/{number}")

    async def leave(number: int) -> None:
        async with browsers.lease(DESKTOP, site_url=site.url) as lease:
            with pytest.raises(Changed):
                await lease.enter(site.spec(url=f"{site.url}leaving/{number}", limit=12.0))

    await asyncio.gather(*map(leave, range(len(LEAVING))))
    assert {path for path, _ in site.requests} >= {f"/leaving/{number}" for number in range(len(LEAVING))}
    assert (outside.seen, outside.connections) == (set(), 0)


async def test_a_page_that_is_redirected_elsewhere_is_refused_there(
    browsers: BrowserPool, site: LocalSite, outside: Outside
) -> None:
    async def away(request: web.Request) -> web.StreamResponse:
        raise web.HTTPFound(f"http://127.0.0.1:{outside.port}/")

    site.pages["/"] = away
    async with browsers.lease(DESKTOP, site_url=site.url) as lease:
        with pytest.raises(Changed, match="led away"):
            await lease.enter(site.spec(limit=6.0))
    assert outside.connections == 0


async def test_what_chromium_asks_for_by_itself_comes_nowhere(
    browsers: BrowserPool, site: LocalSite, outside: Outside
) -> None:
    site.page(PAGE)
    async with browsers.lease(DESKTOP, site_url=site.url) as lease:
        await lease.enter(site.spec())
        # A context without a pass, as the browser's own requests are.
        browser = lease._page.context.browser if lease._page is not None else None
        assert browser is not None
        context = await browser.new_context()
        page = await context.new_page()
        with pytest.raises(Error, match="ERR_INVALID_AUTH_CREDENTIALS"):
            await page.goto(site.url + "bare")
        await context.close()
    assert all(path != "/bare" for path, _ in site.requests)
