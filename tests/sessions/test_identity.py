"""A login over several visits: what goes in again, how long a failed one is left alone, when a person is called."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from doorkey.browser import Profile
from doorkey.browser.manual.user_data_dir import UserDataDir
from doorkey.errors import Changed, MissingToken, NeedsPerson
from doorkey.model.login_steps import Step
from doorkey.model.page import Page
from doorkey.model.site import Site
from doorkey.provider import Provider
from doorkey.sessions.identity import Identity
from doorkey.sessions.keeper import Keeper
from doorkey.sessions.memory import MemoryStore
from doorkey.sessions.source import RenewalReason
from stepped_clock import SteppedClock

from .conftest import HeldSource, made

SITE = Site(name="wiki", url="http://127.0.0.1:1/")


class Steps(Provider):
    ready = "#out"
    steps = (Step("fill", "#pw", value="env:PW"), Step("click", "button"))


class Plain(Provider):
    ready = "#out"


@pytest.fixture
def home(tmp_path: Path) -> UserDataDir:
    return UserDataDir(tmp_path, "wiki", "key")


def test_cookies_go_in_again_only_where_they_are_a_login(clock: SteppedClock, home: UserDataDir) -> None:
    session = made(1, clock)
    nobody, steps, person = (Identity(SITE, kind(SITE), home) for kind in (Plain, Steps, Plain))
    assert nobody.cookies(RenewalReason(), session) == ()
    assert steps.cookies(RenewalReason(), session) == session.cookies
    assert steps.cookies(RenewalReason(refused=session, fresh=True), session) == ()
    home.remember()
    assert person.cookies(RenewalReason(refused=session, fresh=True), session) == session.cookies


def test_a_persons_login_is_never_carried_on_headless(home: UserDataDir) -> None:
    identity = Identity(SITE, Plain(SITE), home)
    assert identity.profile(Profile(name="p")).display is None
    home.remember()
    assert identity.profile(Profile(name="p")).display == "virtual"
    assert identity.profile(Profile(name="p", display="screen")).display == "screen"


def test_the_pause_after_failed_logins_doubles_up_to_an_hour() -> None:
    identity = Identity(SITE, Steps(SITE), None)
    pauses = [identity.failed(NeedsPerson("no", retry_after=60.0)).retry_after for _ in range(8)]
    identity.succeeded()
    assert pauses == [60, 120, 240, 480, 960, 1920, 3600, 3600]
    assert identity.failed(NeedsPerson("no", retry_after=60.0)).retry_after == 60


def test_an_ended_login_of_a_person_calls_the_person(home: UserDataDir) -> None:
    identity = Identity(SITE, Plain(SITE), home)
    before = identity.failed(Changed("it changed"))
    home.remember()
    after = identity.failed(MissingToken("sign of being ready", "#out"))
    assert (type(before), type(after)) == (Changed, NeedsPerson)
    assert "doorkey login wiki" in after.message


def test_a_page_that_greets_nobody_is_no_page_of_a_login() -> None:
    identity = Identity(SITE, Steps(SITE), None)
    identity.check(Page(url=SITE.url, html='<a id="out">'))
    with pytest.raises(MissingToken):
        identity.check(Page(url=SITE.url, html="<form>"))


async def test_a_failed_login_is_not_tried_again_before_its_time(
    keeper: Keeper, source: HeldSource, clock: SteppedClock
) -> None:
    source.failure = NeedsPerson("the site did not take the login", retry_after=60.0)
    for passed in (0.0, 30.0, 29.0):
        await clock.advance(passed)
        with pytest.raises(NeedsPerson):
            await keeper.get(source, deadline=clock.now() + 10)
    assert source.visits == 1
    await clock.advance(2.0)
    with pytest.raises(NeedsPerson):
        await keeper.get(source, deadline=clock.now() + 10)
    assert source.visits == 2


async def test_a_login_in_one_process_ends_the_pause_in_another(
    keepers: Callable[..., Keeper], source: HeldSource, clock: SteppedClock
) -> None:
    store = MemoryStore(clock)
    service, command = keepers(store), keepers(store)
    source.failure = NeedsPerson("log in", retry_after=3600.0)
    with pytest.raises(NeedsPerson):
        await service.get(source, deadline=clock.now() + 10)
    session = await command.adopt(source, made(7, clock))
    assert await service.get(source, deadline=clock.now() + 10) == session
    assert source.visits == 1
