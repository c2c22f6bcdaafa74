"""One renewal is spent on a refusal that nobody has named; what it taught is remembered, for a while."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from doorkey.engine.refusal_memory import RefusalMemory, shape_of
from doorkey.model.request import Head
from doorkey.model.session import Key, Session

if TYPE_CHECKING:
    from .conftest import SteppedClock

PAGE = Head(status=403, headers={"content-type": "text/html"}, start=b"<html>no</html>")
OTHER = Head(status=401, headers={"content-type": "application/json"}, start=b"{}")


@pytest.fixture
def refusals(clock: SteppedClock) -> RefusalMemory:
    return RefusalMemory(clock, first=60, longest=200)


def session(gen: int = 1) -> Session:
    key = Key("wiki", "http://127.0.0.1:1/")
    return Session(key=key, gen=gen, url=key.url, born=0, soft=1, hard=2)


async def test_the_pause_grows_to_its_longest_and_no_further(refusals: RefusalMemory, clock: SteppedClock) -> None:
    for pause in (60, 120, 200, 200):
        assert refusals.useless(session(), PAGE, clock.now(), renewed=False) == ""
        assert "fresh" in refusals.useless(session(), PAGE, clock.now(), renewed=True)
        assert "lately" in refusals.useless(session(), PAGE, clock.now(), renewed=False)
        await clock.advance(pause + 1)


async def test_another_shape_is_worth_its_own_try(refusals: RefusalMemory, clock: SteppedClock) -> None:
    refusals.useless(session(), PAGE, clock.now(), renewed=True)
    assert refusals.useless(session(), OTHER, clock.now(), renewed=False) == ""
    assert shape_of(PAGE) != shape_of(OTHER)


async def test_a_renewal_that_helped_clears_the_shape(refusals: RefusalMemory, clock: SteppedClock) -> None:
    refusals.useless(session(), PAGE, clock.now(), renewed=True)
    refusals.helped(session().key, shape_of(PAGE))
    assert refusals.useless(session(), PAGE, clock.now(), renewed=False) == ""


async def test_a_session_that_was_accepted_later_is_alive(refusals: RefusalMemory, clock: SteppedClock) -> None:
    sent = clock.now()
    refusals.accepted(session(), sent + 5)
    assert "accepted" in refusals.useless(session(), PAGE, sent, renewed=False)
    assert refusals.useless(session(gen=2), PAGE, sent, renewed=False) == ""


async def test_requests_sent_at_nearly_the_same_time_prove_nothing(
    refusals: RefusalMemory, clock: SteppedClock
) -> None:
    refusals.accepted(session(), clock.now() + 0.01)
    assert refusals.useless(session(), PAGE, clock.now(), renewed=False) == ""
