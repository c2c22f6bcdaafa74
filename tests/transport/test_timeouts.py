"""Limits on waiting: each names itself, one timer serves all, and nobody else's cancellation is swallowed."""

from __future__ import annotations

import asyncio

import pytest

from doorkey.errors import TimeLimit
from doorkey.transport.timeouts import Timeout, Timeouts

SHORT = 0.01
LONG = 3600.0
NEVER = float("inf")


async def wait(waits: Timeouts, limit: float, deadline: float, gate: asyncio.Event) -> str:
    with Timeout(waits, "first byte", limit, deadline):
        await gate.wait()
    return "came"


def now() -> float:
    return asyncio.get_running_loop().time()


@pytest.mark.parametrize(("limit", "left", "named"), [(SHORT, LONG, "first byte"), (LONG, SHORT, "total")])
async def test_the_limit_that_was_reached_is_named(limit: float, left: float, named: str) -> None:
    with pytest.raises(TimeLimit) as told:
        await wait(Timeouts(), limit, now() + left, asyncio.Event())
    assert told.value.wait == named
    assert 0 < told.value.limit <= SHORT  # what is left of the whole may be less than it was when the wait began


async def test_a_deadline_that_is_over_already_ends_the_wait() -> None:
    with pytest.raises(TimeLimit, match="total, 0 s"):
        await wait(Timeouts(), LONG, now() - 1, asyncio.Event())


async def test_what_is_there_in_time_is_given() -> None:
    waits, gate = Timeouts(), asyncio.Event()
    gate.set()
    assert await wait(waits, SHORT, NEVER, gate) == "came"
    assert not waits.open


async def test_a_short_wait_behind_a_long_one_ends_first_and_alone() -> None:
    waits, gate = Timeouts(), asyncio.Event()
    long = asyncio.create_task(wait(waits, LONG, NEVER, gate))
    with pytest.raises(TimeLimit):
        await wait(waits, SHORT, NEVER, asyncio.Event())
    gate.set()
    assert await long == "came"


async def test_a_later_wait_is_ended_by_the_timer_that_an_earlier_one_started() -> None:
    waits, gate = Timeouts(), asyncio.Event()
    first = asyncio.create_task(wait(waits, SHORT, NEVER, gate))
    second = asyncio.create_task(wait(waits, 2 * SHORT, NEVER, gate))
    told = await asyncio.gather(first, second, return_exceptions=True)
    assert [type(error) for error in told] == [TimeLimit, TimeLimit]


async def test_a_cancellation_from_outside_stays_one_even_at_the_limit() -> None:
    waits = Timeouts()
    task = asyncio.create_task(wait(waits, LONG, NEVER, asyncio.Event()))
    while not waits.open:
        await asyncio.sleep(0)
    (held,) = waits.open
    held.end()  # the limit is reached in the same turn of the loop in which the caller leaves
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not waits.open


async def test_a_limit_inside_another_ends_only_the_inner_one() -> None:
    waits = Timeouts()
    with Timeout(waits, "idle", LONG, NEVER):
        with pytest.raises(TimeLimit, match="first byte"):
            await wait(waits, SHORT, NEVER, asyncio.Event())
        task = asyncio.current_task()
        assert task is not None
        assert task.cancelling() == 0


async def test_closing_stops_the_timer() -> None:
    waits, gate = Timeouts(), asyncio.Event()
    gate.set()
    await wait(waits, LONG, NEVER, gate)
    assert waits.rings < NEVER
    waits.close()
    assert waits.rings == NEVER
