"""`doorkey add`, with credentials and by a recording, on small sites of kinds that real applications have."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from aiohttp.test_utils import TestServer

import doorkey
from doorkey import Runtime, Settings
from doorkey.browser import BrowserPool
from doorkey.cli.add.command import add_site
from doorkey.errors import SessionEnded
from doorkey.setup.site_setup import SiteSetup
from scripted_person import sanitize

sys.path.insert(0, str(Path(__file__).parent))
from odd_sites import KINDS, PASSWORD, USER, OddSite, Step

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page

WRITES = 30
DEATH = 18
"""The write after which all sessions end at the site."""
SANITIZED = ("rotating", "sanctum", "graphql", "two steps", "one use", "grant", "in memory")
"""Kinds that are tried by a sanitized recording, too."""
CASES = [(kind, way) for kind in KINDS for way in ("credentials", "recording")]
CASES += [(kind, "sanitized") for kind in SANITIZED]
VAGUE = ("arrays", "modal", "session header", "verification", "choices")
"""Sites whose answer to a dead session does not say that nothing was processed: without leave to send a write as a
stranger, one write is not sent again, and the caller is told."""


@pytest.fixture(scope="module")
async def recorder() -> AsyncIterator[Browser]:
    """The browser of a person who records."""
    from playwright.async_api import async_playwright

    from doorkey.browser.chromium import find_chromium

    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=str(find_chromium().path))
        yield browser
        await browser.close()


async def record(recorder: Browser, url: str, site: OddSite, file: Path) -> None:
    context = await recorder.new_context(record_har_path=file, record_har_content="embed")
    page = await context.new_page()
    await page.goto(url)
    await act(page, site.enter)
    await page.wait_for_load_state("networkidle")
    await act(page, site.use)
    await page.wait_for_load_state("networkidle")
    await context.close()


async def act(page: Page, steps: tuple[Step, ...]) -> None:
    for css, text in steps:
        await page.wait_for_selector(css)
        await (page.type(css, text) if text else page.click(css))


@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.parametrize(("kind", "way"), CASES)
async def test_a_site_of_this_kind_survives_a_forced_logout(
    kind: str, way: str, home: Path, browsers: BrowserPool, recorder: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOTES_USER", USER)
    monkeypatch.setenv("NOTES_PASSWORD", PASSWORD)
    site = KINDS[kind]()
    async with TestServer(site.app(), host="127.0.0.1") as server:
        url, har = str(server.make_url("/")), None
        if way != "credentials":
            har = home / "notes.har"
            site.short = True
            await record(recorder, url, site, har)
            assert site.wrote == ["shown"]
            sanitize(har) if way == "sanitized" else None
        site.wrote.clear()
        site.short = False
        setup = SiteSetup(
            url="" if har else url, name="notes", config=None, settings=Settings.load(), pool=browsers, har=har,
            settle=0.5,
        )  # fmt: skip
        added = await asyncio.wait_for(add_site(setup), 150)
        assert (added.exit, added.written) == (0, True), added.as_json()
        assert PASSWORD not in Path("doorkey.toml").read_text() + json.dumps(added.as_json())
        ended = await write_many(site, browsers)
    assert len(set(site.wrote)) == len(site.wrote)
    assert len(site.wrote) == WRITES - ended, added.found.table
    assert ended <= (kind in VAGUE)


async def write_many(site: OddSite, browsers: BrowserPool) -> int:
    """Write, with a death between. Returns how many writes ended with the word that the session was dead."""
    ended = 0
    async with Runtime(Settings.load(), pool=browsers) as runtime, doorkey.client("notes", runtime=runtime) as notes:
        for number in range(WRITES):
            try:
                async with notes.request(site.method, site.path, **site.body(f"note {number}")) as answer:
                    await answer.read()
            except SessionEnded:
                ended += 1
            if number == DEATH:
                site.kill()
    return ended
