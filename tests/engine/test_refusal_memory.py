"""What the memory of refusals holds, and that it never hides a session that died."""

from __future__ import annotations

import pytest

from doorkey.clock import SystemClock
from doorkey.engine.refusal_memory import RefusalMemory, refusal_shape
from doorkey.model.request import Head, Request
from doorkey.model.session import Key, Session
from doorkey.model.verdict import Kind

PAGE = Head(status=403, headers={"content-type": "text/html"}, start=b"<html>no</html>")
OTHER = Head(status=401, headers={"content-type": "application/json"}, start=b"{}")
KEY = Key("wiki", "http://127.0.0.1:1/")


class Stepped(SystemClock):
    time = 100.0

    def now(self) -> float:
        return self.time


@pytest.fixture
def clock() -> Stepped:
    return Stepped()


@pytest.fixture
def refusals(clock: Stepped) -> RefusalMemory:
    return RefusalMemory(clock, first=60, longest=200)


def asked(text: str = "bad", path: str = "/chat") -> Request:
    return Request(url=path, method="POST", json={"text": text})


def session(gen: int = 1) -> Session:
    return Session(key=KEY, gen=gen, url=KEY.url, born=0, soft=1, hard=2)


SHAPE = refusal_shape(PAGE, asked(), Kind.REFUSED)


def test_the_pause_grows_to_its_longest_and_no_further(refusals: RefusalMemory, clock: Stepped) -> None:
    for pause in (60, 120, 200, 200):
        assert not refusals.is_useless(session(), asked(), SHAPE)
        refusals.conclude(session(), asked(), SHAPE)
        clock.time += pause - 1
        assert refusals.is_useless(session(), asked(), SHAPE)
        clock.time += 2


def test_another_shape_is_worth_its_own_try(refusals: RefusalMemory) -> None:
    refusals.conclude(session(), asked(), SHAPE)
    other = refusal_shape(OTHER, asked(), Kind.REFUSED)
    assert other != SHAPE
    assert not refusals.is_useless(session(), asked(), other)


def test_a_refusal_with_a_name_is_remembered_for_what_was_asked() -> None:
    first, second = asked(path="/secret"), asked(path="/open")
    assert refusal_shape(PAGE, first, Kind.STALE) != refusal_shape(PAGE, second, Kind.STALE)
    assert refusal_shape(PAGE, first, Kind.REFUSED) == refusal_shape(PAGE, second, Kind.REFUSED)


def test_a_renewal_that_helped_clears_the_shape(refusals: RefusalMemory) -> None:
    refusals.conclude(session(), asked(), SHAPE)
    refusals.forget(KEY, SHAPE)
    assert not refusals.is_useless(session(), asked(), SHAPE)


def test_another_request_is_worth_a_try_as_the_session_may_have_died(refusals: RefusalMemory) -> None:
    refusals.conclude(session(), asked("bad"), SHAPE)
    assert refusals.is_useless(session(), asked("bad"), SHAPE)
    assert not refusals.is_useless(session(), asked("good"), SHAPE)


def test_each_useless_renewal_takes_twice_as_many_refusals_in_a_row(refusals: RefusalMemory) -> None:
    tries = []
    for number in range(1, 33):
        request = asked(f"prompt {number}")
        if refusals.is_useless(session(), request, SHAPE):
            refusals.doubt(session(), request, SHAPE)
        else:
            refusals.conclude(session(), request, SHAPE)
            tries.append(number)
    assert tries == [1, 2, 4, 8, 16, 32]


def test_an_accepted_request_ends_the_row_of_refusals(refusals: RefusalMemory, clock: Stepped) -> None:
    for text in ("one", "two"):
        refusals.conclude(session(), asked(text), SHAPE)
    for number in range(5):
        refusals.doubt(session(), asked(f"bad {number}"), SHAPE)
        refusals.accept(session(), asked("good"), clock.now())
        assert refusals.is_useless(session(), asked("worse"), SHAPE)
    refusals.doubt(session(), asked("death"), SHAPE)
    assert not refusals.is_useless(session(), asked("after it"), SHAPE)


def test_a_refused_request_that_is_accepted_later_is_not_held_against(refusals: RefusalMemory) -> None:
    refusals.conclude(session(), asked("bad"), SHAPE)
    refusals.accept(session(), asked("bad"), 5.0)
    assert not refusals.is_useless(session(), asked("bad"), SHAPE)


def test_a_request_of_the_kind_accepted_with_a_newer_session_shows_that_renewing_helped(
    refusals: RefusalMemory,
) -> None:
    refusals.conclude(session(gen=1), asked("bad"), SHAPE)
    refusals.accept(session(gen=2), asked("good"), 5.0)
    assert not refusals.is_useless(session(gen=2), asked("bad"), SHAPE)


def test_accepted_elsewhere_means_sent_later_with_this_generation_and_of_this_kind(refusals: RefusalMemory) -> None:
    refusals.accept(session(gen=2), asked("good"), 10.0)
    assert refusals.was_accepted_later(session(gen=2), asked("bad"), 5.0)
    assert not refusals.was_accepted_later(session(gen=2), asked("bad"), 15.0)
    assert not refusals.was_accepted_later(session(gen=2), asked("bad"), 10.0), "requests may overtake each other"
    assert not refusals.was_accepted_later(session(gen=1), asked("bad"), 5.0)
    assert not refusals.was_accepted_later(session(gen=2), asked("bad", path="/other"), 5.0)
