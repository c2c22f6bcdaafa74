"""The dashboard in a real Chromium: by hand and keyboard, live, without accessibility faults, deaf to other origins."""

from __future__ import annotations

import asyncio
import html
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from double import DoubleRuntime
from playwright.async_api import Browser, BrowserContext, Page, async_playwright, expect

from doorkey.browser.chromium import find_chromium
from doorkey.config.settings import ServiceSettings
from doorkey.model.chat import Image
from doorkey.model.events import Attempt, CallRecord
from doorkey.service.additions.board import AdditionState, Board
from doorkey.service.app import RULES, adopt, build_app, serve
from doorkey.service.workers.place import Place

pytestmark = [pytest.mark.browser, pytest.mark.slow]

WAIT = 60_000
"""Milliseconds that the page may take for a step, on a busy machine too."""
DOT = bytes.fromhex("47494638396101000100800000ff0000ffffff21f90400000000002c00000000010001000002024401003b")
"""A GIF of one pixel."""
FOREIGN = """<!doctype html><title>busy</title>
<form id=f method=post target=sink action="BASE/dashboard/sites/aichats/pause"><input name=form_token value=x></form>
<iframe name=sink></iframe>
<script>
const page = "BASE";
const tries = [
  ...["renew", "pause", "resume"].map((each) => fetch(`${page}/dashboard/sites/aichats/${each}`, {
    method: "POST", mode: "no-cors", credentials: "include", body: new URLSearchParams({ form_token: "x" }) })),
  fetch(`${page}/dashboard/additions`, {
    method: "POST", mode: "no-cors", credentials: "include",
    body: new URLSearchParams({ form_token: "x", url: "https://wiki.example/" }) }),
  fetch(`${page}/dashboard/ask`, { method: "POST", mode: "no-cors", credentials: "include", body: "{}" }),
  fetch(`${page}/api/sites/aichats/pause`, { method: "POST", mode: "no-cors", credentials: "include" }),
  fetch(`${page}/api/dashboard/links`, { method: "POST", credentials: "include" }).then((answer) => answer.text()),
  fetch(`${page}/`, { credentials: "include" }).then((answer) => answer.text()),
  fetch(`${page}/dashboard/events`, { credentials: "include" }).then((answer) => answer.text()),
  new Promise((done) => {
    const image = new Image();
    image.onload = image.onerror = done;
    image.src = `${page}/dashboard/page.css`;
  }),
  new Promise((done) => {
    document.querySelector("iframe").onload = done;
    document.getElementById("f").submit();
  }),
];
Promise.allSettled(tries).then((all) => {
  window.read = all.filter((each) => typeof each.value === "string").map((each) => each.value);
  document.title = "done";
});
</script>"""


@dataclass
class Opened:
    """A service over the double, and a browser that came in to its dashboard."""

    base: str
    app: web.Application
    context: BrowserContext
    page: Page


@pytest.fixture(scope="module")
async def chromium() -> AsyncIterator[Browser]:
    path = (await asyncio.to_thread(find_chromium)).path
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=path, chromium_sandbox=os.geteuid() != 0, timeout=WAIT
        )
        yield browser
        await browser.close()


@asynccontextmanager
async def opened(
    chromium: Browser, runtime: DoubleRuntime, key: str | None = "the-key", place: Place | None = None
) -> AsyncIterator[Opened]:
    app = build_app(runtime, service=ServiceSettings(), key=key, place=place)
    async with AsyncExitStack() as exits:
        base = await exits.enter_async_context(serve(app, "127.0.0.1", 0, shutdown=1.0))
        context = await chromium.new_context()
        context.set_default_timeout(WAIT)
        exits.push_async_callback(context.close)
        page = await context.new_page()
        faults: list[str] = []
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
        await page.goto(base + ("/" if key is None else app[RULES].viewers.make_link(None)))
        await expect(page.locator("#live")).to_have_text("Live", timeout=WAIT)
        yield Opened(base, app, context, page)
        assert [fault for fault in faults if "401" not in fault] == []


@pytest.mark.parametrize("key", ["the-key", None])
async def test_a_page_of_another_origin_changes_and_reads_nothing(
    chromium: Browser, runtime: DoubleRuntime, key: str | None
) -> None:
    bases: list[str] = []

    async def show(request: web.Request) -> web.Response:
        return web.Response(text=FOREIGN.replace("BASE", bases[0]), content_type="text/html")

    app = web.Application()
    app.router.add_get("/", show)
    place = Place.alone()
    async with opened(chromium, runtime, key, place) as here, TestServer(app, host="127.0.0.1") as other:
        bases.append(here.base)
        for host in ("127.0.0.1", "localhost"):
            page = await here.context.new_page()
            await page.goto(f"http://{host}:{other.port}/")
            await expect(page).to_have_title("done", timeout=WAIT)
            assert await page.evaluate("window.read") == []
        assert (runtime.paused, runtime.visited, runtime.asked) == (set(), [], [])
        assert place.memory.addition.read() == ""
        await here.page.get_by_role("button", name="Pause aichats").click()
        await expect(here.page.locator("#notice")).to_have_text("Pause aichats: done", timeout=WAIT)
        assert runtime.paused == {"aichats"}


async def test_buttons_work_by_keyboard_and_the_page_follows(chromium: Browser, runtime: DoubleRuntime) -> None:
    async with opened(chromium, runtime) as here:
        await here.page.get_by_role("button", name="Pause aichats").focus()
        await here.page.keyboard.press("Enter")
        await expect(here.page.locator(".site .state")).to_have_text("paused by a person", timeout=WAIT)
        await here.page.get_by_role("button", name="Resume aichats").focus()
        await here.page.keyboard.press("Space")
        await expect(here.page.locator(".site .state")).to_have_text("not entered yet", timeout=WAIT)


async def test_an_update_leaves_the_focus_where_it_is(chromium: Browser, runtime: DoubleRuntime) -> None:
    async with opened(chromium, runtime) as here:
        button = here.page.get_by_role("button", name="Renew aichats")
        await button.focus()
        attempt = Attempt(what="chat", status=403, transport="direct", verdict="stale", took=0.1)
        runtime.events.publish(CallRecord(at=1.0, site="aichats", attempts=(attempt,), took=0.2))
        plot = here.page.get_by_role("img", name="In the last hour: 1 call, 1 refusal, 0 visits, 0 failed visits")
        await expect(plot).to_be_visible(timeout=WAIT)
        await expect(button).to_be_focused()


async def test_a_page_whose_keys_have_changed_says_so(chromium: Browser, runtime: DoubleRuntime) -> None:
    async with opened(chromium, runtime) as here:
        adopt(here.app, ServiceSettings(), "another key")
        attempt = Attempt(what="chat", status=200, transport="direct", verdict="ok", took=0.1)
        runtime.events.publish(CallRecord(at=1.0, site="aichats", attempts=(attempt,), took=0.2))
        await expect(here.page.locator("#live")).to_contain_text("no longer let in", timeout=WAIT)
        await here.page.reload()
        await expect(here.page.locator("h2").first).to_have_text("To come in", timeout=WAIT)


async def test_the_buttons_work_without_scripts(chromium: Browser, runtime: DoubleRuntime) -> None:
    app = build_app(runtime, service=ServiceSettings(), key="the-key")
    async with serve(app, "127.0.0.1", 0, shutdown=1.0) as base:
        context = await chromium.new_context(java_script_enabled=False)
        page = await context.new_page()
        await page.goto(base + app[RULES].viewers.make_link(None), timeout=WAIT)
        await page.click("button[aria-label='Pause aichats']", timeout=WAIT)
        await page.wait_for_selector("button[aria-label='Resume aichats']", timeout=WAIT)
        assert runtime.paused == {"aichats"}
        await page.click("text=Leave", timeout=WAIT)
        await page.wait_for_selector("text=To come in", timeout=WAIT)
        await context.close()


async def test_the_playground_shows_text_as_text_and_pictures(chromium: Browser, runtime: DoubleRuntime) -> None:
    text = "<img src=x onerror=alert(1)> & more"
    runtime.script = [[text], [Image(data=DOT, media_type="image/gif", alt="a dot")]]
    async with opened(chromium, runtime) as here:
        await here.page.get_by_label("Question").fill("Draw a dot")
        await here.page.keyboard.press("Control+Enter")
        answer = here.page.locator(".answers .answer")
        await expect(answer).to_have_text(text, timeout=WAIT)
        picture = answer.get_by_role("img", name="a dot")
        await expect(picture).to_have_js_property("naturalWidth", 1, timeout=WAIT)
        await expect(here.page.locator("#send")).to_be_enabled(timeout=WAIT)
        assert html.escape(text, quote=False) in await answer.inner_html()


async def test_stop_ends_an_answer(chromium: Browser, runtime: DoubleRuntime) -> None:
    runtime.script = [["Begun"], asyncio.Event()]
    async with opened(chromium, runtime) as here:
        await here.page.get_by_label("Question").fill("Hello")
        await here.page.get_by_role("button", name="Ask").click()
        await expect(here.page.locator(".answers .answer")).to_have_text("Begun", timeout=WAIT)
        await here.page.get_by_role("button", name="Stop").click()
        async with asyncio.timeout(60):
            await runtime.answers[0].closed.wait()
        await expect(here.page.locator(".answers .failed")).to_have_text("Stopped.", timeout=WAIT)


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_axe_finds_no_fault_and_nothing_overflows(chromium: Browser, runtime: DoubleRuntime, scheme: str) -> None:
    from axe_playwright_python.async_playwright import Axe

    async with opened(chromium, runtime) as here:
        attempt = Attempt(what="chat", status=200, transport="direct", verdict="ok", took=0.1)
        runtime.events.publish(CallRecord(at=1.0, site="aichats", attempts=(attempt,), took=0.2))
        await here.page.get_by_label("Question").fill("Hello")
        await here.page.get_by_role("button", name="Ask").click()
        await expect(here.page.locator(".requests, #requests p").first).to_be_visible(timeout=WAIT)
        stranger = await (await chromium.new_context()).new_page()
        await stranger.goto(here.base, timeout=WAIT)
        login = await here.context.new_page()
        await login.goto(f"{here.base}/dashboard/sites/aichats/login", timeout=WAIT)
        for page in (here.page, login, stranger):
            await page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]  # one of its literals
            for width in (375, 900, 1440):
                await page.set_viewport_size({"width": width, "height": 800})
                found = await Axe().run(page)
                assert found.violations_count == 0, found.generate_report()
                assert await page.evaluate("document.documentElement.scrollWidth") == width
        await stranger.context.close()


ADDITION = AdditionState(
    id="0123456789abcdef",
    pid=os.getpid(),
    url="https://wiki.example/",
    site="wiki",
    rows=(("token key", "differs between two sessions", "input[name=key]@value"),),
    lines='[sites.wiki]\nprovider = "web"   # ' + "a long comment on the line " * 10,
    unsure=("which of two tokens is read",),
    secrets=("wiki-user", "wiki-password"),
    file="/a/folder/of/a/long/name/" * 4 + "doorkey.toml",
)
SHOWN = {
    "looking": replace(ADDITION, steps=("the page is opened", "the login is sent")),
    "showing": replace(ADDITION, phase="showing", view="an-id"),
    "asking": replace(ADDITION, phase="asking", question="POST https://wiki.example/notes " + "text " * 60),
    "tried": replace(ADDITION, phase="found", tried=True, told="survived a forced logout"),
    "failed trial": replace(ADDITION, phase="found", tried=True, failed=True, told="it did not survive"),
    "failed": replace(ADDITION, phase="failed", fault="the page did not answer"),
    "written": replace(ADDITION, phase="written", told="survived a forced logout"),
}


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_axe_finds_no_fault_in_any_state_of_a_site_that_is_added(
    chromium: Browser, runtime: DoubleRuntime, scheme: str
) -> None:
    from axe_playwright_python.async_playwright import Axe

    place = Place.alone()
    board = Board(place.memory.addition, lambda: None)
    async with opened(chromium, runtime, place=place) as here:
        await here.page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]  # one of its literals
        for state in SHOWN.values():
            board.begin(state)
            await here.page.reload()
            await here.page.set_viewport_size({"width": 390, "height": 800})
            found = await Axe().run(here.page)
            assert found.violations_count == 0, (state.phase, found.generate_report())
            assert await here.page.evaluate("document.documentElement.scrollWidth") == 390, state.phase
            board.publish(replace(state, phase="failed"))
            board.dismiss(state.id)
