"""`doorkey add --show`: a scripted person uses mouse and keyboard in the window, and the draft alone then works."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import shutil
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from aiohttp.test_utils import TestServer

import doorkey
from doorkey import Runtime, Settings
from doorkey.browser import BrowserPool
from doorkey.cli.add.command import add_site
from doorkey.cli.add.report import AddReport
from doorkey.cli.add.showing import Showing
from doorkey.errors import NeedsPerson
from doorkey.learning.sample import Sample
from doorkey.setup.site_setup import SiteSetup, refuse
from scripted_person import click, press_bar

from .conftest import Done

sys.path.insert(0, str(Path(__file__).parent))
from shown_sites import KINDS, PASSWORD, USER, BearerSite, FormSite, ShownSite

Quick = Callable[..., Done]
FILE = Path("doorkey.toml")
WRITES = 50
needs_screen = pytest.mark.skipif(shutil.which("Xvfb") is None, reason="needs Xvfb")


class Person:
    """Uses a page by mouse and keyboard alone. The bar's button is found as DevTools sees it: by its place."""

    def __init__(self, upload: Path | None = None) -> None:
        self.upload = upload
        self.task: asyncio.Task[None] | None = None

    def __call__(self, page: Any) -> None:
        self.task = asyncio.create_task(self.act(page))

    async def act(self, page: Any) -> None:
        await click(page, "input[name=user]")
        await page.keyboard.type(USER)
        await page.keyboard.press("Tab")
        await page.keyboard.type(f"{PASSWORD}x")
        await page.keyboard.press("Backspace")
        await page.keyboard.press("Enter") if await page.query_selector("form") else await click(page, "button")
        await page.wait_for_selector("#save")
        await press_bar(page)
        await click(page, "input[name=text]")
        await page.keyboard.type("shown")
        if self.upload is not None:
            await page.set_input_files("input[type=file]", self.upload)
        async with page.expect_response(lambda answer: answer.request.method == "POST"):
            await click(page, "#save")
        await page.wait_for_selector("#save")
        await press_bar(page)


async def show(url: str, browsers: BrowserPool, person: Any, agrees: Callable[[Sample], Awaitable[bool]]) -> AddReport:
    showing = Showing(person=person, virtual=True)
    setup = SiteSetup(
        url=url, name="notes", config=None, settings=Settings.load(), pool=browsers, showing=showing, agrees=agrees
    )
    return await add_site(setup)


@needs_screen
@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
async def test_what_a_person_has_shown_carries_fifty_writes_over_a_forced_logout(
    home: Path,
    browsers: BrowserPool,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
    kind: str,
) -> None:
    caplog.set_level(logging.DEBUG)
    site, offered = KINDS[kind](), []
    upload = home / "photo.txt"
    upload.write_text("a photo")

    async def agree(sample: Sample) -> bool:
        offered.append(str(sample))
        return True

    async with TestServer(site.app(), host="127.0.0.1") as server:
        url = str(server.make_url("/"))
        person = Person(upload if kind == "upload" else None)
        added = await asyncio.wait_for(show(url, browsers, person, agree), 150)
        assert person.task is not None
        await person.task
        added.show()
        assert (added.exit, added.written) == (0, True), added.as_json()
        assert added.found.verdict is not None
        assert added.found.verdict.survived is True
        assert "once after another forced logout" in added.found.verdict.told
        assert len(offered) == 1
        assert site.wrote == ["shown", "shown (tried by doorkey)"]
        said = capsys.readouterr()
        check_canary(home, caplog.text + said.out + said.err + json.dumps(added.as_json()))

        site.wrote.clear()
        monkeypatch.setenv("NOTES_USER", USER)
        monkeypatch.setenv("NOTES_PASSWORD", PASSWORD)
        await write_many(site, browsers, kind)
    assert sorted(site.wrote) == sorted(f"note {number}" for number in range(WRITES))


async def write_many(site: ShownSite, browsers: BrowserPool, kind: str) -> None:
    async with Runtime(Settings.load(), pool=browsers) as runtime, doorkey.client("notes", runtime=runtime) as notes:
        for number in range(WRITES):
            text = f"note {number}"
            body: dict[str, Any] = {"data": {"text": text}}
            if kind == "bearer":
                body = {"json": {"note": {"text": text}}}
            path = "/api/notes" if kind == "bearer" else "/notes"
            async with notes.post(path, **body) as answer:
                assert answer.status == 200, (number, await answer.text())
            if number == WRITES // 2:
                site.kill()


def check_canary(home: Path, said: str) -> None:
    """Look for the password wherever doorkey may have left it, as it was typed and in other forms."""
    forms = {
        PASSWORD,
        quote(PASSWORD),
        quote(PASSWORD, safe=""),
        PASSWORD.replace(" ", "+"),
        json.dumps(PASSWORD)[1:-1],
    }
    forms |= {base64.b64encode(PASSWORD.encode()).decode(), PASSWORD[:-4]}
    files = [path for path in home.rglob("*") if path.is_file()]
    assert FILE.resolve() in files
    for form in forms:
        assert form not in said
        assert [path for path in files if form.encode() in path.read_bytes()] == []


@needs_screen
@pytest.mark.browser
@pytest.mark.slow
async def test_no_write_is_sent_unless_somebody_agrees(home: Path, browsers: BrowserPool) -> None:
    site = FormSite()
    async with TestServer(site.app(), host="127.0.0.1") as server:
        added = await asyncio.wait_for(show(str(server.make_url("/")), browsers, Person(), refuse), 150)
    assert (added.exit, added.written, site.wrote) == (0, True, ["shown"]), added.as_json()


@needs_screen
@pytest.mark.browser
@pytest.mark.slow
async def test_a_window_that_is_closed_before_the_login_adds_nothing(home: Path, browsers: BrowserPool) -> None:
    tasks = []

    def leave(page: Any) -> None:
        tasks.append(asyncio.create_task(page.close()))

    async with TestServer(BearerSite().app(), host="127.0.0.1") as server:
        with pytest.raises(NeedsPerson, match="closed before the login was shown"):
            await asyncio.wait_for(show(str(server.make_url("/")), browsers, leave, refuse), 60)
    assert not FILE.exists()


def test_without_a_screen_it_is_said_what_to_do(quick: Quick) -> None:
    done = quick("add", "https://shop.example/", "--show")
    assert (done.code, done.out) == (2, "")
    assert "there is no screen" in done.err
    assert "doorkey add --har FILE" in done.err
    assert "--show needs the URL" in quick("add", "--show").err
