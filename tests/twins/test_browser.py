"""A real Chromium enters each twin: the cookie arrives by script, and the page's own chat is answered."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, Page, async_playwright

from doorkey.browser import find_chromium
from doorkey_providers.twins.aichats import AiChatsTwin
from doorkey_providers.twins.twin import Twin
from doorkey_providers.twins.wordpress import ChatGpttTwin

pytestmark = pytest.mark.browser

PROMPT = "Grüße, <b>wie</b> geht's 😀?"
LIMIT = 10_000


@pytest.fixture(scope="module")
async def chromium() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        launched = await playwright.chromium.launch(
            executable_path=find_chromium().path, chromium_sandbox=os.geteuid() != 0
        )
        yield launched
        await launched.close()


@pytest.fixture
async def tab(chromium: Browser) -> AsyncIterator[Page]:
    """A page of a context of its own."""
    async with await chromium.new_context() as context:
        yield await context.new_page()


async def ask(page: Page, question: str) -> str:
    """Ask by the page's own chat; answers what it shows."""
    await page.fill("[name=question]", question)
    await page.click("button:enabled", timeout=LIMIT)
    answer = page.locator("#said .site[data-done]").last
    await answer.wait_for(timeout=LIMIT)
    assert await answer.get_attribute("data-done") == "yes", await answer.inner_text()
    return await answer.inner_text()


async def test_the_cookie_comes_by_script_a_moment_after_load(twin: Twin, chromium: Browser, tab: Page) -> None:
    async with await chromium.new_context(java_script_enabled=False) as without_scripts:
        await (await without_scripts.new_page()).goto(twin.url, wait_until="networkidle")
        assert twin.script_cookie not in {cookie.get("name") for cookie in await without_scripts.cookies()}
    await tab.goto(twin.url)
    await tab.wait_for_selector("button:enabled", timeout=LIMIT)
    assert twin.script_cookie in {cookie.get("name") for cookie in await tab.context.cookies()}


async def test_the_pages_own_script_is_answered(twin: Twin, tab: Page) -> None:
    await tab.goto(twin.url)
    assert await ask(tab, PROMPT) == f"{twin.name} heard: {PROMPT}"
    assert twin.log[0].user_agent == await tab.evaluate("navigator.userAgent")
    assert (twin.counts.accepted, twin.counts.page_loads, twin.counts.refused) == (1, 1, 0)


async def test_the_image_page_shows_a_picture(tab: Page) -> None:
    async with AiChatsTwin() as twin:
        await tab.goto(f"{twin.origin}/image/")
        await ask(tab, "a cat")
        assert await tab.locator("#said img").evaluate("image => image.naturalWidth") == 64


async def test_a_wordpress_page_keeps_its_client_id_and_sends_the_history(tab: Page) -> None:
    async with ChatGpttTwin() as twin:
        await tab.goto(twin.url)
        await ask(tab, "first")
        await tab.reload()
        await ask(tab, "second")
        client = await tab.evaluate("localStorage.getItem('wpaicg_chat_client_id')")
        assert [seen.fields["wpaicg_chat_client_id"] for seen in twin.log] == [client, client]
        assert twin.log[0].fields["wpaicg_chat_history"] == "[]"
        assert "Human: first" in twin.log[1].fields["wpaicg_chat_history"]


@pytest.mark.parametrize(("generation", "stream"), [("1.8", True), ("2.x", False), ("2.x", True)])
async def test_the_script_of_each_generations_page_is_answered(generation: str, stream: bool, tab: Page) -> None:
    async with ChatGpttTwin() as twin:
        twin.switch(generation=generation, stream=stream, bots=["Support Bot"])
        await tab.goto(twin.url)
        said = "Grüße 😀" if generation == "1.8" else PROMPT
        assert await ask(tab, said) == f"chatgptt heard: {said}"
        assert twin.counts.refused == 0
