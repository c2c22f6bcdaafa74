"""The bar of the window in which a person shows a site: pages can't read it, and it does not disturb them."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from doorkey.browser import BrowserPool, Profile, record_use
from doorkey.browser.showing.bar import BINDING
from doorkey.learning import Recording
from scripted_person import press_bar

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("Xvfb") is None, reason="needs Xvfb"),
]
VIRTUAL = Profile(name="shown", display="virtual")
FORM = '<form method="post"><input name="user"><input name="pw" type="password" value=""><button>Go</button></form>'
SPY = f"""<script>
window.seen = [];
for (const kind of ["click", "keydown", "input"])
  document.addEventListener(kind, (event) => window.seen.push(`${{kind}} ${{event.target.localName}}`));
window.look = () => JSON.stringify({{
  binding: "{BINDING}" in window, mark: "doorkeyBar" in window, seen: window.seen,
  root: String(document.querySelector("doorkey-bar")?.shadowRoot),
  text: document.body.innerText.includes("Log in."), children: document.body.children.length }});
</script>"""


@asynccontextmanager
async def serving(html: str, **headers: str) -> AsyncIterator[str]:
    async def page(_: web.Request) -> web.Response:
        return web.Response(text=f"<!doctype html><body>{html}</body>", content_type="text/html", headers=headers)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", page)
    async with TestServer(app, host="127.0.0.1") as server:
        yield str(server.make_url("/"))


async def show(url: str, browsers: BrowserPool, act: Callable[[Any], Awaitable[None]]) -> Recording:
    """Return what is recorded while *act* uses the page."""
    tasks: list[asyncio.Future[None]] = []
    person = lambda page: tasks.append(asyncio.ensure_future(act(page)))  # noqa: E731
    recording = await asyncio.wait_for(record_use(browsers, VIRTUAL, url, headed=None, person=person), 60)
    await tasks[0]
    return recording


async def test_a_page_sees_neither_the_bar_nor_what_is_told(browsers: BrowserPool) -> None:
    looks: list[dict[str, Any]] = []

    async def act(page: Any) -> None:
        await press_bar(page)
        looks.append(json.loads(await page.evaluate("window.look()")))
        await press_bar(page)

    async with serving(f"<p>hello</p>{SPY}") as url:
        recording = await show(url, browsers, act)
    assert looks == [
        {"binding": False, "mark": False, "seen": [], "root": "null", "text": False, "children": 2},
    ]  # fmt: skip
    assert [event for event in recording.events if event.action == "click"] == []
    assert all("<doorkey-bar" not in page.html for page in recording.pages("stranger", "first"))


async def test_a_strict_policy_and_a_page_that_replaces_itself_keep_the_bar(browsers: BrowserPool) -> None:
    async def act(page: Any) -> None:
        await page.evaluate("document.documentElement.replaceChildren(document.createElement('body'))")
        await press_bar(page)
        await page.reload()
        await press_bar(page)

    policy = {"content-security-policy": "default-src 'none'; require-trusted-types-for 'script'"}
    async with serving("<p>hello", **policy) as url:
        recording = await show(url, browsers, act)
    assert recording.exchanges[0].url == url


async def test_corrections_are_folded_and_what_is_typed_is_marked(browsers: BrowserPool) -> None:
    async def act(page: Any) -> None:
        await page.click("input[name=user]")
        await page.keyboard.type("adx")
        await page.keyboard.press("Backspace")
        await page.keyboard.type("a")
        await page.click("input[name=pw]")
        await page.keyboard.type("hunter2 & more")
        await page.click("form button")
        await page.wait_for_load_state()
        await press_bar(page)
        await press_bar(page)

    async with serving(FORM) as url:
        recording = await show(url, browsers, act)
    filled = [(event.selector, event.value, event.secret) for event in recording.events if event.action == "fill"]
    assert filled == [('input[name="user"]', "ada", False), ('input[name="pw"]', "hunter2 & more", True)]
    assert "hunter2" not in repr(recording)


async def test_a_new_window_of_the_page_has_the_bar_and_is_recorded(browsers: BrowserPool) -> None:
    async def act(page: Any) -> None:
        await press_bar(page)
        async with page.expect_popup() as opening:
            await page.click("a")
        popup = await opening.value
        await popup.wait_for_load_state()
        await popup.bring_to_front()
        await press_bar(popup)

    async with serving('<a href="/more" target="_blank">more</a>') as url:
        recording = await show(url, browsers, act)
    assert f"{url}more" in [one.url for one in recording.exchanges]
