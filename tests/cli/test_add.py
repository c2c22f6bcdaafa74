"""`doorkey add` as a user runs it: a page is looked at, told, written down, and entered."""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import socket
import sys
import tomllib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from doorkey import Runtime, Settings
from doorkey.browser import BrowserPool
from doorkey.cli.add.command import add_site
from doorkey.cli.terminal import Progress, print_json
from doorkey.errors import DoorkeyError
from doorkey.setup.names import derive_name_from_host
from doorkey.setup.site_check import Check
from doorkey.setup.site_setup import SiteSetup
from doorkey_providers.twins.aichats import AiChatsTwin
from doorkey_providers.twins.wordpress import ChatgptFreeTwin

from .conftest import Done, Doorkey, failed

sys.path.insert(0, str(Path(__file__).parents[1]))
from login_site import PASSWORD, USER, LoginSite

Quick = Callable[..., Done]
Add = Callable[..., Awaitable[Done]]
FILE = Path("doorkey.toml")
VISIT = "6"
"""Seconds after which a visit that can't succeed ends."""
BLOCKED = '<title>Attention Required! | Cloudflare</title><div id="cf-error-details">Sorry, you have been blocked</div>'
WAITING = '<title>Just a moment...</title><div id="challenge-spinner"></div>'
BEFORE = b"# mine\r\n[service]\r\nport = 8787   # as it was"


@asynccontextmanager
async def serving(body: str = "<title>a page</title>", status: int = 200, **headers: str) -> AsyncIterator[str]:
    """The URL of a site whose one page this is, at every path."""

    async def page(_: web.Request) -> web.Response:
        return web.Response(text=f"<!doctype html>{body}", status=status, content_type="text/html", headers=headers)

    app = web.Application()
    app.router.add_get("/{path:.*}", page)
    async with TestServer(app, host="127.0.0.1") as server:
        yield str(server.make_url("/"))


@pytest.fixture
def bound() -> Iterator[int]:
    """A port that is this test's to listen on, and at which nobody listens yet."""
    with socket.socket() as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


@pytest.fixture
def add(home: Path, browsers: BrowserPool, capsys: pytest.CaptureFixture[str]) -> Callable[..., Awaitable[Done]]:
    """What the command does, says and ends with, in this process, with the module's browser."""

    async def run(
        url: str, name: str = "", config: str | None = None, *, dry_run: bool = False, json: bool = False
    ) -> Done:
        path = Path(config) if config else None
        settings = Settings.load(path if path is None or path.exists() else Path(os.devnull))
        setup = SiteSetup(
            url=url,
            name=name or derive_name_from_host(url),
            config=path,
            settings=settings,
            dry_run=dry_run,
            pool=browsers,
            settle=0.0,
        )
        try:
            added = await add_site(setup)
        except DoorkeyError as error:
            return failed(error, *capsys.readouterr())
        print_json(added.as_json()) if json else added.show()
        return Done(added.exit, *capsys.readouterr())

    return run


def written(folder: Path = Path()) -> Any:
    """The sites in the settings file."""
    return tomllib.loads((folder / FILE).read_text())["sites"]


def refused(done: Done, code: int, *words: str) -> None:
    """One message that holds *words*, and nothing else."""
    assert done.out == ""
    assert done.err.count("doorkey: ") == 1
    assert "Traceback" not in done.err
    assert [word for word in words if word not in done.err] == []
    assert done.code == code


@pytest.mark.browser
@pytest.mark.slow
class TestACommand:
    """Its own process, and those of the lines that it prints."""

    async def test_adds_ai_power_and_prints_the_line_that_asks_it(self, doorkey: Doorkey) -> None:
        async with ChatgptFreeTwin() as twin:
            twin.switch(generation="2.x")
            done = await doorkey("add", twin.url, "--name", "blog")
            assert (done.code, done.err) == (0, "")
            assert "AI Power 2.x" in done.out
            line = next(line for line in done.out.splitlines() if line.startswith("  doorkey ask"))
            answer = await doorkey(*shlex.split(line)[1:])
            assert (answer.code, answer.err) == (0, "")
            assert "Hello" in answer.out

    async def test_that_knows_nothing_of_a_site_prints_two_lines_that_use_its_session(
        self, doorkey: Doorkey, bound: int
    ) -> None:
        doorkey.settings["DOORKEY_SERVICE__PORT"] = str(bound)
        async with serving("<p>a page that says hello") as url:
            told = json.loads((await doorkey("add", url, "--name", "page", "--json")).out)
            assert (told["kind"], told["written"], told["exit"]) == ("no known kind of site", True, 0)
            fetched = await doorkey(*shlex.split(told["fetch"])[1:])
            assert "says hello" in fetched.out
            serve = await doorkey.start("serve", "--json")
            assert serve.stdout is not None
            await serve.stdout.readline()
            curl = await asyncio.create_subprocess_shell(told["curl"], stdout=-1, stderr=-1)
            said, _ = await curl.communicate()
            assert b"says hello" in said
            serve.terminate()
            await doorkey.end(serve)

    async def test_that_meets_a_login_takes_it_when_its_variables_are_set(
        self, doorkey: Doorkey, members: LoginSite
    ) -> None:
        doorkey.settings |= {"WIKI_USER": USER, "WIKI_PASSWORD": PASSWORD}
        done = await doorkey("add", members.url, "--name", "wiki")
        assert (done.code, done.err) == (0, "")
        assert PASSWORD not in done.out + (doorkey.folder / FILE).read_text()
        (site,) = written(doorkey.folder).values()
        assert site["ready"] == "[href*=logout i]"
        assert site["stale"] == ["redirect:/login"]
        assert site["visit"]["steps"] == [
            {"fill": "input[name=user]", "value": "env:WIKI_USER"},
            {"fill": "input[name=pw]", "value": "env:WIKI_PASSWORD"},
            {"click": "form:has(input[type=password]) button"},
        ]
        members.log_out()
        assert "Log out" in (await doorkey("fetch", "wiki", "/")).out


@pytest.mark.browser
class TestASite:
    @pytest.mark.parametrize("generation", ["1.7", "1.9", "2.x"])
    async def test_with_ai_power_takes_three_lines_and_answers(
        self, add: Add, browsers: BrowserPool, generation: str
    ) -> None:
        async with ChatgptFreeTwin() as twin:
            twin.switch(generation=generation)
            done = await add(twin.url, "blog")
            assert (done.code, done.err) == (0, "")
            assert f"AI Power {generation[0]}.x" in done.out
            assert "checked: visited in" in done.out
            assert '  doorkey ask -m blog "Hello"\n' in done.out
            assert written() == {"blog": {"provider": "wpaicg", "url": twin.url}}
            async with Runtime(Settings.load(), pool=browsers) as runtime:
                answer = [delta async for delta in runtime.ask("blog", [{"role": "user", "content": "Hello"}])]
            assert "Hello" in "".join(map(str, answer))

    async def test_of_the_built_in_kind_is_told_by_its_cookies(self, add: Add) -> None:
        async with AiChatsTwin() as twin:
            told = json.loads((await add(twin.url, json=True)).out)
        assert (told["kind"], told["site"], told["check"]["exit"]) == ("AiChats", "aichats", 0)

    async def test_whose_login_is_not_taken_is_not_written(
        self, add: Add, members: LoginSite, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("WIKI_USER", USER)
        monkeypatch.setenv("WIKI_PASSWORD", "wrong-one")
        done = await add(members.url, "wiki")
        refused(done, 3, "did not take the login", "Nothing was written", "WIKI_USER and WIKI_PASSWORD")
        assert "wrong-one" not in done.err
        assert not FILE.exists()

    async def test_whose_variables_are_not_set_is_written_and_left_to_a_person(
        self, add: Add, browsers: BrowserPool, members: LoginSite, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        done = await add(members.url + "login", "wiki")
        assert (done.code, done.err) == (3, "")
        assert f"next: set WIKI_USER and WIKI_PASSWORD, then: doorkey add {members.url}login --name wiki" in done.out
        assert members.tries == []
        monkeypatch.setenv("WIKI_USER", USER)
        monkeypatch.setenv("WIKI_PASSWORD", PASSWORD)
        async with Runtime(Settings.load(), pool=browsers) as runtime:
            checked = await Check(runtime, "wiki", Progress(), verbose=False).run(probe=False)
        assert checked["exit"] == 0

    async def test_whose_form_steps_cannot_do_is_left_to_a_login_by_hand(self, add: Add) -> None:
        form = '<form><input name="u"><input name="p" type="password"><div class="h-captcha"></div><button>'
        async with serving(form) as url:
            done = await add(url, "wiki")
        assert done.code == 3
        assert "next: log in by hand (it asks for a CAPTCHA): doorkey login wiki" in done.out

    async def test_that_is_another_at_the_second_visit_is_told_and_not_written(
        self, add: Add, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("DOORKEY_LIMITS__VISIT", VISIT)
        pages = iter(['<meta name="csrf-token" content="t0k3n">'])

        async def page(_: web.Request) -> web.Response:
            return web.Response(text=f"<!doctype html>{next(pages, '')}", content_type="text/html")

        app = web.Application()
        app.router.add_get("/", page)
        async with TestServer(app, host="127.0.0.1") as server:
            done = await add(str(server.make_url("/")), "shop")
        assert done.code == 1
        assert done.err.startswith("doorkey: nothing was written: ")
        assert "sites.shop.tokens.csrf" in done.err
        assert "next: --anyway writes these lines" in done.out
        assert "work:" not in done.out
        assert not FILE.exists()

    async def test_is_added_to_what_is_there_and_that_stays_byte_for_byte(self, add: Add) -> None:
        FILE.write_bytes(BEFORE)
        FILE.chmod(0o640)
        before = {*Path().iterdir()}
        async with serving() as url:
            assert (await add(url, "one")).code == 0
            once = FILE.read_bytes()
            assert once.startswith(BEFORE + b"\r\n\r\n[sites.one]")
            assert "says all this already" in (await add(url, "one")).out
            async with serving() as elsewhere:
                refused(await add(elsewhere, "one"), 2, "already called 'one'", "doorkey.toml", "--name")
            assert FILE.read_bytes() == once
            assert (await add(url, "two")).code == 0
        assert FILE.read_bytes().startswith(once)
        assert set(written()) == {"one", "two"}
        assert FILE.stat().st_mode & 0o777 == 0o640
        # This folder is the home, too: ours, and that of a browser which starts now.
        assert {*Path().iterdir()} - before <= {Path(name) for name in (".local", ".cache", ".config", ".pki")}

    async def test_tried_dry_is_shown_and_not_written(self, add: Add) -> None:
        async with serving('<meta name="csrf-token" content="s3cr3t-token">') as url:
            done = await add(url, dry_run=True)
        assert (done.code, done.err) == (0, "")
        assert "not written; it would be added to doorkey.toml" in done.out
        assert 'tokens.csrf = "meta[name=csrf-token]@content"' in done.out
        assert "s3cr3t-token" not in done.out
        assert not FILE.exists()

    async def test_goes_into_the_file_that_is_named_also_when_it_is_a_link_or_new(self, add: Add) -> None:
        Path("kept").mkdir()
        Path("link.toml").symlink_to("kept/real.toml")
        Path("kept/real.toml").write_text("# mine\n")
        async with serving() as url:
            for name in ("link.toml", "new.toml"):
                done = await add(url, "a", name)
                assert done.code == 0
                assert f"doorkey fetch a / --config {name}" in done.out
        assert Path("link.toml").is_symlink()
        assert "[sites.a]" in Path("kept/real.toml").read_text()
        assert "[sites.a]" in Path("new.toml").read_text()
        assert not FILE.exists()

    @pytest.mark.parametrize(
        ("status", "body", "code", "words"),
        [
            (404, "<h1>Not found</h1>", 1, "HTTP 404"),
            (401, "", 1, "HTTP 401"),
            (403, BLOCKED, 1, "Cloudflare"),
            (403, WAITING, 3, "Cloudflare"),
        ],
    )
    async def test_that_shows_no_page_is_not_added(
        self, add: Add, monkeypatch: pytest.MonkeyPatch, status: int, body: str, code: int, words: str
    ) -> None:
        monkeypatch.setenv("DOORKEY_LIMITS__CHALLENGE", "1")
        headers = {"cf-mitigated": "challenge"} if body == WAITING else {}
        async with serving(body, status, **headers) as url:
            done = await add(url, "a")
        refused(done, code, words, "Nothing was written")
        assert not FILE.exists()

    async def test_that_is_away_is_not_added(self, add: Add, bound: int) -> None:
        refused(await add(f"http://127.0.0.1:{bound}/", "a"), 5, "can't be reached", "Nothing was written")
        async with serving(status=503) as url:
            refused(await add(url, "a"), 5, "HTTP 503")
        assert not FILE.exists()

    async def test_that_leads_elsewhere_is_not_added(self, add: Add, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("DOORKEY_LIMITS__VISIT", VISIT)
        async with serving() as there, serving(status=302, location=there) as here:
            refused(await add(here, "a"), 1, there.rstrip("/"))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("add", "wiki.example"), "did you mean https://wiki.example?"),
        (("add", "ftp://wiki.example/"), "expected an http(s) URL"),
        (("add", "https://me:hunter2@wiki.example/"), "without user and password"),
        (("add", "https://[wiki/"), "can't be read"),
        (("add", "https://wiki.example/", "--name", "My Wiki"), "--name: expected a name of a-z"),
        (("add",), "Missing argument"),
    ],
)
def test_wrong_usage_is_told(quick: Quick, arguments: tuple[str, ...], words: str) -> None:
    done = quick(*arguments)
    assert (done.code, done.out) == (2, "")
    assert words in done.err
    assert "hunter2" not in done.err


def test_a_name_that_is_taken_is_told_before_a_browser_starts(quick: Quick) -> None:
    Path("doorkey.toml").write_text('[sites.wiki]\nprovider = "web"\nurl = "https://wiki.example/"\n')
    refused(quick("add", "https://wiki.example/"), 2, "already called 'wiki'", "--name NAME")
    taken = {"DOORKEY_SITES__SHOP__URL": "https://shop.example/", "DOORKEY_SITES__SHOP__PROVIDER": "web"}
    refused(quick("add", "https://shop.example/", settings=taken), 2, "already called 'shop'")


def test_a_file_that_cannot_be_written_is_told_before_a_browser_starts(quick: Quick) -> None:
    Path("inline.toml").write_text("sites = { a = { provider = 'web', url = 'https://a.example/' } }\n")
    refused(
        quick("add", "https://b.example/", "--config", "no/such/x.toml"), 2, "no/such/x.toml", "folder does not exist"
    )
    refused(quick("add", "https://b.example/", "--config", "inline.toml"), 2, "can't be appended", "--dry-run")
    Path("broken.toml").write_text("[sites\n")
    refused(quick("add", "https://b.example/", "--config", "broken.toml"), 2, "is no valid TOML")
    # Root may write anywhere but where the system itself lets nobody.
    refused(quick("add", "https://b.example/", "--config", "/proc/self/x.toml"), 2, "read-only")


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://www.example.com/x", "example"),
        ("https://Wiki.Example/", "wiki"),
        ("https://en.wiki.example:8443/", "en-wiki"),
        ("https://intranet/", "intranet"),
        ("http://127.0.0.1:8000/", ""),
        ("http://[::1]:8000/", ""),
        ("http://localhost/", ""),
    ],
)
def test_a_site_is_named_by_its_host(url: str, name: str) -> None:
    assert derive_name_from_host(url) == name
