"""A person's own browser: plain, theirs, watched from outside; what they logged in to is taken while it is open."""

from __future__ import annotations

import asyncio
import re
import stat
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from doorkey.browser import VisitResult, VisitSpec
from doorkey.browser.manual.login import LISTENING, ManualLogin
from doorkey.browser.manual.user_data_dir import UserDataDir
from doorkey.clock import SystemClock
from doorkey.errors import ConfigurationError, NeedsPerson
from doorkey.network.egress import parse_proxy
from event_lines import site_events

from .conftest import csrf

if TYPE_CHECKING:
    from playwright.async_api import Playwright

sys.path.insert(0, str(Path(__file__).parents[1]))
from login_site import PASSWORD, USER, LoginSite
from watched_clock import WatchedClock

pytestmark = [pytest.mark.browser, pytest.mark.slow]
Login = Callable[..., asyncio.Task[VisitResult]]
Hands = Callable[[asyncio.Task[VisitResult]], AbstractAsyncContextManager[Any]]


@pytest.fixture
def clock() -> WatchedClock:
    return WatchedClock()


@pytest.fixture(scope="module")
async def playwright() -> AsyncIterator[Playwright]:
    from playwright.async_api import async_playwright

    async with async_playwright() as started:
        yield started


@pytest.fixture
def home(tmp_path: Path) -> UserDataDir:
    return UserDataDir(tmp_path / "people", "wiki", "wiki|http://127.0.0.1/")


@pytest.fixture
def login(home: UserDataDir, clock: WatchedClock, members: LoginSite) -> Login:
    """Opens the person's browser at the site, and waits for them to log in."""

    def start(done: asyncio.Event, ready: str | None = "a[href*=logout]") -> asyncio.Task[VisitResult]:
        person = ManualLogin(home=home, clock=clock, display="virtual", events=site_events())
        spec = VisitSpec(url=members.url, read=csrf, ready=ready, settle=0.0, limit=15.0)
        task = asyncio.create_task(person.log_in(spec, members.url, done))
        task.add_done_callback(lambda _: clock.slept.set())
        return task

    return start


@pytest.fixture
def hands(home: UserDataDir, clock: WatchedClock, playwright: Playwright) -> Hands:
    """The page of the person's browser, for a test to play the person; left again at the end."""

    @asynccontextmanager
    async def lent(task: asyncio.Task[VisitResult]) -> AsyncIterator[Any]:
        async with asyncio.timeout(20):
            await clock.until(lambda: task.done() or listening(home))
            assert not task.done(), task.exception()
            found = listening(home)
            assert found is not None
            browser = await playwright.chromium.connect_over_cdp(f"ws://127.0.0.1:{found[1]}{found[2]}")
            page = browser.contexts[0].pages[0]
            await page.wait_for_load_state()
            yield page
            await browser.close()

    return lent


def listening(home: UserDataDir) -> re.Match[str] | None:
    return LISTENING.search(home.log_path.read_text()) if home.log_path.exists() else None


async def log_in(page: Any) -> None:
    await page.wait_for_selector("#user")
    await page.fill("#user", USER)
    await page.fill("#pw", PASSWORD)
    await page.click("button")
    await page.wait_for_selector("a[href*=logout]")


async def test_a_login_by_hand_is_seen_and_brings_what_a_visit_brings(
    login: Login, hands: Hands, members: LoginSite
) -> None:
    task = login(asyncio.Event())
    async with hands(task) as page:
        automated = await page.evaluate("navigator.webdriver")
        await log_in(page)
    result = await asyncio.wait_for(task, 30)
    (session,) = members.sessions
    assert result.tokens == {"csrf": f"csrf-{session}"}
    assert [cookie.value for cookie in result.cookies] == [session]
    assert "HeadlessChrome" not in result.headers["user-agent"]
    assert automated is False
    assert set(members.agents) == {result.headers["user-agent"]}


async def test_without_a_sign_the_person_says_when_it_is_done(login: Login, hands: Hands) -> None:
    done = asyncio.Event()
    task = login(done, ready=None)
    async with hands(task) as page:
        await log_in(page)
    assert not task.done()
    done.set()
    assert (await asyncio.wait_for(task, 30)).cookies


async def test_done_said_too_early_goes_on_waiting(login: Login, hands: Hands, clock: WatchedClock) -> None:
    done = asyncio.Event()
    task = login(done)
    async with hands(task) as page:
        done.set()
        await clock.until(lambda: not done.is_set())
        assert not task.done()
        await log_in(page)
    assert (await asyncio.wait_for(task, 30)).tokens


async def test_a_site_that_is_down_meanwhile_does_not_end_the_login(
    login: Login, hands: Hands, members: LoginSite
) -> None:
    done = asyncio.Event()
    task = login(done)
    async with hands(task) as page:
        await page.wait_for_selector("#user")
        members.down = True
        done.set()
        await members.told_down.wait()
        members.down = False
        await log_in(page)
    assert (await asyncio.wait_for(task, 30)).tokens


async def test_a_window_that_is_closed_early_says_what_to_do(login: Login, hands: Hands) -> None:
    task = login(asyncio.Event())
    async with hands(task) as page:
        session = await page.context.browser.new_browser_cdp_session()
        await session.send("Browser.close")
    with pytest.raises(NeedsPerson, match="leave the window open"):
        await asyncio.wait_for(task, 30)


async def test_its_state_is_the_owners_alone_and_its_port_ends_with_it(
    login: Login, hands: Hands, home: UserDataDir
) -> None:
    task = login(asyncio.Event())
    async with hands(task):
        found = listening(home)
        with pytest.raises(ConfigurationError, match="in progress in another doorkey"), home.lock():
            pass
    task.cancel()
    await asyncio.wait([task])
    assert found is not None
    with pytest.raises(OSError, match="Connect call failed"):
        await asyncio.open_connection("127.0.0.1", int(found[1]))
    assert stat.S_IMODE(home.path.stat().st_mode) == stat.S_IMODE(home.browser.stat().st_mode) == 0o700


async def test_what_is_remembered_is_forgotten_as_a_whole(home: UserDataDir) -> None:
    before = home.login_mark.exists()
    home.remember()
    assert (before, home.login_mark.exists()) == (False, True)
    home.forget()
    assert not home.path.exists()


async def test_a_socks_proxy_with_a_password_is_told_before_a_browser_starts(home: UserDataDir) -> None:
    proxy = parse_proxy("socks5://me:secret@h:1")
    person = ManualLogin(home=home, clock=SystemClock(), display="virtual", events=site_events(), proxy=proxy)
    with pytest.raises(ConfigurationError, match="SOCKS") as told:
        await person.log_in(VisitSpec(url="http://h/", read=csrf), "http://h/", asyncio.Event())
    assert "secret" not in told.value.message
    assert not home.log_path.exists()
