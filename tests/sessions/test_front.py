"""A machine without a browser waits for the sessions that another one's visits make."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

from doorkey.errors import Blocked, DoorkeyError, NeedsPerson, SiteDown, VisitFailed
from doorkey.model.session import Session
from doorkey.sessions.front_store import LASTS, WANTED, FrontStore, WantedVisit, WantedVisits, add_wanted, read_wanted
from doorkey.sessions.keeper import Keeper
from doorkey.sessions.memory import MemoryStore
from stepped_clock import SteppedClock

from .conftest import KEY, HeldSource

FRONT_LIMIT = 60.0


class Never(HeldSource):
    """The source of a machine that must not visit."""

    async def make(self, reason: object, journal: object) -> Session:
        raise AssertionError("this machine has no browser")


@pytest.fixture
def store(clock: SteppedClock) -> MemoryStore:
    return MemoryStore(clock)


@pytest.fixture
async def front(store: MemoryStore, clock: SteppedClock) -> AsyncIterator[Keeper]:
    claims = FrontStore(store, clock, limit=FRONT_LIMIT)
    keeper = Keeper(store, private=MemoryStore(clock), clock=clock, claims=claims)
    yield keeper
    await keeper.close()


@pytest.fixture
async def visitor(store: MemoryStore, clock: SteppedClock, source: HeldSource) -> AsyncIterator[Callable[..., Keeper]]:
    """Starts a machine that visits for others, and returns its keeper."""
    started: list[tuple[Keeper, asyncio.Task[None]]] = []

    def start(key: object = KEY) -> Keeper:
        keeper = Keeper(store, private=MemoryStore(clock), clock=clock)
        source.key = key  # type: ignore[assignment]  # a key, as the caller says
        visits = WantedVisits(store, keeper, clock, lambda site: source, limit=60.0)
        started.append((keeper, asyncio.create_task(visits.serve())))
        return keeper

    yield start
    for keeper, task in started:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        await keeper.close()


def ask(front: Keeper, clock: SteppedClock, seconds: float = 600.0) -> asyncio.Task[Session]:
    return asyncio.create_task(front.get(Never(clock), deadline=clock.now() + seconds))


async def test_fifty_callers_there_are_one_visit_here(
    front: Keeper, visitor: Callable[..., Keeper], source: HeldSource, clock: SteppedClock
) -> None:
    visitor()
    asked = [ask(front, clock) for _ in range(50)]
    await clock.advance(5)
    sessions = [one.result() for one in asked]
    assert source.visits == 1
    assert len({session.gen for session in sessions}) == 1


async def test_a_refused_session_is_renewed_there(
    front: Keeper, visitor: Callable[..., Keeper], source: HeldSource, clock: SteppedClock
) -> None:
    visitor()
    asked = ask(front, clock)
    await clock.advance(5)
    first = asked.result()
    front.accept(first)
    renewing = asyncio.create_task(front.renew(Never(clock), first, deadline=clock.now() + 600))
    await clock.advance(5)
    assert renewing.result().gen > first.gen
    assert source.visits == 2


async def test_two_that_visit_make_one_visit(
    front: Keeper, visitor: Callable[..., Keeper], source: HeldSource, clock: SteppedClock
) -> None:
    visitor()
    visitor()
    asked = ask(front, clock)
    await clock.advance(10)
    assert asked.done()
    assert source.visits == 1


@pytest.mark.parametrize("failure", [Blocked("wiki: no", site="wiki"), NeedsPerson("wiki: a code", site="wiki")])
async def test_the_failure_there_is_told_here(
    front: Keeper, visitor: Callable[..., Keeper], source: HeldSource, clock: SteppedClock, failure: DoorkeyError
) -> None:
    source.failure = failure
    visitor()
    asked = ask(front, clock, 60.0)
    await clock.advance(61)
    assert type(asked.exception()) is type(failure)


async def test_without_any_that_visits_it_says_what_to_start(front: Keeper, clock: SteppedClock) -> None:
    asked = ask(front, clock)
    await clock.advance(FRONT_LIMIT + 20)
    error = asked.exception()
    assert isinstance(error, VisitFailed)
    assert 'role = "all"' in error.message


async def test_one_that_starts_later_is_waited_for(
    front: Keeper, visitor: Callable[..., Keeper], clock: SteppedClock
) -> None:
    asked = ask(front, clock)
    await clock.advance(30)
    assert not asked.done()
    visitor()
    await clock.advance(5)
    assert asked.done()


async def test_other_settings_there_are_no_visit(
    front: Keeper, visitor: Callable[..., Keeper], source: HeldSource, clock: SteppedClock,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    visitor(KEY._replace(profile="phone"))
    asked = ask(front, clock)
    await clock.advance(5)
    assert (source.visits, asked.done()) == (0, False)
    assert "compare url, profile and proxy" in caplog.text
    asked.cancel()


async def test_a_spoiled_text_is_written_anew(
    front: Keeper, visitor: Callable[..., Keeper], store: MemoryStore, clock: SteppedClock
) -> None:
    for text in ("nonsense", "[{}]", '[{"key": 3, "seen": 0, "at": 0}]', "{}"):
        await store.share(WANTED, lambda _, wall, text=text: (text, None))  # type: ignore[misc]
    visitor()
    asked = ask(front, clock)
    await clock.advance(5)
    assert asked.done()


def test_a_visit_is_wanted_once_and_not_for_ever() -> None:
    wanted = WantedVisit(KEY, 3, 1000.0)
    text = add_wanted(add_wanted("", wanted), replace(wanted, at=1001.0))
    assert read_wanted(text, 1002.0) == [replace(wanted, at=1001.0)]
    assert read_wanted(text, 1001.0 + LASTS + 1) == []


class Away(MemoryStore):
    """A store that can't be read while it is `away`."""

    away = True

    async def share(self, name: str, step: Callable[[str, float], tuple[str | None, Any]]) -> Any:
        if self.away:
            raise SiteDown("the store does not answer")
        return await super().share(name, step)


async def test_a_store_that_can_not_be_read_is_said_once(
    clock: SteppedClock, source: HeldSource, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    store = Away(clock)
    keeper = Keeper(store, private=MemoryStore(clock), clock=clock)
    serving = asyncio.create_task(WantedVisits(store, keeper, clock, lambda site: source, limit=60.0).serve())
    await clock.advance(10)
    store.away = False
    await clock.advance(10)
    assert caplog.text.count("the store does not answer") == 1
    assert caplog.text.count("can be read again") == 1
    serving.cancel()
    await asyncio.wait([serving])
    await keeper.close()
