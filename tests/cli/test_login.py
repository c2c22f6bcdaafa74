"""`doorkey login` and `logout` as a user runs them, against a site with a login form."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import pytest

from doorkey.browser.person import LISTENING

from .conftest import Doorkey

sys.path.insert(0, str(Path(__file__).parents[1]))
from login_site import PASSWORD, USER, LoginSite

pytestmark = pytest.mark.browser
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


def configure(doorkey: Doorkey, site: LoginSite, display: str = "virtual", steps: str = "") -> None:
    (doorkey.folder / "doorkey.toml").write_text(SITE.format(url=site.url, display=display) + steps)


@pytest.fixture
def by_steps(doorkey: Doorkey, members: LoginSite, tmp_path: Path) -> Path:
    """A site with login steps; the file that holds the password."""
    file = tmp_path / "password"
    file.write_text(PASSWORD + "\n")
    configure(doorkey, members, "headless", STEPS.format(file=file))
    doorkey.settings["WIKI_USER"] = USER
    return file


async def write(doorkey: Doorkey) -> int:
    done = await doorkey("fetch", "wiki", "/api/items", "-d", "an item")
    assert done.code == 0, done.err
    return int(json.loads(done.out)["items"])


async def person_logs_in(doorkey: Doorkey) -> None:
    from playwright.async_api import async_playwright

    people = doorkey.home / ".local" / "share" / "doorkey" / "people"
    async with asyncio.timeout(30), async_playwright() as playwright:
        while not (found := LISTENING.search("".join(log.read_text() for log in people.glob("*/browser.log")))):
            await asyncio.sleep(0.05)
        browser = await playwright.chromium.connect_over_cdp(f"ws://127.0.0.1:{found[1]}{found[2]}")
        page = browser.contexts[0].pages[0]
        await page.fill("#user", USER)
        await page.fill("#pw", PASSWORD)
        await page.click("button")
        await browser.close()


async def test_steps_log_in_when_they_are_needed_and_only_then(
    doorkey: Doorkey, members: LoginSite, by_steps: Path
) -> None:
    assert await write(doorkey) == 1
    assert await write(doorkey) == 2
    members.log_out()
    assert await write(doorkey) == 3
    assert members.tries == [(USER, PASSWORD)] * 2


async def test_login_by_steps_says_each_and_no_value(doorkey: Doorkey, members: LoginSite, by_steps: Path) -> None:
    done = await doorkey("--log", "debug", "login", "wiki", "-v")
    assert (done.code, done.out) == (0, done.out)
    assert "login step 3: fill #pw" in done.err
    assert not any(secret in done.out + done.err for secret in (PASSWORD, USER))


async def test_a_wrong_password_is_tried_once_and_then_left_alone(
    doorkey: Doorkey, members: LoginSite, by_steps: Path
) -> None:
    by_steps.write_text("a wrong guess")
    first = await doorkey("fetch", "wiki", "/api/items", "-d", "an item")
    second = await doorkey("fetch", "wiki", "/api/items", "-d", "an item")
    assert first.code == 3
    assert "did not take the login" in first.err
    assert second.code in (3, 5)
    assert members.logins == 1
    assert "a wrong guess" not in first.err + second.err


async def test_a_value_that_can_not_be_had_is_a_fault_of_the_settings(
    doorkey: Doorkey, members: LoginSite, by_steps: Path
) -> None:
    by_steps.unlink()
    done = await doorkey("login", "wiki")
    assert done.code == 2
    assert f"the file {by_steps} can't be read" in done.err


async def test_a_person_logs_in_once_and_is_called_when_the_login_has_ended(
    doorkey: Doorkey, members: LoginSite
) -> None:
    configure(doorkey, members)
    logging_in = await doorkey.start("login", "wiki")
    await person_logs_in(doorkey)
    done = await doorkey.end(logging_in)
    assert (done.code, done.err[:6]) == (0, "Log in")
    assert await write(doorkey) == 1
    members.log_out()
    ended = await doorkey("fetch", "wiki", "/api/items", "-d", "an item")
    assert ended.code == 3
    assert "doorkey login wiki" in ended.err
    assert not any("HeadlessChrome" in agent for agent in members.agents)
    await doorkey.gone()


async def test_without_a_screen_a_login_by_hand_says_what_to_do(doorkey: Doorkey, members: LoginSite) -> None:
    configure(doorkey, members, "headless")
    done = await doorkey("login", "wiki")
    assert done.code == 2
    assert "no screen" in done.err


async def test_a_login_is_brought_along_and_forgotten(doorkey: Doorkey, members: LoginSite) -> None:
    configure(doorkey, members, "headless")
    members.sessions.add("brought")
    (doorkey.folder / "cookies.txt").write_text(
        "127.0.0.1\tFALSE\t/\tFALSE\t0\tsession\tbrought\n"
        "127.0.0.1\tFALSE\t/\tFALSE\t1\told\to\n"
        "ads.example\tFALSE\t/\tFALSE\t0\tad\ta\n"
    )
    done = await doorkey("login", "wiki", "--from", "cookies.txt")
    assert done.code == 0, done.err
    assert "taken from the cookies.txt: session" in done.out
    assert "expired, left out: old" in done.out
    assert "of other hosts, left out: ads.example" in done.out
    assert await write(doorkey) == 1
    out = await doorkey("logout", "wiki")
    again = await doorkey("logout", "wiki")
    assert (out.out, again.out) == ("logged out of wiki\n", "nobody was logged in to wiki\n")
    after = await doorkey("fetch", "wiki", "/api/items", "-d", "an item")
    assert (after.code, len(members.wrote)) == (1, 1)
    assert "brought" in members.sessions


async def test_a_login_that_has_ended_is_not_taken(doorkey: Doorkey, members: LoginSite) -> None:
    configure(doorkey, members, "headless")
    state = {"cookies": [{"name": "session", "value": "long gone", "domain": "127.0.0.1", "path": "/"}]}
    (doorkey.folder / "state.json").write_text(json.dumps(state))
    done = await doorkey("login", "wiki", "--from", "state.json")
    assert done.code == 1
    assert "does not know the login" in done.err
    assert "long gone" not in done.err
