"""`doorkey repair` on sites that have changed: the lines that no longer hold are found, tried, and written."""

from __future__ import annotations

import sys
import tomllib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from aiohttp.test_utils import TestServer

import doorkey
from doorkey import Runtime, Settings
from doorkey.browser import BrowserPool
from doorkey.cli.repair.report import Repaired
from doorkey.cli.repair.site_repair import SiteRepair

from .conftest import Done, Doorkey

sys.path.insert(0, str(Path(__file__).parent))
from member_sites import FIELDS, HIDDEN, PASSWORD, USER, MemberSite
from shown_sites import PASSWORD as SHOWN_PASSWORD
from shown_sites import BearerSite

Quick = Callable[..., Done]
FILE = Path("doorkey.toml")
OUT = '<a id="out" href="/leave">Leave</a>'
FORM = f'<form method="post">{FIELDS}<button>Go</button></form>'
META = '<meta name="csrf-token" content="TOKEN">'
SETTINGS = """# mine
[sites.notes]  # by hand
provider = "web"
url = "URL"
ready = "#out"   # as it was
tokens.tok = "input[name=tok]@value"  # the form's
send.form.tok = "{tok}"
send.when = "POST /notes"
visit.steps = [
    { fill = "input[name=user]", value = "env:NOTES_USER" },
    { fill = "input[name=pw]", value = "env:NOTES_PASSWORD" },
    { click = "form button" },
]
limits.challenge = 20
# the end
"""


BEARER = """[sites.notes]
provider = "web"
url = "URL"
check = { url = "/api/me", holds = "json:name" }
tokens.key = "json:access"
send.header.Authorization = "Bearer {key}"
login.request = { path = "PATH", json = { handle = "env:ADA", pw = "env:NOTES_PASSWORD" } }
"""


@dataclass(frozen=True)
class Served:
    site: MemberSite
    url: str
    browsers: BrowserPool

    async def repair(self) -> Repaired:
        return await SiteRepair("notes", None, Settings.load(), pool=self.browsers, settle=0.0).run()

    async def write_over_a_killed_session(self) -> None:
        async with (
            Runtime(Settings.load(), pool=self.browsers) as runtime,
            doorkey.client("notes", runtime=runtime) as notes,
        ):
            for text in ("one", "two"):
                async with notes.post("/notes", data={"text": text}) as answer:
                    assert answer.status == 200
                self.site.kill()


@pytest.fixture
async def served(home: Path, browsers: BrowserPool, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Served]:
    monkeypatch.setenv("NOTES_USER", USER)
    monkeypatch.setenv("NOTES_PASSWORD", PASSWORD)
    site = MemberSite(form=FORM, inside=f"{HIDDEN}{OUT}", takes="form:tok")
    async with TestServer(site.app(), host="127.0.0.1") as server:
        url = str(server.make_url("/"))
        FILE.write_text(SETTINGS.replace("URL", url))
        yield Served(site, url, browsers)


def rename_field(site: MemberSite) -> None:
    site.inside, site.takes = HIDDEN.replace('name="tok"', 'name="_key"') + OUT, "form:_key"


def move_to_meta(site: MemberSite) -> None:
    site.inside = f"{META}{OUT}"


def move_to_script(site: MemberSite) -> None:
    site.inside = f'<script>window.app = {{ csrfToken: "TOKEN" }};</script>{OUT}'


def rename_login(site: MemberSite) -> None:
    site.password = "passphrase"
    site.form = FORM.replace('name="pw"', 'name="passphrase"').replace("<button>", '<input type="checkbox"><button>')


def lose_ready(site: MemberSite) -> None:
    site.inside = f'{HIDDEN}<a href="/logout">Leave</a>'


def change_all(site: MemberSite) -> None:
    rename_login(site)
    rename_field(site)
    site.inside = site.inside.replace(OUT, '<a href="/logout">Leave</a>')


@pytest.mark.browser
@pytest.mark.slow
async def test_a_write_that_may_be_tried_is_sent_once(served: Served) -> None:
    FILE.write_text(FILE.read_text().replace("# the end", 'examples = ["POST /notes text=probe"]\n# the end'))
    rename_field(served.site)
    repairing = SiteRepair("notes", None, Settings.load(), pool=served.browsers, settle=0.0, tries_write=True)
    repaired = await repairing.run()
    assert repaired.verdict.survived, repaired.as_json(written=False)
    assert "POST /notes once after another forced logout" in repaired.verdict.told
    assert served.site.wrote == ["probe"]


@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "settings"),
    [
        (rename_field, ["tokens.tok", "send"]),
        (move_to_meta, ["tokens.tok"]),
        (move_to_script, ["tokens.tok"]),
        (rename_login, ["visit.steps"]),
        (lose_ready, ["ready"]),
        (change_all, ["visit.steps", "ready", "tokens.tok", "send"]),
    ],
)
async def test_what_has_changed_at_the_site_is_corrected_and_the_rest_stays(
    served: Served, change: Callable[[MemberSite], None], settings: list[str]
) -> None:
    change(served.site)
    before = FILE.read_text()
    repaired = await served.repair()
    assert [one.setting for one in repaired.changes] == settings, repaired.as_json(written=False)
    assert (repaired.verdict.survived, repaired.may_write) == (True, True), repaired.as_json(written=False)
    assert FILE.read_text() == before
    repaired.write()
    after = FILE.read_text().splitlines()
    kept = ["# mine", "[sites.notes]  # by hand", "limits.challenge = 20", 'send.when = "POST /notes"', "# the end"]
    assert [line for line in kept if line not in after and line.partition("  #")[0].strip() not in str(after)] == []
    assert after[-1] == "# the end"
    await served.write_over_a_killed_session()
    assert served.site.wrote == ["one", "two"]


@pytest.mark.browser
@pytest.mark.slow
async def test_a_site_that_has_not_changed_needs_no_repair(served: Served) -> None:
    repaired = await served.repair()
    assert (repaired.changes, repaired.diff, repaired.exit(written=False)) == ((), "", 0)
    assert "nothing to repair: survived a forced logout" in repaired.summary


@pytest.mark.browser
@pytest.mark.slow
async def test_a_login_page_that_has_moved_is_found(served: Served) -> None:
    text = FILE.read_text().replace("visit.steps = [\n", 'visit.steps = [\n    { open = "/old/login" },\n')
    FILE.write_text(text)
    repaired = await served.repair()
    assert [one.setting for one in repaired.changes] == ["visit.steps"], repaired.as_json(written=False)
    repaired.write()
    await served.write_over_a_killed_session()
    assert served.site.wrote == ["one", "two"]


@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.parametrize(
    ("path", "field", "why"),
    [
        ("/api/login", "handle", ""),
        ("/api/old", "handle", "the page logs in at /api/login"),
        ("/api/login", "user", "the page's login sends no json.user"),
    ],
)
async def test_a_login_by_request_is_written_as_the_page_sends_it_today(
    home: Path, browsers: BrowserPool, monkeypatch: pytest.MonkeyPatch, path: str, field: str, why: str
) -> None:
    monkeypatch.setenv("ADA", USER)
    monkeypatch.setenv("NOTES_PASSWORD", SHOWN_PASSWORD)
    site = BearerSite()
    async with TestServer(site.app(), host="127.0.0.1") as server:
        url = str(server.make_url("/"))
        FILE.write_text(BEARER.replace("URL", url).replace("PATH", path).replace("handle", field))
        repaired = await SiteRepair("notes", None, Settings.load(), pool=browsers, settle=0.0).run()
    assert [(one.setting, one.why) for one in repaired.changes] == ([("login", why)] if why else [])
    assert not repaired.verdict.failed, repaired.summary
    wanted = BEARER.replace("URL", url).replace("PATH", "/api/login")
    assert tomllib.loads(repaired.texts[1]) == tomllib.loads(wanted)
    assert SHOWN_PASSWORD not in repaired.diff


@pytest.mark.browser
@pytest.mark.slow
async def test_a_token_that_is_gone_is_told_and_nothing_is_written(served: Served) -> None:
    served.site.inside = OUT
    repaired = await served.repair()
    assert [(one.setting, one.lines) for one in repaired.changes] == [("tokens.tok", ())]
    assert (repaired.may_write, repaired.exit(written=False)) == (False, 1)


@pytest.mark.browser
@pytest.mark.slow
async def test_without_a_terminal_the_diff_is_printed_and_yes_writes_it(served: Served, doorkey: Doorkey) -> None:
    lose_ready(served.site)
    file = doorkey.folder / FILE
    before = FILE.read_text()
    file.write_text(before)
    doorkey.settings |= {"NOTES_USER": USER, "NOTES_PASSWORD": PASSWORD}
    asked = await doorkey("repair", "notes")
    assert asked.code == 3
    assert '- ready = "#out"   # as it was\n+ ready = ' in asked.out
    assert "nothing was written. To write these lines: doorkey repair notes --yes" in asked.err
    assert file.read_text() == before
    done = await doorkey("repair", "notes", "--yes")
    assert (done.code, done.err) == (0, "")
    assert file.read_text() != before
    assert PASSWORD not in asked.out + asked.err + done.out


def test_what_can_not_be_repaired_is_told_before_a_browser_starts(quick: Quick) -> None:
    FILE.write_text('[sites.wiki]\nprovider = "web"\nurl = "http://127.0.0.1:9/"\nready = "a"\n'
                    'visit.steps = [{ fill = "#pw", value = "env:WIKI_PW" }]\n'
                    '[sites.blog]\nprovider = "wpaicg"\nurl = "http://127.0.0.1:9/"\n')  # fmt: skip
    assert "no site is called 'wik'" in quick("repair", "wik").err
    assert "set WIKI_PW and try again" in quick("repair", "wiki").err
    assert 'only sites with provider = "web"' in quick("repair", "blog").err
    taken = {"DOORKEY_SITES__SHOP__URL": "https://shop.example/", "DOORKEY_SITES__SHOP__PROVIDER": "web"}
    assert "no lines to repair" in quick("repair", "shop", settings=taken).err
