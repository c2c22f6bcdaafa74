"""`doorkey login` and `logout` as a user runs them, against a site with a login form."""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path

import aiohttp
import pytest

from doorkey import Request, Runtime, Settings
from doorkey.browser import BrowserPool
from doorkey.browser.manual.login import LISTENING
from doorkey.browser.manual.user_data_dir import UserDataDir
from doorkey.errors import DoorkeyError
from doorkey.model.failure import describe_error, exit_code
from doorkey.model.session import Key

from .conftest import Done, Doorkey

sys.path.insert(0, str(Path(__file__).parents[1]))
from login_site import PASSWORD, USER, LoginSite

pytestmark = [pytest.mark.browser, pytest.mark.slow]
SITE = """
[browser]
display = "{display}"

[sites.wiki]
provider = "web"
url = "{url}"
ready = "a[href*=logout]"
tokens.csrf = "meta[name=csrf]@content"
send.header.X-CSRF = "{{csrf}}"
stale = [401, "redirect:/login"]
"""
STEPS = """
[sites.wiki.visit]
steps = [
  {{ open = "/login" }},
  {{ fill = "#user", value = "env:WIKI_USER" }},
  {{ fill = "#pw", value = "file:{file}" }},
  {{ click = "form button" }},
]
"""


def configure(folder: Path, site: LoginSite, display: str = "virtual", steps: str = "") -> None:
    (folder / "doorkey.toml").write_text(SITE.format(url=site.url, display=display) + steps)


async def write(doorkey: Doorkey) -> int:
    done = await doorkey("fetch", "wiki", "/api/items", "-d", "an item")
    assert done.code == 0, done.err
    return int(json.loads(done.out)["items"])


@pytest.fixture
def by_steps(home: Path, members: LoginSite, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A site with login steps, in this test's folder; the file that holds the password."""
    file = home / "password"
    file.write_text(PASSWORD + "\n")
    configure(home, members, "headless", STEPS.format(file=file))
    monkeypatch.setenv("WIKI_USER", USER)
    return file


@pytest.fixture
def later(home: Path, browsers: BrowserPool) -> Callable[[], Runtime]:
    """Makes what the next command would: a Runtime that knows the earlier ones by the store alone."""
    return lambda: Runtime(Settings.load(), pool=browsers)


async def written(later: Callable[[], Runtime]) -> int:
    request = Request(url="/api/items", method="POST", body=b"an item", what="fetch")
    async with later() as runtime, await runtime.send("wiki", request) as answer:
        return int(json.loads(await answer.read())["items"])


async def person_logs_in(doorkey: Doorkey, members: LoginSite) -> None:
    from playwright.async_api import async_playwright

    people = doorkey.home / ".local" / "share" / "doorkey" / "people"
    async with asyncio.timeout(30), async_playwright() as playwright:
        await members.asked.wait()  # the window is open: its browser has said where it listens, or is about to
        while not (found := LISTENING.search("".join(log.read_text() for log in people.glob("*/browser.log")))):
            await asyncio.sleep(0)
        browser = await playwright.chromium.connect_over_cdp(f"ws://127.0.0.1:{found[1]}{found[2]}")
        page = browser.contexts[0].pages[0]
        await page.fill("#user", USER)
        await page.fill("#pw", PASSWORD)
        await page.click("button")
        await browser.close()


async def test_steps_log_in_when_they_are_needed_and_only_then(
    later: Callable[[], Runtime], members: LoginSite, by_steps: Path
) -> None:
    assert await written(later) == 1
    assert await written(later) == 2
    members.log_out()
    assert await written(later) == 3
    assert members.tries == [(USER, PASSWORD)] * 2


async def test_login_by_steps_says_each_and_no_value(doorkey: Doorkey, members: LoginSite, by_steps: Path) -> None:
    configure(doorkey.folder, members, "headless", STEPS.format(file=by_steps))
    assert (await doorkey("trust")).code == 0
    done = await doorkey("--log", "debug", "login", "wiki", "-v", settings={"WIKI_USER": USER})
    assert done.code == 0, done.err
    assert re.fullmatch(r"logged in to wiki: 1 cookies, 1 tokens\n", done.out)
    assert "login step 3: fill #pw" in done.err
    assert not any(secret in done.out + done.err for secret in (PASSWORD, USER))


async def test_a_wrong_password_is_tried_once_and_then_left_alone(
    later: Callable[[], Runtime], members: LoginSite, by_steps: Path
) -> None:
    by_steps.write_text("a wrong guess")
    for _ in range(2):
        with pytest.raises(DoorkeyError, match="did not take the login") as raised:
            await written(later)
        assert exit_code(raised.value) == 3
        assert "a wrong guess" not in describe_error(raised.value)
    assert members.logins == 1


async def test_a_value_that_can_not_be_had_is_a_fault_of_the_settings(
    later: Callable[[], Runtime], by_steps: Path
) -> None:
    by_steps.unlink()
    async with later() as runtime:
        with pytest.raises(DoorkeyError, match=f"the file {by_steps} can't be read") as raised:
            await runtime.visit("wiki")
    assert exit_code(raised.value) == 2


async def test_a_person_logs_in_once_and_is_called_when_the_login_has_ended(
    doorkey: Doorkey, members: LoginSite
) -> None:
    configure(doorkey.folder, members)
    logging_in = await doorkey.start("login", "wiki")
    await person_logs_in(doorkey, members)
    done = await doorkey.end(logging_in)
    assert (done.code, done.err[:6]) == (0, "Log in")
    assert await write(doorkey) == 1
    members.log_out()
    ended = await doorkey("fetch", "wiki", "/api/items", "-d", "an item")
    assert ended.code == 3
    assert "doorkey login wiki" in ended.err
    assert not any("HeadlessChrome" in agent for agent in members.agents)
    await doorkey.gone()


async def test_without_a_screen_a_login_by_hand_says_what_to_do(later: Callable[[], Runtime], home: Path) -> None:
    configure(home, LoginSite(url="http://127.0.0.1:9/"), "headless")
    async with later() as runtime:
        with pytest.raises(DoorkeyError, match="no screen") as raised:
            await runtime.logins.log_in_by_hand(runtime.target("wiki"), asyncio.Event())
    assert exit_code(raised.value) == 2


async def test_without_a_screen_a_link_leads_to_the_login_and_enter_makes_another(
    doorkey: Doorkey, members: LoginSite
) -> None:
    configure(doorkey.folder, members, "headless")
    logging_in = await doorkey.start("login", "wiki", "--port", "0", stdin=asyncio.subprocess.PIPE)
    assert logging_in.stderr is not None
    assert logging_in.stdin is not None
    links = []
    async with asyncio.timeout(60):
        while len(links) < 2:
            found = re.search(rb"http://127\.0\.0\.1:\d+/dashboard/enter/\S+", await logging_in.stderr.readline())
            if found is not None:
                links.append(found[0].decode())
                logging_in.stdin.write(b"\n")
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as person:
        async with person.get(links[1]) as answer:
            view, base = str(answer.url), str(answer.url.origin())
            assert "Log in to wiki." in await answer.text()
        async with person.ws_connect(f"{view}/socket", origin=base) as socket:
            await socket.send_json({"type": "ask", "wish": "give up"})
            told = [message.data async for message in socket if message.type is aiohttp.WSMsgType.TEXT]
    assert "gave up" in told[-1]
    done = await doorkey.end(logging_in)
    assert (done.code, "gave up" in done.err) == (3, True)
    assert links[0] != links[1]
    await doorkey.gone()


async def test_a_link_is_not_served_to_others_without_a_certificate(doorkey: Doorkey, members: LoginSite) -> None:
    configure(doorkey.folder, members)
    done = await doorkey("login", "wiki", "--link", "--host", "0.0.0.0")
    assert (done.code, "service.certificate" in done.err) == (2, True)


def test_a_window_without_a_screen_names_the_link(quick: Callable[..., Done], home: Path) -> None:
    (home / "doorkey.toml").write_text('[sites.wiki]\nprovider = "web"\nurl = "http://127.0.0.1:9/"\nready = "#in"\n')
    done = quick("login", "wiki", "--window")
    assert (done.code, "Use --link" in done.err, "in the window that opens" in done.err) == (2, True, False)
    assert "doorkey open wiki --link" in quick("visit", "wiki", "--headed").err


@pytest.mark.parametrize("flags", [("--link", "--window"), ("--link", "--from", "x"), ("--window", "--from", "x")])
async def test_ways_to_log_in_exclude_each_other(doorkey: Doorkey, members: LoginSite, flags: tuple[str, ...]) -> None:
    configure(doorkey.folder, members)
    done = await doorkey("login", "wiki", *flags)
    assert (done.code, "exclude" in done.err) == (2, True)


async def test_a_login_is_brought_along_and_forgotten(doorkey: Doorkey, members: LoginSite) -> None:
    configure(doorkey.folder, members, "headless")
    members.sessions.add("brought")
    (doorkey.folder / "cookies.txt").write_text(
        "127.0.0.1\tFALSE\t/\tFALSE\t0\tsession\tbrought\n"
        "127.0.0.1\tFALSE\t/\tFALSE\t1\told\to\n"
        "ads.example\tFALSE\t/\tFALSE\t0\tad\ta\n",
        encoding="utf-16",  # as PowerShell writes a program's output
    )
    done = await doorkey("login", "wiki", "--from", "cookies.txt")
    assert done.code == 0, done.err
    assert "imported from the cookies.txt: session" in done.out
    assert "left out, expired: old" in done.out
    assert "left out, of other hosts: ads.example" in done.out
    assert await write(doorkey) == 1
    (listed,) = json.loads((await doorkey("profile", "list", "--json")).out)
    assert (listed["login_by_hand"], listed["used_by"], Path(listed["folder"]).is_dir()) == (True, "", True)
    out = await doorkey("logout", "wiki")
    again = await doorkey("logout", "wiki")
    assert (out.out, again.out) == ("logged out of wiki\n", "nobody was logged in to wiki\n")
    after = await doorkey("fetch", "wiki", "/api/items", "-d", "an item")
    assert (after.code, len(members.wrote)) == (1, 1)
    assert "brought" in members.sessions


async def test_a_login_that_is_not_kept_fails(doorkey: Doorkey, members: LoginSite) -> None:
    configure(doorkey.folder, members, "headless")
    members.sessions.add("brought")
    (doorkey.folder / "cookies.txt").write_text("127.0.0.1\tFALSE\t/\tFALSE\t0\tsession\tbrought\n")
    nowhere = {"DOORKEY_STORE__URL": "sqlite:///sys/sessions.db"}  # a folder in which not even root may write
    done = await doorkey("login", "wiki", "--from", "cookies.txt", settings=nowhere)
    assert (done.code, "logged in" in done.out) == (5, False), done
    assert "wiki: the login was taken, but is not kept: the session store /sys/sessions.db" in done.err


async def test_a_reset_names_the_process_that_is_in_the_way(doorkey: Doorkey, members: LoginSite) -> None:
    configure(doorkey.folder, members, "headless")
    (listed,) = json.loads((await doorkey("profile", "list", "--json")).out)
    assert (listed["profile"], listed["folder"]) == ("desktop", None)
    assert (await doorkey("profile", "reset", "wiki")).out == "nothing was kept of wiki\n"
    people = doorkey.home / ".local" / "share" / "doorkey" / "people"
    key = Key("wiki", members.url)
    home = UserDataDir(people, "wiki", str(key))
    home.remember()
    with home.lock():
        told = await doorkey("profile", "reset", "wiki")
        shown = (await doorkey("profile", "list")).out
    assert (told.code, f"process {os.getpid()} on " in told.err, f"process {os.getpid()} on " in shown) == (
        2,
        True,
        True,
    )
    assert (await doorkey("profile", "reset", "wiki")).code == 0
    assert not home.path.exists()


async def test_a_login_that_has_ended_is_not_taken(
    later: Callable[[], Runtime], members: LoginSite, home: Path
) -> None:
    configure(home, members, "headless")
    state = {"cookies": [{"name": "session", "value": "long gone", "domain": "127.0.0.1", "path": "/"}]}
    (home / "state.json").write_text(json.dumps(state))
    async with later() as runtime:
        with pytest.raises(DoorkeyError, match="does not know the login") as raised:
            await runtime.logins.import_login(runtime.target("wiki"), home / "state.json")
    assert exit_code(raised.value) == 1
    assert "long gone" not in describe_error(raised.value)
