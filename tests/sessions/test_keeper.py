"""The keeper's promises: one visit for all, generations that rise, failures that are shared and remembered."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from doorkey.errors import (
    Blocked,
    Changed,
    DoorkeyError,
    MissingToken,
    NeedsPerson,
    QuotaReached,
    RateLimited,
    SessionRefused,
    SiteDown,
    TimeLimit,
    VisitFailed,
)
from doorkey.model.site import Site
from doorkey.rate.limiter import CALLER
from doorkey.sessions.keeper import Keeper
from doorkey.sessions.key_state import KeyState
from doorkey.sessions.memory import MemoryStore
from doorkey.sessions.source import Journal, RenewalReason
from doorkey.sessions.store import Claim, hold_claim
from doorkey.status import status_of
from stepped_clock import settle

from .conftest import KEY

if TYPE_CHECKING:
    from doorkey.model.session import Session
    from stepped_clock import SteppedClock

    from .conftest import HeldSource


def soon(clock: SteppedClock) -> float:
    return clock.now() + 100


async def test_fifty_callers_share_one_visit(keeper: Keeper, source: HeldSource, clock: SteppedClock) -> None:
    source.gate.clear()
    calls = [asyncio.create_task(keeper.get(source, deadline=soon(clock))) for _ in range(50)]
    await settle()
    source.gate.set()
    sessions = await asyncio.gather(*calls)
    assert source.visits == 1
    assert len({session.gen for session in sessions}) == 1


async def test_fifty_refusals_of_one_generation_cost_one_visit(
    keeper: Keeper, source: HeldSource, clock: SteppedClock
) -> None:
    first = await keeper.get(source, deadline=soon(clock))
    keeper.accept(first)

    async def refused() -> Session:
        keeper.refuse(first, named=True)
        return await keeper.get(source, newer_than=first.gen, deadline=soon(clock))

    renewed = await asyncio.gather(*(refused() for _ in range(50)))
    assert source.visits == 2
    assert {session.gen > first.gen for session in renewed} == {True}


async def test_late_news_of_an_older_generation_changes_nothing(
    keeper: Keeper, source: HeldSource, clock: SteppedClock
) -> None:
    first = await keeper.get(source, deadline=soon(clock))
    keeper.accept(first)
    keeper.refuse(first, named=True)
    second = await keeper.get(source, deadline=soon(clock))
    keeper.refuse(first, named=True)
    keeper.refuse(first, named=False)
    assert await keeper.get(source, newer_than=first.gen, deadline=soon(clock)) is second
    assert source.visits == 2


async def test_cancelling_callers_the_first_too_strands_nobody(
    keeper: Keeper, source: HeldSource, clock: SteppedClock
) -> None:
    source.gate.clear()
    calls = [asyncio.create_task(keeper.get(source, deadline=soon(clock))) for _ in range(5)]
    await settle()
    for call in calls[:3]:
        call.cancel()
    await settle()
    source.gate.set()
    assert {(await call).gen for call in calls[3:]}
    assert source.visits == 1


async def test_a_visit_nobody_waits_for_any_more_serves_the_next_caller(
    keeper: Keeper, source: HeldSource, clock: SteppedClock
) -> None:
    source.gate.clear()
    call = asyncio.create_task(keeper.get(source, deadline=soon(clock)))
    await settle()
    call.cancel()
    await settle()
    source.gate.set()
    await keeper.get(source, deadline=soon(clock))
    assert source.visits == 1


async def test_a_lasting_failure_reaches_all_who_wait_and_is_remembered(
    keeper: Keeper, source: HeldSource, clock: SteppedClock
) -> None:
    source.failure = MissingToken("nonce", "[data-nonce]")
    source.gate.clear()
    calls = [asyncio.create_task(keeper.get(source, deadline=soon(clock))) for _ in range(5)]
    await settle()
    source.gate.set()
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert all(isinstance(result, MissingToken) and isinstance(result, RuntimeError) for result in results)
    assert len(set(map(id, results))) == 5
    with pytest.raises(MissingToken) as told:
        await keeper.get(source, deadline=soon(clock))
    assert told.value.retry_after is not None
    assert source.visits == 1


async def test_a_short_pause_is_waited_out_and_a_long_one_told(
    keepers: Callable[..., Keeper], source: HeldSource, clock: SteppedClock
) -> None:
    keeper = keepers(pause=1.0, patience=2.0)
    source.failure = SiteDown("the site can't be reached")
    call = asyncio.create_task(keeper.get(source, deadline=soon(clock)))
    await clock.advance(0.5)
    assert source.visits == 1
    await clock.advance(0.6)
    assert source.visits == 2
    await clock.advance(2.1)  # the pauses are 1, 2 and then 4 seconds: too long to be waited out
    assert source.visits == 3
    with pytest.raises(SiteDown) as told:
        await call
    assert told.value.retry_after == pytest.approx(4.0)


async def test_only_a_use_ends_the_pauses_growth(
    keepers: Callable[..., Keeper], source: HeldSource, clock: SteppedClock
) -> None:
    keeper = keepers(pause=1.0, patience=0.0)
    for expected in (1.0, 2.0, 4.0):
        session = await keeper.get(source, deadline=soon(clock))
        keeper.refuse(session, named=True)  # never worked: a fresh session that is refused counts as a failure
        with pytest.raises(VisitFailed) as told:
            await keeper.get(source, deadline=soon(clock))
        assert told.value.retry_after == pytest.approx(expected)
        await clock.advance(expected)
    session = await keeper.get(source, deadline=soon(clock))
    keeper.accept(session)
    keeper.refuse(session, named=True)
    await keeper.get(source, deadline=soon(clock))


async def test_past_the_soft_age_the_old_session_serves_while_a_new_one_is_fetched(
    keeper: Keeper, source: HeldSource, clock: SteppedClock
) -> None:
    first = await keeper.get(source, deadline=soon(clock))
    await clock.advance(700)
    source.gate.clear()
    assert await keeper.get(source, deadline=soon(clock)) is first
    assert await keeper.get(source, deadline=soon(clock)) is first
    await settle()
    assert source.visits == 2
    source.gate.set()
    await settle()
    assert (await keeper.get(source, deadline=soon(clock))).gen > first.gen


async def test_past_the_hard_age_a_session_is_not_used(keeper: Keeper, source: HeldSource, clock: SteppedClock) -> None:
    first = await keeper.get(source, deadline=soon(clock))
    await clock.advance(1300)
    assert (await keeper.get(source, deadline=soon(clock))).gen > first.gen


async def test_a_waiter_past_its_deadline_is_told_and_the_visit_goes_on(
    keeper: Keeper, source: HeldSource, clock: SteppedClock
) -> None:
    source.gate.clear()
    with pytest.raises(TimeLimit, match="visit"):
        await keeper.get(source, deadline=clock.now())
    source.gate.set()
    await keeper.get(source, deadline=soon(clock))
    assert source.visits == 1


async def test_a_declared_use_budget_leads_to_no_use_beyond_it(
    keeper: Keeper, source: HeldSource, clock: SteppedClock
) -> None:
    source.changes["max_uses"] = 3
    sessions = [await keeper.get(source, deadline=soon(clock)) for _ in range(12)]
    uses = [sum(1 for other in sessions if other.gen == session.gen) for session in sessions]
    assert max(uses) == 3
    assert source.visits in (4, 5)  # the last one's successor may be fetched already


async def test_a_use_budget_is_learned_from_three_generations_that_ended_alike(
    keeper: Keeper, source: HeldSource, clock: SteppedClock
) -> None:
    for _ in range(3):
        assert keeper.key_state(source.key).budget.learned is None
        for _ in range(4):
            session = await keeper.get(source, deadline=soon(clock))
            keeper.accept(session)
        keeper.refuse(session, named=True)
    assert keeper.key_state(source.key).budget.learned == 4


async def test_an_unnamed_refusal_leaves_the_session_to_the_others(
    keeper: Keeper, source: HeldSource, clock: SteppedClock
) -> None:
    first = await keeper.get(source, deadline=soon(clock))
    keeper.accept(first)
    source.gate.clear()
    keeper.refuse(first, named=False)
    renewing = asyncio.create_task(keeper.get(source, newer_than=first.gen, deadline=soon(clock)))
    await settle()
    assert await keeper.get(source, deadline=soon(clock)) is first
    source.gate.set()
    assert (await renewing).gen > first.gen
    assert source.reasons[-1].refused is first
    assert not source.reasons[-1].named


async def test_two_keepers_on_one_store_visit_once(
    keepers: Callable[..., Keeper], source: HeldSource, clock: SteppedClock
) -> None:
    store = MemoryStore(clock)
    one, other = keepers(store), keepers(store)
    source.gate.clear()
    calls = [asyncio.create_task(keeper.get(source, deadline=soon(clock))) for keeper in (one, other)]
    await settle()
    source.gate.set()
    first, second = await asyncio.gather(*calls)
    assert first.gen == second.gen
    assert source.most_at_once == source.visits == 1


async def test_closing_ends_the_visit_under_way_and_tells_who_waits(
    keepers: Callable[..., Keeper], source: HeldSource, clock: SteppedClock
) -> None:
    keeper = keepers()
    source.gate.clear()
    call = asyncio.create_task(keeper.get(source, deadline=soon(clock)))
    await settle()
    await keeper.close()
    with pytest.raises(VisitFailed, match="shutting down"):
        await call


async def test_a_visit_asked_for_by_name_heeds_no_pause_of_this_or_another_process(
    keepers: Callable[..., Keeper], source: HeldSource, clock: SteppedClock
) -> None:
    store = MemoryStore(clock)
    one, other = keepers(store, patience=0.0), keepers(store)
    source.failure = SiteDown("the site can't be reached")
    with pytest.raises(SiteDown):
        await one.get(source, deadline=soon(clock))
    source.failure = None
    assert (await other.visit(source, deadline=soon(clock))).gen
    assert source.visits == 2


async def test_a_visit_asked_for_by_name_is_newer_than_what_another_process_visited(
    keepers: Callable[..., Keeper], source: HeldSource, clock: SteppedClock
) -> None:
    store = MemoryStore(clock)
    one, other = keepers(store), keepers(store)
    first = await one.get(source, deadline=soon(clock))
    second = await other.visit(source, deadline=soon(clock))
    assert second.gen > first.gen
    assert source.visits == 2


async def test_a_stored_session_that_settings_have_outgrown_is_visited_anew(
    keepers: Callable[..., Keeper], source: HeldSource, clock: SteppedClock
) -> None:
    store = MemoryStore(clock)
    before = await keepers(store).get(source, deadline=soon(clock))
    source.outgrown = before.gen
    after = await keepers(store).get(source, deadline=soon(clock))
    assert (after.gen > before.gen, source.visits) == (True, 2)


async def test_another_process_tells_too_that_a_person_is_needed(
    keepers: Callable[..., Keeper], source: HeldSource, clock: SteppedClock
) -> None:
    store = MemoryStore(clock)
    source.failure = NeedsPerson("wiki: log in", retry_after=60)
    for keeper in (keepers(store), keepers(store)):
        with pytest.raises(NeedsPerson, match="log in"):
            await keeper.get(source, deadline=soon(clock))
    assert source.visits == 1
    site = Site(name="wiki", url="https://wiki.example/")
    status = status_of(site, "web", KeyState(source.key), await store.row(source.key), clock)
    assert (status.state, status.last_error) == ("needs person", "wiki: log in")
    assert 50 < (status.retry_after or 0) <= 60


@pytest.mark.parametrize("kind", [RateLimited, QuotaReached, Blocked, SessionRefused, Changed])
async def test_another_process_tells_what_the_visit_met_by_the_same_class(
    keepers: Callable[..., Keeper], source: HeldSource, clock: SteppedClock, kind: type[DoorkeyError]
) -> None:
    store = MemoryStore(clock)
    source.failure = kind("wiki: no", retry_after=60)
    for keeper in (keepers(store), keepers(store)):
        with pytest.raises(kind, match="wiki: no"):
            await keeper.get(source, deadline=soon(clock))
    assert source.visits == 1


async def test_a_logout_in_another_process_is_what_the_next_visit_begins_with(
    keepers: Callable[..., Keeper], source: HeldSource, clock: SteppedClock
) -> None:
    store = MemoryStore(clock)
    one, other = keepers(store), keepers(store)
    first = await one.get(source, deadline=soon(clock))
    one.accept(first)
    out = replace(first, hard=0.0, cookies=(), tokens={}, rung="logged out")
    await other.adopt(source, out)
    one.refuse(first, named=True)
    await one.get(source, newer_than=first.gen, deadline=soon(clock))
    need = source.reasons[-1]
    assert need.previous is not None
    assert (need.previous.rung, need.refused) == ("logged out", None)


async def test_a_login_takes_the_place_of_a_session_that_is_not_used_up(
    keepers: Callable[..., Keeper], source: HeldSource, clock: SteppedClock
) -> None:
    source.changes["max_uses"] = 5
    keeper = keepers()
    before = await keeper.get(source, deadline=soon(clock))
    login = await keeper.adopt(source, replace(before, rung="a person"))
    assert await keeper.get(source, deadline=soon(clock)) is login


async def test_a_visit_whose_session_is_used_after_a_newer_one_was_not_useless(
    keepers: Callable[..., Keeper], source: HeldSource, clock: SteppedClock
) -> None:
    source.changes["max_uses"] = 1
    keeper = keepers()
    sessions = [await keeper.get(source, deadline=soon(clock)) for _ in range(2)]
    for session in reversed(sessions):
        keeper.accept(session)
    assert keeper.key_state(source.key).pause.useless == ()


async def test_a_visit_is_in_no_callers_context(keeper: Keeper, source: HeldSource, clock: SteppedClock) -> None:
    callers: list[str] = []

    class Asked(type(source)):  # type: ignore[misc]  # the fixture's class
        async def make(self, reason: RenewalReason, journal: Journal) -> Session:
            callers.append(CALLER.get(""))
            return await super().make(reason, journal)  # type: ignore[no-any-return]

    CALLER.set("request-1")
    await keeper.get(Asked(clock), deadline=soon(clock))
    assert callers == [""]


async def test_after_its_end_a_keeper_visits_no_more(keeper: Keeper, source: HeldSource, clock: SteppedClock) -> None:
    await keeper.close()
    with pytest.raises(VisitFailed, match="shutting down"):
        await keeper.get(source, deadline=soon(clock))
    assert source.visits == 0


async def test_a_time_limit_within_the_visit_keeps_its_name(
    keepers: Callable[..., Keeper], source: HeldSource, clock: SteppedClock
) -> None:
    source.failure = TimeLimit("page load", 5.0)
    with pytest.raises(TimeLimit, match="page load"):
        await keepers(patience=0.0).get(source, deadline=soon(clock))


async def test_a_heart_stops_at_the_first_refused_beat(clock: SteppedClock) -> None:
    class Counting(MemoryStore):
        beats = 0

        async def renew(self, claim: Claim, ttl: float) -> bool:
            self.beats += 1
            return await super().renew(claim, ttl)

    store = Counting(clock)
    lost = await store.begin(KEY, -1, 15.0)
    assert isinstance(lost, Claim)
    await clock.advance(16)
    assert isinstance(await store.begin(KEY, -1, 15.0), Claim)
    async with hold_claim(store, lost, 15.0, clock):
        await clock.advance(100)
    assert store.beats == 1
