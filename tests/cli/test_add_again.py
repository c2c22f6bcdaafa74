"""`doorkey add` again: a site that it made is completed, and the rest of the file keeps its bytes."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

import pytest
from aiohttp.test_utils import TestServer

from doorkey import Settings
from doorkey.browser import BrowserPool
from doorkey.cli.add.command import add_site
from doorkey.cli.add.report import AddReport
from doorkey.setup.site_setup import SiteSetup

sys.path.insert(0, str(Path(__file__).parent))
from member_sites import FIELDS, HIDDEN, LEAVE, PASSWORD, USER, MemberSite

pytestmark = [pytest.mark.browser, pytest.mark.slow]
FILE = Path("doorkey.toml")
BEFORE = "# mine\n[limits]\nvisit = 40 # as it was\n\n"
AFTER = '\n# kept\n[sites.other]\nprovider = "web"\nurl = "https://other.example/"'


async def add(url: str, browsers: BrowserPool) -> AddReport:
    setup = SiteSetup(url=url, name="notes", config=None, settings=Settings.load(), pool=browsers, settle=0.0)
    return await add_site(setup)


@pytest.mark.parametrize("public", ["", '<a href="/login">Sign in</a>'])
async def test_a_site_is_completed_once_the_values_of_its_login_are_set(
    home: Path,
    browsers: BrowserPool,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    public: str,
) -> None:
    site = MemberSite(
        form=f'<form method="post">{FIELDS}<button>Go</button></form>',
        inside=f"{HIDDEN}{LEAVE}",
        public=public,
        takes="form:tok",
    )
    FILE.write_text(BEFORE)
    async with TestServer(site.app(), host="127.0.0.1") as server:
        url = str(server.make_url("/"))
        first = await add(url, browsers)
        first.show()
        again = f"doorkey add {url} --name notes"
        assert again in capsys.readouterr().out
        FILE.write_text(f"{FILE.read_text()}limits.challenge = 20  # by hand\n{AFTER}")
        unchanged = FILE.read_bytes()
        assert (await add(url, browsers)).found.unchanged
        assert FILE.read_bytes() == unchanged

        monkeypatch.setenv("NOTES_USER", USER)
        monkeypatch.setenv("NOTES_PASSWORD", PASSWORD)
        second = await add(url, browsers)
        assert (second.exit, second.found.verdict and second.found.verdict.survived) == (0, True), second.as_json()
        text = FILE.read_text()
        assert text.startswith(BEFORE)
        assert text.endswith(AFTER)
        assert "limits.challenge = 20  # by hand\n" in text
        assert tomllib.loads(text)["sites"]["notes"]["tokens"] == {"tok": "input[name=tok]@value"}
        assert "+ tokens.tok" in second.found.diff
        assert PASSWORD not in text + second.found.diff

        assert (await add(url, browsers)).found.diff == ""
        assert FILE.read_text() == text


async def test_the_places_that_the_user_chose_for_the_values_stay(
    home: Path, browsers: BrowserPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = MemberSite(form=f'<form method="post">{FIELDS}<button>Go</button></form>', inside=f"{HIDDEN}{LEAVE}")
    async with TestServer(site.app(), host="127.0.0.1") as server:
        url = str(server.make_url("/"))
        assert (await add(url, browsers)).found.missing == ("NOTES_USER", "NOTES_PASSWORD")
        Path("pw").write_text(PASSWORD)
        FILE.write_text(FILE.read_text().replace("env:NOTES_PASSWORD", "file:pw"))
        monkeypatch.setenv("NOTES_USER", USER)
        added = await add(url, browsers)
        assert (added.exit, added.written) == (0, True), added.as_json()
        steps = tomllib.loads(FILE.read_text())["sites"]["notes"]["visit"]["steps"]
        assert [step["value"] for step in steps if "value" in step] == ["env:NOTES_USER", "file:pw"]
