"""`doorkey add --har` as a user runs it, on recordings of a real browser and on other files."""

from __future__ import annotations

import json
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from aiohttp.test_utils import TestServer

import doorkey
from doorkey import Runtime, Settings
from doorkey.browser import BrowserPool
from doorkey.cli.add.command import add_site
from doorkey.setup.site_setup import SiteSetup

from .conftest import Done

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "learning"))
from hars import PASSWORD as TYPED
from hars import Har
from member_sites import FIELDS, HIDDEN, PASSWORD, USER, MemberSite

Quick = Callable[..., Done]
FILE = Path("doorkey.toml")


def recording() -> Path:
    home = '<a href="/logout">Log out</a><meta name="csrf" content="9a8b7c6d5e4f3021">'
    har = Har().log_in().add("GET", "/", html=home)
    har.add("POST", "/api", body={"title": "one"}, headers={"x-csrf": "9a8b7c6d5e4f3021"})
    file = Path("shop.har")
    file.write_bytes(har.dump())
    return file


def test_a_recording_is_written_and_says_what_to_set(quick: Quick) -> None:
    done = quick("add", "--har", str(recording()))
    assert "next: set SHOP_USER and SHOP_PASSWORD, then: doorkey check shop" in done.out
    assert "POST /api (title)" in done.out
    assert "holds the password" in done.err
    assert TYPED not in done.out + done.err + FILE.read_text()
    assert tomllib.loads(FILE.read_text())["sites"]["shop"]["url"] == "https://shop.example/"


def test_a_recording_is_told_to_programs(quick: Quick) -> None:
    done = quick("add", "--har", str(recording()), "--json", "--dry-run", "--name", "it")
    told = json.loads(done.out)
    assert (told["site"], told["written"], told["holds_password"], done.err) == ("it", False, True, "")
    assert not FILE.exists()


@pytest.mark.parametrize("data", [b"", b"hello", b'{"log": {"entries": []}}'])
def test_what_is_no_recording_is_told_and_nothing_is_written(quick: Quick, data: bytes) -> None:
    Path("x.har").write_bytes(data)
    done = quick("add", "--har", "x.har")
    assert (done.code, done.out) == (2, "")
    assert "x.har: this is no HAR file that can be read" in done.err
    assert not FILE.exists()


def test_without_a_page_and_without_a_recording_the_usage_is_told(quick: Quick) -> None:
    assert "or --har FILE" in quick("add").err
    assert "does not exist" in quick("add", "--har", "none.har").err


@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.parametrize("sanitized", [False, True])
async def test_what_a_real_browser_has_recorded_carries_writes_over_a_killed_session(
    home: Path, browsers: BrowserPool, monkeypatch: pytest.MonkeyPatch, sanitized: bool
) -> None:
    site = MemberSite(
        form=f'<form method="post">{FIELDS}<button>Go</button></form>',
        inside=f'<a href="/logout">Leave</a>{HIDDEN.replace("</form>", "<button>Save</button></form>")}',
        takes="form:tok",
    )
    async with TestServer(site.app(), host="127.0.0.1") as server:
        url = str(server.make_url("/"))
        await record(url, Path("notes.har"), sanitized=sanitized)
        assert site.wrote == ["shown"]
        monkeypatch.setenv("NOTES_USER", USER)
        monkeypatch.setenv("NOTES_PASSWORD", PASSWORD)
        setup = SiteSetup(
            url="", name="notes", config=None, settings=Settings.load(), pool=browsers, har=Path("notes.har")
        )
        added = await add_site(setup)
        assert added.found.verdict is not None
        assert (added.exit, added.found.verdict.survived) == (0, True), added.as_json()
        async with (
            Runtime(Settings.load(), pool=browsers) as runtime,
            doorkey.client("notes", runtime=runtime) as notes,
        ):
            for number in range(2):
                async with notes.post("/notes", data={"text": f"note {number}"}) as answer:
                    assert answer.status == 200, added.found.table
                site.kill()
    assert site.wrote == ["shown", "note 0", "note 1"]


async def record(url: str, file: Path, *, sanitized: bool) -> None:
    """Log in and write once in a real Chromium that records a HAR file, as a person does."""
    from playwright.async_api import async_playwright

    from doorkey.browser.chromium import find_chromium

    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=str(find_chromium().path))
        context = await browser.new_context(record_har_path=file, record_har_content="embed")
        page = await context.new_page()
        await page.goto(url)
        await page.type("input[name=user]", USER)
        await page.type("input[name=pw]", PASSWORD)
        await page.click("button")
        await page.type("input[name=text]", "shown")
        await page.click("button")
        await page.wait_for_load_state()
        await context.close()
        await browser.close()
    if not sanitized:
        return
    har = json.loads(file.read_text())
    for entry in har["log"]["entries"]:
        for message in (entry["request"], entry["response"]):
            hidden = ("cookie", "set-cookie", "authorization")
            message["headers"] = [one for one in message["headers"] if one["name"].lower() not in hidden]
            message["cookies"] = []
    file.write_text(json.dumps(har))
