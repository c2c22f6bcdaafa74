"""A site is added on the dashboard of a running service, in a real Chromium, with and without being shown."""

from __future__ import annotations

import asyncio
import json
import sys
import tomllib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from playwright.async_api import Page, async_playwright, expect

from doorkey.browser.chromium import find_chromium

from .conftest import LIMIT, Doorkey

sys.path.insert(0, str(Path(__file__).parent))
from shown_sites import LOGIN, PASSWORD, USER, FormSite
from shown_sites import page as make_page

pytestmark = [pytest.mark.browser, pytest.mark.slow]

KEY = "the-key-of-a-test"
WAIT = 60_000
"""Milliseconds that the page may take for a step, on a busy machine too."""
LOADED = "<script>addEventListener('load', () => fetch('/loaded', { method: 'HEAD' }));</script>"


@dataclass
class ToldSite(FormSite):
    """Says when a page of it has loaded in a browser."""

    loaded: asyncio.Event = field(default_factory=asyncio.Event)

    def app(self) -> web.Application:
        app = super().app()
        app.router.add_head("/loaded", self.note)
        return app

    async def note(self, _: web.Request) -> web.Response:
        self.loaded.set()
        return web.Response()

    async def login_page(self, _: web.Request) -> web.Response:
        return make_page(LOGIN + LOADED)

    def inside(self, token: str) -> str:
        return super().inside(token) + LOADED

    async def until_loaded(self) -> None:
        async with asyncio.timeout(WAIT / 1000):
            await self.loaded.wait()
        self.loaded.clear()


@dataclass
class Opened:
    """A running service, its dashboard in a browser, and a site."""

    base: str
    page: Page
    site: ToldSite
    url: str
    folder: Path
    home: Path


Open = Callable[..., Awaitable[Opened]]


@pytest.fixture
async def opened(doorkey: Doorkey) -> AsyncIterator[Open]:
    async with AsyncExitStack() as exits:

        async def open_dashboard(*arguments: str) -> Opened:
            site = ToldSite()
            server = await exits.enter_async_context(TestServer(site.app(), host="127.0.0.1"))
            (doorkey.folder / "doorkey.toml").write_text("# mine\n[service]\nlive_view = true\n")
            serving = await doorkey.start(
                "serve", "--port", "0", "--json", "--key", KEY, *arguments, stderr=asyncio.subprocess.DEVNULL
            )
            assert serving.stdout is not None
            async with asyncio.timeout(LIMIT):
                told = json.loads(await serving.stdout.readline())
            base = told["base_url"].removesuffix("/v1")
            browser = await (await exits.enter_async_context(async_playwright())).chromium.launch(
                executable_path=(await asyncio.to_thread(find_chromium)).path, timeout=WAIT
            )
            exits.push_async_callback(browser.close)
            page = await browser.new_page()
            page.set_default_timeout(WAIT)
            async with (
                aiohttp.ClientSession(headers={"authorization": f"Bearer {KEY}"}) as client,
                client.post(f"{base}/api/dashboard/links") as made,
            ):
                await page.goto(base + (await made.json())["path"])
            return Opened(base, page, site, str(server.make_url("/")), doorkey.folder, doorkey.home)

        yield open_dashboard


async def write_over_a_forced_logout(here: Opened) -> None:
    """Write through the door, kill the session, and write again."""
    async with aiohttp.ClientSession(headers={"authorization": f"Bearer {KEY}"}) as client:
        for number in range(3):
            async with client.post(f"{here.base}/site/notes/notes", data={"text": f"note {number}"}) as answer:
                assert answer.status == 200, await answer.text()
            here.site.kill()
    assert [text for text in here.site.wrote if text.startswith("note ")] == [f"note {number}" for number in range(3)]


def check_kept(here: Opened) -> None:
    """The password stands in the file of secrets, which only the user can read, and nowhere else."""
    text = (here.folder / "doorkey.toml").read_text()
    assert text.startswith("# mine\n")
    assert "secret:notes-password" in json.dumps(tomllib.loads(text)["sites"]["notes"])
    forms = {PASSWORD.encode(), json.dumps(PASSWORD)[1:-1].encode()}
    files = [path for root in (here.home, here.folder) for path in root.rglob("*") if path.is_file()]
    holding = [path for path in files if any(form in path.read_bytes() for form in forms)]
    assert [path.name for path in holding] == ["secrets.json"]
    assert holding[0].stat().st_mode & 0o777 == 0o600


async def test_a_site_with_a_login_is_added_by_its_address_user_and_password(opened: Open) -> None:
    here = await opened()
    page = here.page
    await page.get_by_label("Address of the page").fill(here.url)
    await page.get_by_label("Name (optional)").fill("notes")
    await page.get_by_label("User (optional)").fill(USER)
    await page.get_by_label("Password (optional)").fill(PASSWORD)
    await page.get_by_role("button", name="Add the site").click()
    await expect(page.get_by_text("survived a forced logout")).to_be_visible(timeout=WAIT)
    assert (here.site.wrote, "notes" in (here.folder / "doorkey.toml").read_text()) == ([], False)
    assert PASSWORD not in await page.content()
    await page.get_by_role("button", name="Write it").click()
    await expect(page.locator("#addition .state")).to_have_text("added", timeout=WAIT)
    await expect(page.get_by_role("button", name="Renew notes")).to_be_visible(timeout=WAIT)
    check_kept(here)
    await write_over_a_forced_logout(here)
    await page.get_by_role("button", name="Close").click()
    await expect(page.get_by_label("Address of the page")).to_be_visible(timeout=WAIT)


async def show(here: Opened) -> None:
    """Log in and write a note in the live view, by its keyboard alone."""
    page, site = here.page, here.site
    await site.until_loaded()
    await page.get_by_role("link", name="Open the live view").click()
    await expect(page.get_by_role("button", name="I am logged in")).to_be_enabled(timeout=WAIT)
    await page.get_by_role("button", name="Keyboard").click()
    for text in (USER, PASSWORD):
        await page.keyboard.press("Tab")
        await page.keyboard.type(text)
    await page.keyboard.press("Enter")
    await site.until_loaded()
    await page.get_by_role("button", name="I am logged in").click()
    await expect(page.locator("#state")).to_contain_text("Now do once", timeout=WAIT)
    await page.get_by_role("button", name="Keyboard").click()
    await page.keyboard.press("Tab")
    await page.keyboard.press("Tab")
    await page.keyboard.type("shown")
    await page.keyboard.press("Enter")
    await site.until_loaded()
    await page.get_by_role("button", name="Done", exact=True).click()
    await page.get_by_role("link", name="Dashboard").click()


async def test_a_site_is_added_by_being_shown_in_the_live_view_of_any_worker(opened: Open) -> None:
    here = await opened("--workers", "2")
    page = here.page
    await page.get_by_label("Address of the page").fill(here.url)
    await page.get_by_label("Name (optional)").fill("notes")
    await page.get_by_label("Show it once").check()
    await page.get_by_role("button", name="Add the site").click()
    await show(here)
    await expect(page.get_by_text("POST /notes")).to_be_visible(timeout=WAIT)
    assert here.site.wrote == ["shown"]
    await page.get_by_role("button", name="Send it once more").click()
    await expect(page.get_by_text("once after another forced logout")).to_be_visible(timeout=WAIT)
    assert here.site.wrote == ["shown", "shown (tried by doorkey)"]
    await page.get_by_role("button", name="Write it").click()
    await expect(page.get_by_role("button", name="Renew notes")).to_be_visible(timeout=WAIT)
    check_kept(here)
    await write_over_a_forced_logout(here)
