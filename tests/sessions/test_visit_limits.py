"""How many pages are opened at a site at a time, and how many visits in vain it gets."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from doorkey.errors import BrowserMissing, Changed, DoorkeyError, SiteDown, VisitFailed
from doorkey.model.session import Key
from doorkey.rate.limits import RateLimiters, RateLimits
from doorkey.sessions.keeper import Keeper
from stepped_clock import SteppedClock, settle

from .conftest import KEY, HeldSource


async def test_one_page_at_a_time_is_opened_at_a_site(keepers: Callable[..., Keeper], clock: SteppedClock) -> None:
    keeper = keepers(limiters=RateLimiters(lambda key: RateLimits(), clock))
    sources = [HeldSource(clock, Key("wiki", KEY.url, caller=str(number))) for number in range(3)]
    sources[0].gate.clear()
    calls = [asyncio.create_task(keeper.get(source, deadline=clock.now() + 100)) for source in sources]
    await settle(100)
    assert [source.visits for source in sources] == [1, 0, 0]
    sources[0].gate.set()
    await asyncio.gather(*calls)
    assert [source.visits for source in sources] == [1, 1, 1]


@pytest.fixture
def mannerly(keepers: Callable[..., Keeper], clock: SteppedClock) -> Keeper:
    return keepers(limiters=RateLimiters(lambda key: RateLimits(), clock), patience=0.0)


async def fruitless(keeper: Keeper, source: HeldSource, clock: SteppedClock, times: int) -> DoorkeyError:
    """The last error of so many visits, each made as soon as it may be."""
    for _ in range(times):
        with pytest.raises(DoorkeyError) as caught:
            await keeper.get(source, deadline=clock.now() + 1000)
        await clock.advance(max(0.0, min(30.0, keeper.states[KEY].pause.until - clock.now())))
    return caught.value


async def test_after_three_visits_that_failed_there_is_none_for_ten_minutes(
    mannerly: Keeper, source: HeldSource, clock: SteppedClock
) -> None:
    source.failure = SiteDown("HTTP 503")
    await fruitless(mannerly, source, clock, 6)
    assert source.visits == 3
    source.failure = None
    with pytest.raises(SiteDown) as told:
        await mannerly.get(source, deadline=clock.now() + 1000)
    assert told.value.retry_after == pytest.approx(480)
    await clock.advance(480)
    await mannerly.get(source, deadline=clock.now() + 1000)
    assert source.visits == 4


async def test_three_fresh_sessions_refused_are_three_useless_visits(
    mannerly: Keeper, source: HeldSource, clock: SteppedClock
) -> None:
    for visits in (1, 2, 3):
        session = await mannerly.get(source, deadline=clock.now() + 1000)
        mannerly.refuse(session, named=True)
        assert source.visits == visits
        await clock.advance(10)
    with pytest.raises(VisitFailed) as told:
        await mannerly.get(source, deadline=clock.now() + 1000)
    assert (source.visits, told.value.retry_after) == (3, pytest.approx(590))


async def test_visits_whose_sessions_are_used_are_without_limit(
    mannerly: Keeper, source: HeldSource, clock: SteppedClock
) -> None:
    for _ in range(10):
        session = await mannerly.get(source, deadline=clock.now() + 1000)
        mannerly.accept(session)
        mannerly.refuse(session, named=True)
    assert source.visits == 10


async def test_useless_visits_of_long_ago_do_not_count(
    mannerly: Keeper, source: HeldSource, clock: SteppedClock
) -> None:
    source.failure = Changed("no token")
    for _ in range(6):
        await fruitless(mannerly, source, clock, 1)
        await clock.advance(301)
    assert source.visits == 6


@pytest.mark.parametrize("failure", [SiteDown("refused", arrived=False), BrowserMissing("none is installed")])
async def test_a_visit_that_never_reached_the_site_does_not_count(
    mannerly: Keeper, source: HeldSource, clock: SteppedClock, failure: DoorkeyError
) -> None:
    source.failure = failure
    await fruitless(mannerly, source, clock, 5)
    assert source.visits == 5


async def test_a_person_who_asks_for_a_visit_gets_it(mannerly: Keeper, source: HeldSource, clock: SteppedClock) -> None:
    source.failure = Changed("no token")
    await fruitless(mannerly, source, clock, 4)
    source.failure = None
    await mannerly.visit(source, deadline=clock.now() + 1000)
    assert source.visits == 4


async def test_without_manners_only_the_growing_pause_holds(
    keepers: Callable[..., Keeper], source: HeldSource, clock: SteppedClock
) -> None:
    source.failure = SiteDown("HTTP 503")
    await fruitless(keepers(patience=0.0), source, clock, 5)
    assert source.visits == 5
