"""The bar in a headed window tells what is found, and neither the page nor the visit's own clicks meet it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from playwright.async_api import Page as BrowserPage

from doorkey.browser import BrowserPool, VisitSpec
from doorkey.browser.showing.findings import FindingsBar, find
from doorkey.clock import SystemClock
from doorkey.errors import MissingToken
from doorkey.model.events import Events
from doorkey.model.inspection import Inspection
from doorkey.model.page import Page
from scripted_person import walk

from .conftest import DESKTOP, LocalSite, csrf

pytestmark = pytest.mark.browser
SOUGHT = {"csrf": "meta[name=csrf]@content", "user": "#who", "session": "cookie:sid"}
HTML = '<!doctype html><meta name="csrf" content=""><p id="who">ada</p><button style="position:fixed;bottom:0;right:0;'
HTML += 'width:100%;height:200px" onclick="document.title = \'clicked\'">Under the bar</button>'


@pytest.fixture
async def page(browsers: BrowserPool, site: LocalSite) -> AsyncIterator[BrowserPage]:
    async with browsers.lease(DESKTOP, site_url=site.url) as lease:

        async def nothing(_: BrowserPage) -> None:
            return

        site.page(HTML)
        yield await lease.open_for_person(site.url, nothing)


def spec(site: LocalSite, **more: Any) -> VisitSpec:
    return site.spec(sought=SOUGHT, ready="#who", **more)


async def read(page: BrowserPage) -> list[str]:
    """The texts in the bar, as DevTools sees them also in a closed shadow root."""
    session = await page.context.new_cdp_session(page)
    root = (await session.send("DOM.getDocument", {"depth": -1, "pierce": True}))["root"]

    bars = [one for one in walk(root) if one["nodeName"] == "DOORKEY-BAR"]
    return [one["nodeValue"] for bar in bars for one in walk(bar) if one["nodeName"] == "#text"]


def test_a_page_is_held_against_the_rules() -> None:
    html = '<meta name="csrf" content=""><p id="who">ada</p>'
    spec = VisitSpec(url="https://a.test/", read=csrf, ready="#gone", sought=SOUGHT)
    found = {one.name: one for one in find(Page(url="https://a.test/", html=html), spec)}
    assert {name: one.found for name, one in found.items()} == {
        "ready": False, "csrf": False, "user": True, "session": False,
    }  # fmt: skip
    assert "without a value" in found["csrf"].instead
    assert (found["csrf"].selector, found["session"].selector) == ("meta[name=csrf]", "")


async def test_the_bar_tells_what_is_found_and_missing_and_marks_what_is_seen(
    page: BrowserPage, site: LocalSite
) -> None:
    events = Events(SystemClock())
    bar = FindingsBar(page, spec(site), SystemClock(), events.of("wiki"))
    await bar.draw()
    assert (await read(page))[:2] == ["doorkey: wiki", "2 of 4 are missing"]
    events.of("other").report("page", "not of this site")
    events.of("wiki").report("challenge", "something stands before it")
    await bar.draw()
    texts = await read(page)
    assert texts[1:6] == [
        "something stands before it", "✓ ready: #who", "✗ csrf: meta[name=csrf]@content",
        "the element is there, without a value", "✓ user: #who",
    ]  # fmt: skip
    assert texts[-2:] == ["ready", "user"], "the marks on what the page shows"
    bar.fail(MissingToken("csrf", "there", site="wiki"))
    await bar.draw()
    assert (await read(page))[1].startswith("the visit failed (site_changed): ")
    async with bar.hidden():
        assert await read(page) == []
    await bar.draw()
    assert len(await read(page)) > 0
    await bar.end()
    assert events.hooks == []


async def test_the_page_sees_no_text_of_it_and_clicks_go_through_it(page: BrowserPage, site: LocalSite) -> None:
    bar = FindingsBar(page, spec(site), SystemClock(), Events(SystemClock()).of("wiki"))
    await bar.draw()
    seen = await page.evaluate(
        "JSON.stringify({root: String(document.querySelector('doorkey-bar').shadowRoot), "
        "mark: 'doorkeyFindings' in window, text: document.documentElement.innerText.includes('doorkey')})"
    )
    assert json.loads(seen) == {"root": "null", "mark": False, "text": False}
    width, height = DESKTOP.viewport
    await page.mouse.click(width - 40, height - 40)
    assert await page.title() == "clicked"


@pytest.mark.slow
async def test_the_window_of_a_failed_visit_says_so(browsers: BrowserPool, site: LocalSite) -> None:
    site.page(HTML)
    async with browsers.lease(DESKTOP, site_url=site.url) as lease:
        looked = asyncio.create_task(lease.enter(spec(site, limit=6.0, inspection=Inspection(headed=True))))
        with pytest.raises(MissingToken):
            await looked
        [running] = browsers._list_all()
        page = running.browser.contexts[-1].pages[0]
        await page.wait_for_selector("doorkey-bar", state="attached")


async def test_nobody_looks_and_there_is_no_bar(browsers: BrowserPool, site: LocalSite) -> None:
    async with browsers.lease(DESKTOP, site_url=site.url) as lease:
        result = await lease.enter(site.spec(settle=0.6))
    assert "doorkey-bar" not in result.page.html
