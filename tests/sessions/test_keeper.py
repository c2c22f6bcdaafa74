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
    Unavailable,
    VisitFailed,
)
from doorkey.model.events import Event, Events, VisitRecord
from doorkey.model.session import Key, Session
from doorkey.model.site import Site
from doorkey.rate.limiter import CALLER
from doorkey.sessions.flights import birth
from doorkey.sessions.keeper import LASTING, Keeper
from doorkey.sessions.key_state import KeyState
from doorkey.sessions.login_war import MOST, YOUNG
from doorkey.sessions.memory import MemoryStore
from doorkey.sessions.source import Journal, RenewalReason
from doorkey.sessions.store import BeginResult, Busy, Claim, Row, hold_claim
from doorkey.status import status_of
from stepped_clock import settle

from .conftest import KEY, HeldSource, made

if TYPE_CHECKING:
    from stepped_clock import SteppedClock


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
        assert keeper.states[source.key].budget.learned is None
        for _ in range(4):
            session = await keeper.get(source, deadline=soon(clock))
            keeper.accept(session)
        keeper.refuse(session, named=True)
    assert keeper.states[source.key].budget.learned == 4


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
    assert keeper.states[source.key].pause.useless == ()


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


async def test_each_visit_is_published_with_its_end(
    keepers: Callable[..., Keeper], source: HeldSource, clock: SteppedClock
) -> None:
    events, told = Events(clock), list[Event]()
    events.subscribe(told.append)
    keeper = keepers(events=events, patience=0.0)
    source.gate.clear()
    call = asyncio.create_task(keeper.get(source, deadline=soon(clock)))
    await clock.advance(3)
    source.changes = {"rung": "browser"}
    source.gate.set()
    first = await call
    assert told == [VisitRecord(at=clock.wall(), site="wiki", took=3.0, rung="browser")]
    keeper.accept(first)
    source.failure = Blocked("no")
    with pytest.raises(Blocked):
        await keeper.renew(source, first, deadline=soon(clock))
    assert told[1:] == [VisitRecord(at=clock.wall(), site="wiki", took=0.0, error="blocked")]


async def test_a_half_session_in_the_store_is_not_taken_for_a_visit(
    keepers: Callable[..., Keeper], source: HeldSource, clock: SteppedClock
) -> None:
    store = MemoryStore(clock)
    claim = await store.begin(KEY, -1, 15.0)
    assert isinstance(claim, Claim)
    await store.keep(claim, made(7, clock))
    await store.fail(claim, "", "", 0.0)
    keeper = keepers(store)
    session = await keeper.visit(source, deadline=soon(clock))
    assert (source.visits, session.cookie("sid")) == (1, "value-1")
    previous = source.reasons[0].previous
    assert previous is not None
    assert previous.cookie("sid") == "value-7", "but the visit begins with it"


async def test_a_callers_own_session_is_in_no_shared_store(
    keepers: Callable[..., Keeper], source: HeldSource, clock: SteppedClock
) -> None:
    class Untouched(MemoryStore):
        async def begin(self, key: Key, seen: int, ttl: float, *, patient: bool = True) -> BeginResult:
            raise AssertionError("the shared store was asked")

        async def row(self, key: Key) -> Row:
            raise AssertionError("the shared store was read")

        async def renew_cookies(self, session: Session) -> None:
            raise AssertionError("the shared store was written")

    source.key = KEY._replace(caller="somebody")
    keeper = keepers(Untouched(clock), patience=0.0)
    first = await keeper.visit(source, deadline=soon(clock))
    await keeper.renew_cookies(first, lambda held: replace(held, cookies=()))
    assert keeper.get_ready(source) == replace(first, cookies=())
    await keeper.adopt(source, first)
    source.failure = Blocked("no", retry_after=60.0)
    with pytest.raises(Blocked):
        await keeper.visit(source, deadline=soon(clock))
    await clock.advance(1)
    with pytest.raises(Blocked, match="remembered"):
        await keeper.get(source, newer_than=2**60, deadline=soon(clock))


async def test_a_login_waits_for_the_visit_of_another_process_and_comes_after_it(
    keepers: Callable[..., Keeper], source: HeldSource, clock: SteppedClock
) -> None:
    class Asked(MemoryStore):
        begun = 0

        async def begin(self, key: Key, seen: int, ttl: float, *, patient: bool = True) -> BeginResult:
            self.begun += 1
            return await super().begin(key, seen, ttl, patient=patient)

    store = Asked(clock)
    there, here = keepers(store), keepers(store)
    source.gate.clear()
    visit = asyncio.create_task(there.get(source, deadline=soon(clock)))
    await settle()
    login = asyncio.create_task(here.adopt(source, made(9, clock)))
    await settle()
    assert (login.done(), store.begun) == (False, 2)
    source.gate.set()
    first, by_hand = await visit, await login
    assert by_hand.gen > first.gen
    assert store.begun == 4, "once more to learn of the visit's session, once to come after it"
    assert here.get_ready(source) == by_hand


async def test_renewing_would_take_too_long_where_sessions_never_worked(
    keepers: Callable[..., Keeper], source: HeldSource, clock: SteppedClock
) -> None:
    keeper = keepers(patience=2.0, pause=3.0)
    session = await keeper.get(source, deadline=soon(clock))
    assert keeper.cannot_renew_in_time(session, soon(clock)), "it never worked: a pause of 3 s"
    keeper.accept(session)
    assert not keeper.cannot_renew_in_time(session, soon(clock))
    short = keepers(patience=2.0, pause=1.0)
    session = await short.get(source, deadline=soon(clock))
    assert not short.cannot_renew_in_time(session, soon(clock)), "1 s is waited out"
    assert short.cannot_renew_in_time(session, clock.now() + 0.5)
    short.states[KEY].fail_visit(Blocked("no", retry_after=60.0), clock.now(), known=True)
    assert not short.cannot_renew_in_time(session, soon(clock)), "that is another failure's pause"


async def test_while_a_store_is_away_it_is_asked_again_for_a_while(
    keepers: Callable[..., Keeper], source: HeldSource, clock: SteppedClock
) -> None:
    class Away(MemoryStore):
        asked = 0
        until = 1e9

        async def begin(self, key: Key, seen: int, ttl: float, *, patient: bool = True) -> BeginResult:
            self.asked += 1
            if self._clock.now() < self.until:
                raise Unavailable("the store is away")
            return await super().begin(key, seen, ttl, patient=patient)

    store = Away(clock)
    keeper = keepers(store, away=10.0, patience=0.0)
    call = asyncio.create_task(keeper.get(source, deadline=soon(clock)))
    await clock.advance(9.9)
    assert (call.done(), store.asked) == (False, 20)
    assert keeper.states[KEY].waits == "the session store is away"
    await clock.advance(1)
    with pytest.raises(Unavailable, match="the store is away"):
        await call
    assert store.asked == 21, "for the last time when 10 s are over"
    store.until = clock.now()
    await clock.advance(60)
    await keeper.get(source, deadline=soon(clock))
    assert source.visits == 1


async def test_a_visit_has_its_limit_and_longer_where_a_person_may_be_asked(
    keepers: Callable[..., Keeper], source: HeldSource
) -> None:
    source.gate.clear()
    with pytest.raises(TimeLimit, match=r"visit.*limits\.visit"):
        await keepers(limit=0.001, patience=0.0).get(source, deadline=1e9)
    assert source.at_once == 0
    asked = asyncio.create_task(keepers(limit=0.0, longer=lambda: 600.0).get(source, deadline=1e9))
    await settle()
    assert not asked.done()
    source.gate.set()
    await asked


@pytest.mark.parametrize("kind", LASTING)
async def test_a_failure_that_another_try_would_repeat_is_told_at_once(
    keeper: Keeper, source: HeldSource, clock: SteppedClock, kind: type[DoorkeyError]
) -> None:
    source.failure = kind("no", site="wiki")
    for told in ("no", r"no \(the next try is in 1 s"):
        with pytest.raises(kind, match=told):
            await keeper.get(source, deadline=soon(clock))
    assert source.visits == 1


async def test_a_fault_of_our_own_reaches_who_waits_and_begins_a_pause(
    keepers: Callable[..., Keeper], clock: SteppedClock
) -> None:
    class Faulty(HeldSource):
        async def make(self, reason: RenewalReason, journal: Journal) -> Session:
            raise ZeroDivisionError("a fault")

    store = MemoryStore(clock)
    keeper = keepers(store, patience=0.0)
    with pytest.raises(ZeroDivisionError):
        await keeper.get(Faulty(clock), deadline=soon(clock))
    with pytest.raises(VisitFailed, match="a fault of doorkey's own"):
        await keeper.get(Faulty(clock), deadline=soon(clock))
    assert isinstance(await store.begin(KEY, -1, 15.0), Claim), "the claim was given back"


async def test_another_processes_visit_is_waited_for_a_little_longer_than_its_claim(
    keepers: Callable[..., Keeper], source: HeldSource, clock: SteppedClock
) -> None:
    class Watched(MemoryStore):
        waits: list[float] = []  # noqa: RUF012 - of this test's one store

        async def changed(self, key: Key, timeout: float) -> None:
            self.waits.append(timeout)
            await self._clock.sleep(timeout)

    store = Watched(clock)
    assert isinstance(await store.begin(KEY, -1, 15.0), Claim)
    keeper = keepers(store)
    call = asyncio.create_task(keeper.get(source, deadline=soon(clock)))
    await clock.advance(16)
    assert (store.waits, call.done()) == ([pytest.approx(16.5)], False)
    assert keeper.states[KEY].waits == "another process visits"
    await clock.advance(1)
    await call


async def test_the_heart_has_stopped_when_the_work_is_done(clock: SteppedClock) -> None:
    store = MemoryStore(clock)
    claim = await store.begin(KEY, -1, 15.0)
    assert isinstance(claim, Claim)
    before = asyncio.all_tasks()
    async with hold_claim(store, claim, 15.0, clock):
        await clock.advance(20)
        assert isinstance(await store.begin(KEY, -1, 15.0), Busy), "it beats every 5 s"
    assert asyncio.all_tasks() == before


async def test_a_heart_beats_on_while_the_store_is_away(clock: SteppedClock) -> None:
    class Away(MemoryStore):
        beats = 0

        async def renew(self, claim: Claim, ttl: float) -> bool:
            self.beats += 1
            if self.beats == 2:
                raise Unavailable("the store is away")
            return await super().renew(claim, ttl)

    store = Away(clock)
    claim = await store.begin(KEY, -1, 15.0)
    assert isinstance(claim, Claim)
    async with hold_claim(store, claim, 15.0, clock):
        await clock.advance(29)
    assert store.beats == 5
    assert isinstance(await store.begin(KEY, -1, 15.0), Busy)


async def test_a_site_that_is_down_is_not_told_as_one_that_was_waited_for(
    keepers: Callable[..., Keeper], source: HeldSource, clock: SteppedClock
) -> None:
    keeper = keepers(patience=0.0)
    source.failure = SiteDown("503", site="wiki")
    with pytest.raises(SiteDown, match="503"):
        await keeper.get(source, deadline=soon(clock))
    await clock.advance(0.6)
    with pytest.raises(SiteDown, match=r"503 \(the next try"):
        await keeper.get(source, deadline=soon(clock))


async def test_a_known_site_that_takes_no_connections_is_waited_for_and_said_so(
    keepers: Callable[..., Keeper], source: HeldSource, clock: SteppedClock
) -> None:
    source.failure = SiteDown("no connection", site="wiki", away=True)
    keeper = keepers(patience=0.0, away=5.0)
    call = asyncio.create_task(keeper.get(source, deadline=soon(clock)))
    await clock.advance(4.9)
    assert (call.done(), source.visits) == (False, 5)
    await clock.advance(2)
    with pytest.raises(SiteDown, match="5 s"):
        await call


@pytest.mark.parametrize("how", ["never", "another process", "this process"])
async def test_a_site_is_known_once_a_session_was_made_here_or_elsewhere(
    keepers: Callable[..., Keeper], source: HeldSource, clock: SteppedClock, how: str
) -> None:
    store = MemoryStore(clock)
    keeper = keepers(store, patience=0.0)
    if how == "another process":
        await keepers(store).get(source, deadline=soon(clock))
        await clock.advance(1300)
    if how == "this process":
        keeper.accept(await keeper.get(source, deadline=soon(clock)))
        await store.close()
        await clock.advance(1300)
    source.failure = SiteDown("no connection", arrived=False, site="wiki", away=True)
    call = asyncio.create_task(keeper.get(source, deadline=soon(clock)))
    await clock.advance(3)
    assert call.done() is (how == "never")
    assert (keeper.states[KEY].pause.away_until > 0) is (how != "never")
    await clock.advance(60)
    with pytest.raises(SiteDown):
        await call


async def test_during_a_long_pause_only_a_whole_session_is_taken_from_the_store(
    keepers: Callable[..., Keeper], source: HeldSource, clock: SteppedClock
) -> None:
    store = MemoryStore(clock)
    keeper = keepers(store)
    source.failure = NeedsPerson("somebody must log in", site="wiki", retry_after=600.0)
    with pytest.raises(NeedsPerson):
        await keeper.get(source, deadline=soon(clock))
    claim = await store.begin(KEY, -1, 15.0, patient=False)
    assert isinstance(claim, Claim)
    await store.keep(claim, made(7, clock, gen=7))
    with pytest.raises(NeedsPerson):
        await keeper.get(source, deadline=soon(clock))
    source.outgrown = (await store.row(KEY)).gen + 1
    committed = await store.commit(claim, made(8, clock))
    assert committed is not None
    source.outgrown = committed.gen
    with pytest.raises(NeedsPerson):
        await keeper.get(source, deadline=soon(clock))
    source.outgrown = -1
    assert await keeper.get(source, deadline=soon(clock)) == committed
    assert source.visits == 1


@pytest.mark.parametrize("what", ["logins", "never accepted", "budgets", "no logins", "old sessions"])
async def test_logins_that_the_site_ends_soon_again_and_again_lead_to_a_pause(
    keepers: Callable[..., Keeper], source: HeldSource, clock: SteppedClock, what: str
) -> None:
    keeper = keepers(patience=1e6)
    source.changes = {"max_uses": 9} if what == "budgets" else {}
    for number in range(MOST):
        call = asyncio.create_task(keeper.get(source, deadline=clock.now() + 1e6))
        await clock.advance(1e5 if what == "never accepted" else 10)
        session = await call
        for _ in range(0 if what == "never accepted" else 1 + number):  # not alike: no budget is learned
            keeper.accept(session)
        if what == "old sessions":
            await clock.advance(YOUNG)
        keeper.refuse(session, named=True, login=what != "no logins")
        keeper.refuse(session, named=True, login=True)  # it was refused already
    pause = keeper.states[KEY].pause
    assert isinstance(pause.why, NeedsPerson) is (what == "logins")
    assert (pause.until > clock.now()) is (what in ("logins", "never accepted"))


async def test_a_stored_session_that_can_not_be_read_ends_no_pause(
    keepers: Callable[..., Keeper], source: HeldSource, clock: SteppedClock
) -> None:
    class Unreadable(MemoryStore):
        async def row(self, key: Key) -> Row:
            return Row(session=None, whole=True, gen=7)

    keeper = keepers(Unreadable(clock))
    source.failure = NeedsPerson("somebody must log in", site="wiki", retry_after=600.0)
    for _ in range(2):
        with pytest.raises(NeedsPerson):
            await keeper.get(source, deadline=soon(clock))


def test_a_session_is_as_old_here_as_its_wall_time_says_and_never_born_ahead(clock: SteppedClock) -> None:
    births = [birth(clock, made(1, clock, born=clock.wall() + ahead)) for ahead in (-5.0, -0.5, 0.0, 5.0)]
    assert births == pytest.approx([clock.now() - 5.0, clock.now() - 0.5, clock.now(), clock.now()])
