"""The live view in a second Chromium: a person logs in there, also on a phone; others watch; strangers get nothing."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp.test_utils import TestServer
from playwright.async_api import Browser, Page, async_playwright, expect

from doorkey.browser import BrowserPool, Profile, VisitResult, VisitSpec
from doorkey.browser.chromium import find_chromium
from doorkey.browser.live_view.handovers import Handovers
from doorkey.clock import SystemClock
from doorkey.config.settings import ServiceSettings, Settings
from doorkey.errors import ConfigurationError, NeedsPerson
from doorkey.runtime import Runtime
from doorkey.service.app import RULES, build_app, serve
from doorkey.service.live_view.app import build_view_app

sys.path.insert(0, str(Path(__file__).parents[1]))
from person_site import CODE, PASSWORD, PLACES, USER, PersonSite

pytestmark = [pytest.mark.browser, pytest.mark.slow]

WAIT = 30_000
PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 760}, "has_touch": True, "is_mobile": True}
PASTE = """(text) => {
  const clipboardData = new DataTransfer();
  clipboardData.setData("text/plain", text);
  document.getElementById("keys").dispatchEvent(new ClipboardEvent("paste", { clipboardData, cancelable: true }));
}"""
DESK: dict[str, Any] = {"viewport": {"width": 1000, "height": 700}}


@pytest.fixture(scope="module")
async def chromium() -> AsyncIterator[Browser]:
    path = (await asyncio.to_thread(find_chromium)).path
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=path, chromium_sandbox=os.geteuid() != 0, timeout=60_000
        )
        yield browser
        await browser.close()


@dataclass
class Shown:
    """The service of one login, and a second browser to look with."""

    base: str
    app: aiohttp.web.Application
    handovers: Handovers
    chromium: Browser
    exits: AsyncExitStack
    work: asyncio.Task[VisitResult]

    async def look(self, **options: Any) -> Page:
        """Come in by a new link, and wait for the first picture."""
        context = await self.chromium.new_context(**options)
        self.exits.push_async_callback(context.close)
        page = await context.new_page()
        page.set_default_timeout(WAIT)
        await page.goto(self.base + self.app[RULES].viewers.make_link(None))
        await expect(page.locator("#curtain")).to_be_hidden(timeout=WAIT)
        return page


@asynccontextmanager
async def shown(
    browsers: BrowserPool, chromium: Browser, site: PersonSite, handovers: Handovers | None = None
) -> AsyncIterator[Shown]:
    handovers = handovers or Handovers(SystemClock())
    offered = asyncio.Event()
    handovers.on_change.append(offered.set)

    async def log_in() -> VisitResult:
        spec = VisitSpec(
            url=site.url, read=lambda page: {"csrf": page.attribute("meta[name=csrf]", "content", "csrf")},
            ready="#out", settle=0.0, limit=15.0,
        )  # fmt: skip
        async with browsers.lease(Profile(name="d"), site_url=site.url) as lease:
            return await lease.enter_by_person(spec, handovers, "Log in to the site.")

    app = build_view_app("wiki", handovers, ServiceSettings(), SystemClock())
    async with AsyncExitStack() as exits:
        base = await exits.enter_async_context(serve(app, "127.0.0.1", 0, shutdown=1.0))
        work = asyncio.create_task(log_in())
        waits = [work, asyncio.create_task(offered.wait())]
        await asyncio.wait(waits, timeout=30, return_when=asyncio.FIRST_COMPLETED)
        assert not work.done(), work.exception()
        yield Shown(base, app, handovers, chromium, exits, work)
        for task in waits:
            task.cancel()
        await asyncio.gather(*waits, return_exceptions=True)


@asynccontextmanager
async def serving(site: PersonSite) -> AsyncIterator[PersonSite]:
    async with TestServer(site.app(), host="127.0.0.1") as server:
        site.url = str(server.make_url("/"))
        yield site


@pytest.fixture
async def site() -> AsyncIterator[PersonSite]:
    async with serving(PersonSite()) as started:
        yield started


async def fit(page: Page) -> None:
    """Wait until the page that is shown is as large as the picture's place."""
    room = await page.locator("#stage").bounding_box()
    assert room is not None
    await expect(page.locator("#picture")).to_have_js_property("naturalWidth", round(room["width"]), timeout=WAIT)


async def press(page: Page, name: str, *, touch: bool = False) -> None:
    box = await page.locator("#picture").bounding_box()
    assert box is not None
    at = box["x"] + PLACES[name][0], box["y"] + PLACES[name][1]
    await (page.touchscreen.tap(*at) if touch else page.mouse.click(*at))


@pytest.mark.parametrize("device", ["desk", "phone"])
async def test_a_person_logs_in_with_a_one_time_code_and_nothing_typed_is_kept(
    browsers: BrowserPool, chromium: Browser, site: PersonSite, device: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    touch = device == "phone"
    async with shown(browsers, chromium, site) as here:
        page = await here.look(**(PHONE if touch else DESK))
        await fit(page)
        assert await page.locator("#origin").inner_text() == site.url.rstrip("/")
        await press(page, "user", touch=touch)
        if touch:
            await site.until_told("touch user")
        await site.until_told("focus user")
        if touch:
            await page.locator("#keyboard").tap()
        await page.keyboard.type(USER)
        await site.until_told(f"value user {USER}")
        await press(page, "pw", touch=touch)
        await site.until_told("focus pw")
        await page.keyboard.insert_text(PASSWORD)  # as an input method or a phone's keyboard does
        await site.until_told("value pw *")
        await page.keyboard.press("Enter")
        await site.until_told("asks code")
        await press(page, "code", touch=touch)
        await site.until_told("focus code")
        await page.keyboard.type(CODE)
        await site.until_told(f"value code {CODE}")
        await page.keyboard.press("Enter")
        await expect(page.locator("#state")).to_have_class("done", timeout=WAIT)
        result = await here.work
    assert result.tokens == {"csrf": f"csrf-{next(iter(site.passes))}"}
    assert "a browser with a link at 127.0.0.1 left" in caplog.text
    assert PASSWORD not in caplog.text
    assert CODE not in caplog.text


async def test_input_methods_the_clipboard_and_key_combinations_reach_the_page(
    browsers: BrowserPool, chromium: Browser, site: PersonSite
) -> None:
    async with shown(browsers, chromium, site) as here:
        page = await here.look(**DESK)
        await fit(page)
        await press(page, "user")
        await site.until_told("focus user")
        keyboard = await page.context.new_cdp_session(page)
        await keyboard.send("Input.imeSetComposition", {"text": "に", "selectionStart": 1, "selectionEnd": 1})
        await keyboard.send("Input.insertText", {"text": "日本"})
        await site.until_told("value user 日本")
        await page.evaluate(PASTE, " pasted")
        await site.until_told("value user 日本 pasted")
        await page.keyboard.press("Control+a")
        await page.keyboard.press("x")
        await site.until_told("value user x")
        await page.keyboard.press("Tab")
        await site.until_told("focus pw")


async def test_keys_of_hardware_reach_the_page_after_a_touch(
    browsers: BrowserPool, chromium: Browser, site: PersonSite
) -> None:
    async with shown(browsers, chromium, site) as here:
        page = await here.look(**PHONE)
        await fit(page)
        await page.locator("#back").focus()
        await press(page, "user", touch=True)
        await site.until_told("focus user")
        await page.keyboard.type(USER)
        await site.until_told(f"value user {USER}")
        await page.keyboard.press("Tab")
        await site.until_told("focus pw")
        assert not await page.evaluate("document.activeElement === keys"), "that would open a phone's keyboard"


async def test_one_has_control_others_watch_and_nothing_is_streamed_when_nobody_looks(
    browsers: BrowserPool, chromium: Browser, site: PersonSite
) -> None:
    async with shown(browsers, chromium, site) as here:
        view = here.handovers.list()[0].view
        assert not view.streaming
        first = await here.look(**DESK)
        await fit(first)
        second = await here.look(**DESK)
        await expect(second.locator("#link")).to_have_text("Watching, 1 more", timeout=WAIT)
        await press(second, "user")
        await second.keyboard.type("nobody")
        await second.locator("#control").click()
        await expect(second.locator("#link")).to_have_text("In control, 1 more", timeout=WAIT)
        await expect(first.locator("#link")).to_have_text("Watching, 1 more", timeout=WAIT)
        await press(second, "user")
        await site.until_told("focus user")
        await second.keyboard.type("me")
        await site.until_told("value user me")
        await second.reload()  # the connection is lost and comes again
        await expect(second.locator("#curtain")).to_be_hidden(timeout=WAIT)
        await expect(second.locator("#link")).to_have_text("In control, 1 more", timeout=WAIT)
        await first.close()
        await expect(second.locator("#link")).to_have_text("In control", timeout=WAIT)
        assert view.streaming
        await second.close()
        async with asyncio.timeout(30):
            await view.unwatched.wait()
        assert not view.streaming


async def test_a_person_who_gives_up_ends_it_with_a_pause(
    browsers: BrowserPool, chromium: Browser, site: PersonSite
) -> None:
    async with shown(browsers, chromium, site) as here:
        page = await here.look(**DESK)
        await page.locator("#give-up").click()
        await expect(page.locator("#state")).to_have_class("failed", timeout=WAIT)
        with pytest.raises(NeedsPerson, match="gave up") as raised:
            await here.work
    assert (raised.value.retry_after or 0) >= 60


async def test_strangers_get_nothing_and_input_stays_in_its_own_session(
    browsers: BrowserPool, chromium: Browser, site: PersonSite
) -> None:
    handovers = Handovers(SystemClock())
    async with (
        serving(PersonSite()) as other,
        shown(browsers, chromium, other, handovers),
        shown(browsers, chromium, site, handovers) as here,
        aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as stranger,
    ):
        theirs, ours = handovers.list()
        for path in (f"/dashboard/live/{ours.id}", f"/dashboard/live/{ours.id}/socket", "/", "/dashboard/enter/guess"):
            async with stranger.get(here.base + path, headers={"Accept": "text/html"}) as answer:
                assert (answer.status, site.url in await answer.text()) == (401, False)
        link = here.app[RULES].viewers.make_link(None)
        async with stranger.get(here.base + link) as answer:
            assert answer.status == 200  # in, as a program without a browser's Origin
        async with stranger.get(here.base + link) as again:
            assert again.status == 401  # it works once
        for origin in ("https://evil.example", here.base.replace("127.0.0.1", "localhost"), "null", None):
            with pytest.raises(aiohttp.WSServerHandshakeError, match="403"):
                await stranger.ws_connect(f"{here.base}/dashboard/live/{ours.id}/socket", origin=origin)
        async with stranger.ws_connect(f"{here.base}/dashboard/live/{ours.id}/socket", origin=here.base) as socket:
            await socket.send_json({"type": "size", "width": 640, "height": 480})
            await site.until_told("size 640")
            async with asyncio.timeout(WAIT / 1000):
                while (await socket.receive()).type is not aiohttp.WSMsgType.BINARY:
                    pass  # without a picture, a place means nothing
            await socket.send_str("\x00 no JSON")
            await socket.send_json({"type": "key", "event": "down", "key": "o", "modifiers": 2})
            await socket.send_json(
                {"type": "pointer", "event": "down", "x": 0.05, "y": 0.05, "button": 0, "buttons": 1, "clicks": 1}
            )
            await site.until_told("focus user")
            await socket.send_json({"type": "text", "text": "only here"})
            await site.until_told("value user only here")
        assert other.told == []
        assert theirs.view.viewers == 0


def test_off_this_machine_a_certificate_is_needed() -> None:
    with pytest.raises(ConfigurationError, match=r"service\.certificate"):
        build_view_app("wiki", Handovers(SystemClock()), ServiceSettings(host="0.0.0.0"), SystemClock())


@pytest.mark.parametrize("kind", ["gate", "code on a phone"])
async def test_calls_that_wait_are_answered_when_a_person_has_finished_the_visit(
    browsers: BrowserPool, chromium: Browser, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setenv("SITE_PASSWORD", PASSWORD)
    touch = kind != "gate"
    steps: list[dict[str, str]] = [
        {"fill": "#user", "value": USER}, {"fill": "#pw", "value": "env:SITE_PASSWORD"}, {"click": "#go"},
    ]  # fmt: skip
    async with AsyncExitStack() as exits:
        site = await exits.enter_async_context(serving(PersonSite(gate=kind == "gate")))
        base, link = await exits.enter_async_context(serving_wiki(browsers, site, steps if touch else []))
        browsers.handovers.offered = True
        exits.callback(setattr, browsers.handovers, "offered", False)
        caller = await exits.enter_async_context(aiohttp.ClientSession(headers={"x-api-key": "the-key"}))
        calls = [asyncio.create_task(fetch_items(caller, base)) for _ in range(3)]
        context = await chromium.new_context(**(PHONE if touch else DESK))
        exits.push_async_callback(context.close)
        page = await context.new_page()
        await page.goto(link)
        await page.get_by_role("link", name="Open the live view of wiki").click(timeout=WAIT)
        await expect(page.locator("#curtain")).to_be_hidden(timeout=WAIT)
        await fit(page)
        assert not any(call.done() for call in calls)
        await press(page, "code" if touch else "box", touch=touch)
        if touch:
            await site.until_told("focus code")
            await page.locator("#keyboard").tap()
            await page.keyboard.type(CODE)
            await site.until_told(f"value code {CODE}")
            await page.keyboard.press("Enter")
        await expect(page.locator("#state")).to_have_class("done", timeout=WAIT)
        assert await asyncio.gather(*calls) == [200, 200, 200]
        assert len(site.passes) == 1
        assert browsers.handovers.list() == ()
        async with aiohttp.ClientSession() as stranger, stranger.get(f"{base}/dashboard/live/guess") as answer:
            assert answer.status == 401


@asynccontextmanager
async def serving_wiki(
    browsers: BrowserPool, site: PersonSite, steps: list[dict[str, str]]
) -> AsyncIterator[tuple[str, str]]:
    """Serve *site* as `wiki`. Yield the service's base URL, and a link into its dashboard."""
    wiki: dict[str, Any] = {
        "provider": "web", "url": site.url, "ready": "#out", "stale": [401],
        "tokens": {"csrf": "meta[name=csrf]@content"}, "send": {"header": {"X-CSRF": "{csrf}"}},
        "visit": {"steps": steps},
    }  # fmt: skip
    settings = Settings.model_validate({"sites": {"wiki": wiki}, "store": {"url": "memory://"}})
    async with Runtime(settings, pool=browsers) as runtime:
        app = build_app(runtime, service=ServiceSettings(), key="the-key")
        async with serve(app, "127.0.0.1", 0, shutdown=1.0) as base:
            yield base, base + app[RULES].viewers.make_link(None)


async def test_a_person_logs_in_and_looks_at_the_site_by_the_dashboard_s_buttons(
    browsers: BrowserPool, chromium: Browser, site: PersonSite
) -> None:
    async with AsyncExitStack() as exits:
        base, link = await exits.enter_async_context(serving_wiki(browsers, site, []))
        context = await chromium.new_context(**DESK)
        exits.push_async_callback(context.close)
        page = await context.new_page()
        await page.goto(link)
        await page.get_by_role("button", name="Log in wiki").click(timeout=WAIT)
        await expect(page.locator("#curtain")).to_be_hidden(timeout=WAIT)
        await fit(page)
        await press(page, "user")
        await site.until_told("focus user")
        await page.keyboard.type(USER)
        await site.until_told(f"value user {USER}")
        await page.keyboard.press("Tab")
        await site.until_told("focus pw")
        await page.keyboard.type(PASSWORD)
        await page.keyboard.press("Enter")
        await site.until_told("asks code")
        await press(page, "code")
        await site.until_told("focus code")
        await page.keyboard.type(CODE)
        await page.keyboard.press("Enter")
        await expect(page.locator("#state")).to_have_class("done", timeout=WAIT)
        await page.locator("#home").click()
        caller = await exits.enter_async_context(aiohttp.ClientSession(headers={"x-api-key": "the-key"}))
        assert await fetch_items(caller, base) == 200
        await page.get_by_role("button", name="Open wiki").click(timeout=WAIT)
        await expect(page.locator("#curtain")).to_be_hidden(timeout=WAIT)
        assert await page.locator("#origin").inner_text() == site.url.rstrip("/")
        await page.locator("#done").click()
        await expect(page.locator("#state")).to_have_class("done", timeout=WAIT)
        assert (len(site.passes), await fetch_items(caller, base)) == (1, 200)
        await wait_for_no_handover(browsers.handovers)


async def wait_for_no_handover(handovers: Handovers) -> None:
    """Return once no page waits for a person: a view is closed soon after its person was told that all is done."""
    changed = asyncio.Event()
    handovers.on_change.append(changed.set)
    async with asyncio.timeout(WAIT / 1000):
        while handovers.list():
            changed.clear()
            await changed.wait()
    handovers.on_change.remove(changed.set)


async def fetch_items(caller: aiohttp.ClientSession, base: str) -> int:
    async with caller.get(f"{base}/site/wiki/api/items") as answer:
        return answer.status
