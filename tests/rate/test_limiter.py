"""A site's pace: two at a time, one a second, first come first served; what the site asks for is obeyed."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable

import pytest

from doorkey.errors import QueueFull, RateLimited, SiteDown, TimeLimit
from doorkey.model.verdict import OK, Kind, Verdict
from doorkey.rate.limiter import CALLER, RateLimiter, Slot
from event_lines import site_events
from stepped_clock import SteppedClock, settle

SOON = float("inf")


def limited(after: float | None = None) -> Verdict:
    return Verdict(Kind.RATE_LIMITED, "too much", after)


@pytest.fixture
def limiters(clock: SteppedClock) -> Callable[..., RateLimiter]:
    def make(**limits: float) -> RateLimiter:
        values = {"at_once": 2, "rate": 1.0, "queue": 30, "patience": 120.0, "longest": 600.0, **limits}
        return RateLimiter("wiki", clock, uniform=lambda low, high: (low + high) / 2, **values)  # type: ignore[arg-type]  # a test's own values

    return make


@pytest.fixture
def pace(limiters: Callable[..., RateLimiter]) -> RateLimiter:
    return limiters()


def enter(pace: RateLimiter, deadline: float = SOON, said: list[str] | None = None) -> asyncio.Task[Slot]:
    return asyncio.create_task(pace.enter(deadline, site_events(said)))


async def test_the_first_goes_at_once_and_the_next_a_second_later(pace: RateLimiter, clock: SteppedClock) -> None:
    assert (await pace.enter(SOON, site_events())).waited == 0.0
    second = enter(pace)
    await clock.advance(0.9)
    assert not second.done()
    await clock.advance(0.1)
    assert second.result().waited == pytest.approx(1.0)


async def test_a_third_waits_until_one_of_two_has_left(pace: RateLimiter, clock: SteppedClock) -> None:
    first, _ = enter(pace), enter(pace)
    third = enter(pace)
    await clock.advance(50)
    assert not third.done()
    first.result().leave()
    first.result().leave()  # a second time changes nothing
    await settle()
    assert third.done()
    assert pace.status().under_way == 2


async def test_who_came_first_is_served_first(limiters: Callable[..., RateLimiter], clock: SteppedClock) -> None:
    pace, order = limiters(at_once=1), list[int]()

    async def call(number: int) -> None:
        async with await pace.enter(SOON, site_events()):
            order.append(number)

    calls = [asyncio.create_task(call(number)) for number in range(8)]
    await clock.advance(8)
    await asyncio.gather(*calls)
    assert order == [*range(8)]


async def test_the_time_between_two_varies(clock: SteppedClock) -> None:
    spans: list[tuple[float, float]] = []
    pace = RateLimiter(
        "wiki", clock, at_once=2, rate=2, queue=1, patience=1, longest=1,
        uniform=lambda *span: spans.append(span) or span[1],
    )  # fmt: skip
    await pace.enter(SOON, site_events())
    await clock.advance(0)
    assert spans == [(0.75, 1.25)]
    assert pace.status().about == 0.6


async def test_a_full_queue_is_told_with_the_time_until_a_place_is_free(
    limiters: Callable[..., RateLimiter], clock: SteppedClock
) -> None:
    pace = limiters(queue=2)
    tasks = [enter(pace) for _ in range(3)]
    await settle()
    with pytest.raises(QueueFull, match=r"2 calls wait .* manners.queue") as full:
        await pace.enter(SOON, site_events())
    assert (full.value.status, full.value.site, full.value.retry_after) == (429, "wiki", 1.0)
    await clock.advance(1)
    last = enter(pace)
    await settle()
    assert [task.done() for task in (*tasks, last)] == [True, True, False, False]


async def test_a_queue_of_none_lets_nobody_wait(limiters: Callable[..., RateLimiter]) -> None:
    pace = limiters(queue=0)
    await pace.enter(SOON, site_events())
    with pytest.raises(QueueFull):
        await pace.enter(SOON, site_events())


async def test_waiting_callers_are_told_their_place(limiters: Callable[..., RateLimiter], clock: SteppedClock) -> None:
    pace, said = limiters(), list[str]()
    for name in ("a", "b", "c"):
        CALLER.set(name)
        enter(pace, said=said)
    await settle()
    assert said == ["waiting for a turn: place 1, about 1 s", "waiting for a turn: place 2, about 2 s"]
    assert [(waiting.caller, waiting.place) for waiting in pace.status().queue] == [("b", 1), ("c", 2)]
    await clock.advance(1)
    assert [(waiting.caller, waiting.place) for waiting in pace.status().queue] == [("c", 1)]


async def test_how_long_calls_take_tells_how_long_to_wait(
    limiters: Callable[..., RateLimiter], clock: SteppedClock
) -> None:
    pace = limiters(at_once=1)
    slot = await pace.enter(SOON, site_events())
    await clock.advance(20)
    slot.leave()
    await pace.enter(SOON, site_events())
    assert pace.status().about == pytest.approx(20)


async def test_a_deadline_holds_while_waiting_and_names_the_wait(pace: RateLimiter, clock: SteppedClock) -> None:
    held = [enter(pace), enter(pace)]
    third = enter(pace, clock.now() + 5)
    await clock.advance(4.9)
    assert not third.done()
    await clock.advance(0.1)
    with pytest.raises(TimeLimit, match="waiting for a turn at the site, 5 s"):
        await third
    assert (pace.status().under_way, pace.status().queue) == (len(held), ())


async def test_without_a_deadline_waiting_has_a_limit_all_the_same(pace: RateLimiter, clock: SteppedClock) -> None:
    held = [enter(pace), enter(pace)]
    third = enter(pace)
    await clock.advance(600)
    with pytest.raises(TimeLimit):
        await third
    assert pace.status().under_way == len(held)


async def test_who_leaves_the_queue_holds_nobody_up(pace: RateLimiter, clock: SteppedClock) -> None:
    await pace.enter(SOON, site_events())
    leaving, staying = enter(pace), enter(pace)
    await clock.advance(0.5)
    leaving.cancel()
    await clock.advance(0.5)
    assert staying.done()
    assert leaving.cancelled()


@pytest.mark.parametrize("steps", range(12))
async def test_cancelled_at_any_step_a_turn_is_never_lost(pace: RateLimiter, clock: SteppedClock, steps: int) -> None:
    first = await pace.enter(SOON, site_events())
    call = enter(pace)
    waiting = asyncio.create_task(clock.advance(1))
    await settle(steps)
    call.cancel()
    await waiting
    if not call.cancelled():
        call.result().leave()
    first.leave()
    assert (pace.status().under_way, pace.status().queue) == (0, ())


async def test_a_slot_that_was_forgotten_is_given_back(pace: RateLimiter) -> None:
    slot = await pace.enter(SOON, site_events())
    del slot
    gc.collect()
    await settle()
    assert pace.status().under_way == 0


async def test_a_retry_after_is_waited_out(pace: RateLimiter, clock: SteppedClock) -> None:
    pace.obey(limited(30))
    call = enter(pace)
    await clock.advance(29.9)
    assert (call.done(), pace.status().rests) == (False, pytest.approx(0.1))
    await clock.advance(0.1)
    assert call.done()


async def test_a_long_retry_after_is_told_at_once_to_all_with_what_is_left(
    pace: RateLimiter, clock: SteppedClock
) -> None:
    await pace.enter(SOON, site_events())
    waiting = enter(pace)
    await settle()
    pace.obey(limited(300))
    with pytest.raises(RateLimited):
        await waiting
    await clock.advance(100)
    with pytest.raises(RateLimited) as told:
        await pace.enter(SOON, site_events())
    assert told.value.retry_after == pytest.approx(200)
    await clock.advance(81)  # what is left now is waited out
    call = enter(pace)
    await clock.advance(119)
    assert call.done()


async def test_a_rest_that_outlasts_the_caller_is_told_at_once(pace: RateLimiter, clock: SteppedClock) -> None:
    pace.obey(limited(30))
    with pytest.raises(RateLimited):
        await pace.enter(clock.now() + 10, print)


async def test_a_site_that_is_down_for_a_time_it_names_is_left_alone(pace: RateLimiter) -> None:
    pace.obey(Verdict(Kind.SITE_DOWN, "maintenance", 3600))
    with pytest.raises(SiteDown):
        await pace.enter(SOON, site_events())


@pytest.mark.parametrize("kind", [Kind.QUOTA, Kind.BLOCKED, Kind.CHANGED])
async def test_a_quota_is_told_by_the_site_each_time(pace: RateLimiter, kind: Kind) -> None:
    pace.obey(Verdict(kind, "enough", 3600))
    await pace.enter(SOON, site_events())
    assert pace.status().rests is None


async def test_a_rate_limit_without_a_time_is_backed_off_from_ever_longer(pace: RateLimiter) -> None:
    rests = []
    for _ in range(7):
        pace.obey(limited())
        rests.append(pace.status().rests)
    assert rests == [2, 4, 8, 16, 32, 60, 60]
    pace.obey(OK)
    assert pace.status().rests == 60  # begun is begun
    pace.obey(limited(1))
    assert pace.status().rests == 60
