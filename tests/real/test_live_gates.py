"""A person passes ALTCHA's checkbox in the live view, on a desk and on a phone; the calls that wait are answered."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from playwright.async_api import Browser, Page, async_playwright, expect

from doorkey import Runtime
from doorkey.browser.chromium import find_chromium
from doorkey.config.settings import ServiceSettings
from doorkey.service.app import RULES, build_app, serve

sys.path.insert(0, str(Path(__file__).parent))
from asking import entered
from software.gated import Gated

pytestmark = [pytest.mark.browser, pytest.mark.real("altcha")]
WAIT = 60_000
PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 760}, "has_touch": True, "is_mobile": True}
DESK: dict[str, Any] = {"viewport": {"width": 1000, "height": 700}}


@pytest.fixture
async def chromium() -> AsyncIterator[Browser]:
    path = (await asyncio.to_thread(find_chromium)).path
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=path, chromium_sandbox=os.geteuid() != 0, timeout=WAIT
        )
        yield browser
        await browser.close()


@pytest.mark.parametrize("device", ["desk", "phone"])
async def test_a_checkbox_is_ticked_through_the_live_view_and_waiting_calls_are_answered(
    start: Callable[..., Gated], chromium: Browser, device: str
) -> None:
    notes, touch = start("altcha", auto="off", status=403), device == "phone"
    async with entered(notes.url, limits={"total": 600}) as runtime:
        runtime.pool.handovers.offered = True
        async with (
            serve(app := build_app(runtime, service=ServiceSettings(), key="k"), "127.0.0.1", 0) as base,
            aiohttp.ClientSession(headers={"x-api-key": "k", "Accept": "application/json"}) as program,
        ):
            calls = [asyncio.create_task(ask(program, base, f"question {number}")) for number in range(5)]
            context = await chromium.new_context(**(PHONE if touch else DESK))
            page = await context.new_page()
            await page.goto(base + app[RULES].viewers.make_link(None))
            await page.get_by_role("link", name="Open the live view of notes").click(timeout=WAIT)
            await expect(page.locator("#curtain")).to_be_hidden(timeout=WAIT)
            await fit(page)
            x, y = await find_box(runtime)
            picture = await page.locator("#picture").bounding_box()
            assert picture is not None
            assert not any(call.done() for call in calls)
            at = picture["x"] + x, picture["y"] + y
            await (page.touchscreen.tap(*at) if touch else page.mouse.click(*at))
            await expect(page.locator("#state")).to_have_class("done", timeout=WAIT)
            assert await asyncio.gather(*calls) == [200] * 5
            await context.close()
    counts = notes.counts()
    assert (counts["passes"], counts["calls"], counts["worthless"]) == (1, 5, 0)


async def ask(program: aiohttp.ClientSession, base: str, text: str) -> int:
    async with program.post(f"{base}/site/notes/api/heard", json={"text": text}) as answer:
        return answer.status


async def fit(page: Page) -> None:
    """Wait until the page that is shown is as large as the picture's place."""
    room = await page.locator("#stage").bounding_box()
    assert room is not None
    await expect(page.locator("#picture")).to_have_js_property("naturalWidth", round(room["width"]), timeout=WAIT)


async def find_box(runtime: Runtime) -> tuple[float, float]:
    """Where the checkbox stands in doorkey's own browser. It is ticked through the live view only."""
    [running] = runtime.pool._list_all()
    [page] = [page for context in running.browser.contexts for page in context.pages]
    box = await page.locator("altcha-widget input[type=checkbox]").bounding_box()
    assert box is not None
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
