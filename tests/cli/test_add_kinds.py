"""`doorkey add` with a login on small sites of several kinds: what it writes carries writes over a killed session."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from aiohttp.test_utils import TestServer

import doorkey
from doorkey import Runtime, Settings
from doorkey.browser import BrowserPool
from doorkey.cli.add.command import add_site
from doorkey.setup.site_setup import SiteSetup

sys.path.insert(0, str(Path(__file__).parent))
from member_sites import KINDS, PASSWORD, USER


@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
async def test_a_site_of_this_kind_is_learned(
    kind: str, home: Path, browsers: BrowserPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOTES_USER", USER)
    monkeypatch.setenv("NOTES_PASSWORD", PASSWORD)
    site = KINDS[kind]()
    async with TestServer(site.app(), host="127.0.0.1") as server:
        url = str(server.make_url("/"))
        setup = SiteSetup(url=url, name="notes", config=None, settings=Settings.load(), pool=browsers)
        added = await add_site(setup)
        assert added.found.verdict is not None
        assert (added.exit, added.written, added.found.verdict.survived) == (0, True, True), added.as_json()
        text = Path("doorkey.toml").read_text()
        assert PASSWORD not in text + str(added.as_json())
        async with (
            Runtime(Settings.load(), pool=browsers) as runtime,
            doorkey.client("notes", runtime=runtime) as notes,
        ):
            for number in range(3):
                async with notes.post("/notes", data={"text": f"note {number}"}) as answer:
                    assert answer.status == 200, text
                site.kill()
    assert site.wrote == ["note 0", "note 1", "note 2"]
