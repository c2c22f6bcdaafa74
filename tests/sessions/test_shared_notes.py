"""What the processes of a store share beside sessions: one contract for all stores."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest

from doorkey.engine.check.calibration import Calibration, Knowledge, read_knowledge
from doorkey.engine.check.facts import PageFacts
from doorkey.engine.check.shapes import Shape
from doorkey.engine.refusal_memory import RefusalMemory, refusal_shape
from doorkey.errors import Unavailable
from doorkey.model.request import Head, Request
from doorkey.model.session import Key, Session
from doorkey.model.site import Site
from doorkey.model.verdict import Kind
from doorkey.sessions.login_war import MOST, LoginWars
from doorkey.sessions.memory import MemoryStore
from doorkey.sessions.sqlite import SqliteStore
from doorkey.sessions.store import Store
from doorkey.shared_notes import AWAY, SharedTexts
from doorkey.transport.selector import TransportSelector

if TYPE_CHECKING:
    from redis_server import RedisServer
    from stepped_clock import SteppedClock

from .fleet_node import CLOCK, store_of
from .redis_stores import ENCRYPTION, empty, redis_store

KEY = Key("wiki", "http://127.0.0.1:1/")
SITE = Site(name="wiki", url=KEY.url)
HEAD = Head(status=403, headers={"content-type": "text/html"}, start=b"<html>no</html>")


@pytest.fixture(params=["memory", "sqlite", pytest.param("redis", marks=pytest.mark.real("redis"))])
async def stores(request: pytest.FixtureRequest, clock: SteppedClock, database: Path) -> AsyncIterator[list[Store]]:
    """The ways of two processes to what they share."""
    made: list[Store]
    if request.param == "redis":
        server: RedisServer = request.getfixturevalue("redis")
        await empty(server)
        made = [redis_store(server, clock, wall=clock.wall) for _ in range(2)]
    elif request.param == "sqlite":
        made = [SqliteStore(database, clock) for _ in range(2)]
    else:
        made = [MemoryStore(clock)] * 2
    yield made
    for store in made:
        await store.close()


def asked(text: str = "bad", path: str = "/chat", **more: Any) -> Request:
    return Request(url=path, method="POST", **(more or {"json": {"text": text}}))


def session(gen: int = 1, **changes: Any) -> Session:
    return Session(key=KEY._replace(**changes), gen=gen, url=KEY.url, born=0, soft=1, hard=2)


SHAPE = refusal_shape(HEAD, asked(), Kind.REFUSED)


async def memories(stores: list[Store], clock: SteppedClock) -> tuple[RefusalMemory, RefusalMemory]:
    first, second = (RefusalMemory(clock, first=60, longest=200, texts=store) for store in stores)
    return first, second


@pytest.mark.parametrize("body", [{"json": {"text": "bad"}}, {"form": {"text": "bad"}}, {"body": b"bad"}], ids=str)
async def test_what_one_process_met_another_knows_before_it_decides(
    stores: list[Store], clock: SteppedClock, body: dict[str, Any]
) -> None:
    first, second = await memories(stores, clock)
    first.conclude(session(), asked(**body), SHAPE)
    await first.close()
    assert not second.is_useless(session(), asked(**body), SHAPE), "nothing was read yet"
    await second.refresh(KEY)
    assert second.is_useless(session(), asked(**body), SHAPE)
    assert not second.is_useless(session(), asked("another"), SHAPE)
    await clock.advance(61)
    assert not second.is_useless(session(), asked(**body), SHAPE), "the pause is over for both"
    await second.close()


async def test_the_useless_renewals_of_all_processes_count_together(stores: list[Store], clock: SteppedClock) -> None:
    both, tries = await memories(stores, clock), []
    for number in range(1, 17):
        refusals, request = both[number % 2], asked(f"prompt {number}")
        await refusals.refresh(KEY)
        if refusals.is_useless(session(), request, SHAPE):
            refusals.doubt(session(), request, SHAPE)
        else:
            refusals.conclude(session(), request, SHAPE)
            tries.append(number)
        await refusals.close()
    assert tries == [1, 2, 4, 8, 16]


async def test_an_accepted_request_ends_doubts_everywhere(stores: list[Store], clock: SteppedClock) -> None:
    first, second = await memories(stores, clock)
    for text in ("one", "two"):
        first.conclude(session(), asked(text), SHAPE)
    first.doubt(session(), asked("three"), SHAPE)
    await first.close()
    await second.refresh(KEY)
    second.accept(session(), asked("good"), clock.now())
    await second.close()
    await first.refresh(KEY)
    assert first.is_useless(session(), asked("four"), SHAPE), "counted anew"
    second.accept(session(gen=2), asked("good"), clock.now())
    await second.close()
    await first.refresh(KEY)
    assert not first.is_useless(session(), asked("one"), SHAPE), "renewing has helped"
    await first.close()


async def test_changes_of_two_processes_at_once_are_both_kept(stores: list[Store], clock: SteppedClock) -> None:
    first, second = await memories(stores, clock)
    for number in range(20):
        (first, second)[number % 2].conclude(session(), asked(f"{number}"), SHAPE)
    await asyncio.gather(first.close(), second.close())
    await first.refresh(KEY)
    assert all(first.is_useless(session(), asked(f"{number}"), SHAPE) for number in range(20))
    await first.close()


async def test_what_belongs_to_one_caller_stays_in_its_process(stores: list[Store], clock: SteppedClock) -> None:
    first, second = await memories(stores, clock)
    own = session(caller="c")
    first.conclude(own, asked(), SHAPE)
    await first.close()
    await second.refresh(own.key)
    assert first.is_useless(own, asked(), SHAPE)
    assert not second.is_useless(own, asked(), SHAPE)


async def test_no_prompt_lies_in_the_store(stores: list[Store], clock: SteppedClock) -> None:
    first, _ = await memories(stores, clock)
    first.conclude(session(), asked("a secret prompt"), SHAPE)
    await first.close()
    text = await stores[0].share(f"refusals {KEY}", lambda text, wall: (None, text))
    assert "/chat" in text
    assert "secret" not in text


@pytest.mark.parametrize("text", ["no json", "[]", '{"salt": 1}', '{"salt": "a", "shapes": [1]}'])
async def test_a_text_that_cannot_be_read_counts_as_absent(stores: list[Store], clock: SteppedClock, text: str) -> None:
    await stores[0].share(f"refusals {KEY}", lambda _, wall: (text, None))
    refusals, _ = await memories(stores, clock)
    await refusals.refresh(KEY)
    assert not refusals.is_useless(session(), asked(), SHAPE)
    refusals.conclude(session(), asked(), SHAPE)
    await refusals.close()
    await refusals.refresh(KEY)
    assert refusals.is_useless(session(), asked(), SHAPE)


async def test_times_of_a_clock_an_hour_ahead_hold_no_longer_than_usual(
    stores: list[Store], clock: SteppedClock
) -> None:
    first, second = await memories(stores, clock)
    await clock.advance(3600)
    await first.refresh(KEY)
    first.conclude(session(), asked(), SHAPE)
    await first.close()
    clock.turn_back(3600)
    await second.refresh(KEY)
    assert second.is_useless(session(), asked(), SHAPE)
    await clock.advance(61)
    assert not second.is_useless(session(), asked(), SHAPE)


class NoPage:
    """Stands for the live page: which transport carries a request is decided without sending any."""

    def live(self, session: Session) -> bool:
        return False


async def test_a_site_that_has_moved_to_the_page_has_moved_for_all(stores: list[Store], clock: SteppedClock) -> None:
    page: Any = NoPage()
    direct: Any = object()
    first, second = (TransportSelector(direct, page, clock=clock, expiry=600, texts=store) for store in stores)
    first.move(SITE, KEY)
    assert first.name(SITE, KEY) == "page"
    await first.close()
    assert second.name(SITE, KEY) == "direct"
    await second.refresh(KEY)
    assert second.name(SITE, KEY) == "page"
    assert not second.can_move(SITE, KEY)
    await clock.advance(601)
    assert (first.name(SITE, KEY), second.name(SITE, KEY)) == ("direct", "direct")
    await second.close()


PROGRAM = """
import asyncio, sys
from doorkey.engine.refusal_memory import RefusalMemory
from doorkey.model.request import Request
from doorkey.model.site import Site
from doorkey.sessions.login_war import LoginWars
from doorkey.transport.selector import TransportSelector
from sessions.fleet_node import CLOCK, store_of
from sessions.test_shared_notes import KEY, SHAPE, SITE, NoPage, asked, session

async def main(url, encryption):
    store = store_of(url, encryption)
    refusals, wars = RefusalMemory(CLOCK, texts=store), LoginWars(CLOCK, store)
    selector = TransportSelector(object(), NoPage(), clock=CLOCK, texts=store)
    await refusals.refresh(KEY)
    await selector.refresh(KEY)
    known = [refusals.is_useless(session(), asked(text), SHAPE) for text in ("bad", "another")]
    print(*known, selector.name(SITE, KEY), await wars.find(KEY) is not None)
    refusals.conclude(session(), asked("theirs"), SHAPE)
    await refusals.close()
    await store.close()

asyncio.run(main(*sys.argv[1:]))
"""


@pytest.mark.parametrize("kind", ["sqlite", pytest.param("redis", marks=pytest.mark.real("redis"))])
async def test_another_process_knows_it(request: pytest.FixtureRequest, database: Path, kind: str) -> None:
    url = str(database)
    if kind == "redis":
        server: RedisServer = request.getfixturevalue("redis")
        await empty(server)
        url = server.url
    store, page, direct = store_of(url, ENCRYPTION), cast(Any, NoPage()), cast(Any, object())
    refusals, wars = RefusalMemory(CLOCK, texts=store), LoginWars(CLOCK, store)
    selector = TransportSelector(direct, page, clock=CLOCK, texts=store)
    refusals.conclude(session(), asked(), SHAPE)
    selector.move(SITE, KEY)
    for gen in range(MOST):
        wars.note(KEY, gen, 1.0)
    for shared in (refusals, selector, wars):
        await shared.close()
    root = Path(__file__).parents[1]
    environment = {**os.environ, "PYTHONPATH": f"{root}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"}
    other = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PROGRAM, url, ENCRYPTION, stdout=asyncio.subprocess.PIPE, env=environment
    )
    out, _ = await other.communicate()
    assert out.decode().split() == ["True", "False", "page", "True"]
    await refusals.refresh(KEY)
    assert refusals.is_useless(session(), asked("theirs"), SHAPE)
    await store.close()


FACTS = PageFacts(status=200, place="/", title="t")


async def learned(store: Store, ours: Knowledge) -> Knowledge:
    def merge(theirs: str) -> str:
        merged = read_knowledge(ours.to_text(), ours.rule)
        merged.merge(read_knowledge(theirs, ours.rule))
        return merged.to_text()

    return read_knowledge(await store.learn(KEY, merge), ours.rule)


async def test_what_two_processes_learned_of_answers_is_kept_together(stores: list[Store]) -> None:
    first, second = Knowledge("rule"), Knowledge("rule")
    note, shape = ("POST", "/notes", ""), Shape(302, "text/html", ("/notes", "id"))
    for _ in range(3):
        first.shapes.add(note, shape, {"a"})
    second.shapes.add(note, Shape(200, "text/html"), {"b"})
    second.shapes.add(("GET", "/", ""), Shape(200, "text/html"), set())
    second.calibration = Calibration(shown_to_strangers=False, stranger=FACTS, home=FACTS)
    await learned(stores[0], first)
    merged = await learned(stores[1], second)
    assert (merged.shapes.of(note).count, merged.shapes.of(note).shapes) == (3, {shape, Shape(200, "text/html")})
    assert merged.shapes.cookies == {"a", "b"}
    assert (await learned(stores[0], first)).calibration == second.calibration
    assert (await learned(stores[0], first)).shapes.of(("GET", "/", "")).count == 1


async def test_what_is_learned_at_once_is_all_kept(stores: list[Store]) -> None:
    def add(number: int) -> Callable[[str], str]:
        return lambda held: f"{held} {number}"

    await asyncio.gather(*(stores[number % 2].learn(KEY, add(number)) for number in range(20)))
    assert sorted(map(int, (await stores[0].learned(KEY)).split())) == list(range(20))


@dataclass
class Texts:
    """A store that a test takes away. `asked` counts its steps."""

    store: SharedTexts
    away: bool = False
    asked: int = 0
    gate: asyncio.Event = field(default_factory=asyncio.Event)

    async def share(self, name: str, step: Callable[[str, float], tuple[str | None, Any]]) -> Any:
        self.asked += 1
        if self.away:
            raise Unavailable("away")
        return await self.store.share(name, step)


async def test_while_the_store_is_away_each_process_goes_by_its_own_and_tells_it_later(clock: SteppedClock) -> None:
    store = MemoryStore(clock)
    texts = Texts(store, away=True)
    refusals, other = RefusalMemory(clock, texts=texts), RefusalMemory(clock, texts=store)
    refusals.conclude(session(), asked("one"), SHAPE)
    await refusals.refresh(KEY)
    refusals.conclude(session(), asked("two"), SHAPE)
    for _ in range(50):
        await refusals.refresh(KEY)
    assert texts.asked == 1, "one that is away is not asked at each refusal"
    assert refusals.is_useless(session(), asked("one"), SHAPE)
    other.conclude(session(), asked("three"), SHAPE)
    await other.close()
    texts.away = False
    await clock.advance(AWAY + 1)
    await refusals.refresh(KEY)
    await other.refresh(KEY)
    for text in ("one", "two", "three"):
        assert refusals.is_useless(session(), asked(text), SHAPE)
        assert other.is_useless(session(), asked(text), SHAPE)


async def test_many_refusals_at_once_ask_the_store_once(clock: SteppedClock) -> None:
    texts = Texts(MemoryStore(clock))
    refusals = RefusalMemory(clock, texts=texts)
    await asyncio.gather(*(refusals.refresh(KEY) for _ in range(1000)))
    assert texts.asked == 1


async def test_accepted_requests_do_not_ask_the_store(clock: SteppedClock) -> None:
    texts = Texts(MemoryStore(clock))
    refusals = RefusalMemory(clock, texts=texts)
    for number in range(100):
        refusals.accept(session(), asked(f"{number}"), clock.now())
    refusals.conclude(session(), asked("bad", "/other"), SHAPE)
    await refusals.close()
    asked_before = texts.asked
    for number in range(100):
        refusals.accept(session(), asked(f"{number}"), clock.now())
    await refusals.close()
    assert texts.asked == asked_before == 1
