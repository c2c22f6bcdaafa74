"""A store that is away holds up renewals only; and what a key's state says of waits, refusals and ages."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from doorkey.errors import SiteDown, TimeLimit, Unavailable
from doorkey.model.events import Events, VisitEvent
from doorkey.model.site import Site
from doorkey.sessions.keeper import Keeper
from doorkey.sessions.memory import MemoryStore
from doorkey.sessions.store import Busy, Claim, Newer, Row
from doorkey.status import status_of
from stepped_clock import SteppedClock

from .away_store import AwayStore
from .conftest import KEY, HeldSource, made

Keepers = Callable[..., Keeper]


async def test_while_the_store_is_away_requests_go_on_and_a_renewal_waits(
    keepers: Keepers, source: HeldSource, clock: SteppedClock
) -> None:
    store = AwayStore(clock)
    keeper = keepers(store)
    first = await keeper.get(source, deadline=clock.now() + 60)
    store.away = True
    assert await keeper.get(source, deadline=clock.now() + 60) == first
    renewing = [asyncio.create_task(keeper.renew(source, first, deadline=clock.now() + 60)) for _ in range(20)]
    await clock.advance(8)
    assert not any(task.done() for task in renewing)
    assert 14 <= store.asked <= 40, "asked for all callers together, every 0.2 to 0.5 s"
    store.away = False
    await clock.advance(0.5)
    assert len({(await task).gen for task in renewing}) == 1
    assert source.visits == 2


async def test_a_store_that_stays_away_is_told_and_not_asked_at_every_request(
    keepers: Keepers, source: HeldSource, clock: SteppedClock
) -> None:
    store = AwayStore(clock)
    store.away = True
    keeper = keepers(store, away=3.0, patience=0.0)
    asking = asyncio.create_task(keeper.get(source, deadline=clock.now() + 60))
    await clock.advance(3.5)
    with pytest.raises(Unavailable, match="store can't be used") as caught:
        await asking
    assert caught.value.retry_after
    asked = store.asked
    for _ in range(10):
        with pytest.raises(Unavailable):
            await keeper.get(source, deadline=clock.now() + 60)
    assert store.asked == asked
    assert source.visits == 0


async def test_while_the_store_is_away_a_pause_is_told_with_its_own_error(
    keepers: Keepers, source: HeldSource, clock: SteppedClock
) -> None:
    store = AwayStore(clock)
    keeper = keepers(store, patience=0.0)
    source.failure = SiteDown("the site is down", arrived=True)
    for _ in range(3):
        with pytest.raises(SiteDown, match="the site is down"):
            await keeper.get(source, deadline=clock.now() + 60)
        store.away = True
    assert store.asked == 1, "told at once, and not after the store's own time limit"


async def test_a_claim_outlasts_an_absence_shorter_than_it(
    keepers: Keepers, source: HeldSource, clock: SteppedClock
) -> None:
    store = AwayStore(clock)
    keeper = keepers(store)
    source.gate.clear()
    getting = asyncio.create_task(keeper.get(source, deadline=clock.now() + 60))
    await clock.advance(3)
    store.away = True
    await clock.advance(6)  # one heartbeat is lost
    store.away = False
    await clock.advance(15)
    assert isinstance(await store.begin(KEY, -1, 15), Busy), "the heartbeat went on"
    source.gate.set()
    assert (await getting).gen > 0
    assert source.visits == 1


async def test_a_failure_that_the_store_was_not_told_counts_once(
    keepers: Keepers, source: HeldSource, clock: SteppedClock
) -> None:
    store = AwayStore(clock)
    keeper = keepers(store, patience=0.0)
    source.gate.clear()
    source.failure = SiteDown("refused", arrived=True)
    getting = asyncio.create_task(keeper.get(source, deadline=clock.now() + 60))
    await clock.advance(0)
    store.away = True
    source.gate.set()
    await clock.advance(0)
    with pytest.raises(SiteDown):
        await getting
    assert keeper.states[KEY].pause.failures == 1


async def test_a_deadline_names_the_wait(keepers: Keepers, source: HeldSource, clock: SteppedClock) -> None:
    async def told(keeper: Keeper) -> str:
        asking = asyncio.create_task(keeper.get(source, deadline=clock.now() + 2))
        await clock.advance(2)
        with pytest.raises(TimeLimit) as caught:
            await asking
        return caught.value.message

    away, shared = AwayStore(clock), MemoryStore(clock)
    away.away = True
    assert "the session store is away" in await told(keepers(away))
    assert isinstance(await shared.begin(KEY, -1, 15), Claim)
    assert "another process visits" in await told(keepers(shared))
    source.gate.clear()
    assert "a visit goes on" in await told(keepers())


async def test_after_three_sessions_that_never_worked_the_site_counts_as_open(
    keeper: Keeper, source: HeldSource, clock: SteppedClock
) -> None:
    state, site = keeper.states[KEY], Site(name="wiki", url=KEY.url)

    def shown() -> str:
        return status_of(site, "web", state, Row(), clock).state

    current = await keeper.get(source, deadline=clock.now() + 60)
    for number in range(3):
        assert shown() != "open", number
        keeper.refuse(current, named=True)
        await clock.advance(300)
        if number < 2:
            current = await keeper.get(source, deadline=clock.now() + 60)
    assert shown() == "open"
    current = await keeper.get(source, deadline=clock.now() + 60)
    assert shown() == "open", "a visit alone closes nothing"
    keeper.accept(current)
    assert shown() == "fresh"


async def test_a_person_is_called_once_when_new_sessions_are_refused_again_and_again(
    keepers: Keepers, source: HeldSource, clock: SteppedClock
) -> None:
    events, called = Events(clock), list[str]()
    events.subscribe(lambda event: called.append(event.detail) if isinstance(event, VisitEvent) else None)
    keeper = keepers(events=events)
    for number in range(5):
        assert len(called) == (number > 2)
        current = await keeper.get(source, deadline=clock.now() + 60)
        keeper.refuse(current, named=True)
        keeper.refuse(current, named=True)
        await clock.advance(300)
    assert called == ["the site refused 3 new sessions in a row before they ever worked"]


async def test_a_login_by_hand_closes_what_refusals_opened(
    keeper: Keeper, source: HeldSource, clock: SteppedClock
) -> None:
    for _ in range(3):
        current = await keeper.get(source, deadline=clock.now() + 60)
        keeper.refuse(current, named=True)
        await clock.advance(300)
    assert keeper.states[KEY].is_open
    await keeper.adopt(source, made(9, clock))
    assert not keeper.states[KEY].is_open


async def test_the_successor_is_fetched_a_little_before_the_soft_age_at_a_drawn_time(
    keepers: Keepers, source: HeldSource, clock: SteppedClock
) -> None:
    keeper = keepers(uniform=lambda low, high: low)
    first = await keeper.get(source, deadline=clock.now() + 60)
    await clock.advance(0.9 * first.soft - 1)
    assert keeper.get_ready(source) == first
    await clock.advance(0)
    assert source.visits == 1
    await clock.advance(1)
    assert keeper.get_ready(source) == first, "it serves while the next one is fetched"
    await clock.advance(0)
    assert source.visits == 2


async def test_what_another_node_made_while_the_store_was_away_is_taken(
    keepers: Keepers, source: HeldSource, clock: SteppedClock
) -> None:
    store = AwayStore(clock)
    keeper, other = keepers(store), keepers(store)
    first = await keeper.get(source, deadline=clock.now() + 60)
    await other.get(source, deadline=clock.now() + 60)
    store.away = True
    renewing = [
        asyncio.create_task(one.renew(source, first, deadline=clock.now() + 60))
        for one in (keeper, other)
        for _ in range(5)
    ]
    await clock.advance(2)
    store.away = False
    await clock.advance(20)
    assert len({(await task).gen for task in renewing}) == 1
    assert source.visits == 2
    assert isinstance(await store.begin(KEY, first.gen, 15), Newer)
