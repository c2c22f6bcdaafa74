"""A source of sessions whose visits a test holds and releases."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from doorkey.errors import DoorkeyError
from doorkey.model.cookies import Cookie
from doorkey.model.session import Key, Session
from doorkey.sessions.keeper import Keeper
from doorkey.sessions.memory import MemoryStore
from doorkey.sessions.source import Journal, RenewalReason
from stepped_clock import SteppedClock

sys.path.insert(0, str(Path(__file__).parents[1]))
from redis_server import RedisServer, Unavailable, redis_server

KEY = Key("wiki", "http://127.0.0.1:1/")


def made(number: int, clock: SteppedClock, **changes: object) -> Session:
    values: dict[str, object] = {
        "key": KEY,
        "gen": 0,
        "url": KEY.url,
        "born": clock.wall(),
        "soft": 600.0,
        "hard": 1200.0,
        "cookies": (Cookie("sid", f"value-{number}", "127.0.0.1"),),
        "tokens": {"nonce": f"nonce-{number}"},
        "visitor": "v",
    }
    return Session(**{**values, **changes})  # type: ignore[arg-type]  # a test's own values


@dataclass
class HeldSource:
    """A source whose visits wait at a gate (open by default), count themselves, and fail when told to."""

    clock: SteppedClock
    key: Key = KEY
    changes: dict[str, object] = field(default_factory=dict)
    visits: int = 0
    at_once: int = 0
    most_at_once: int = 0
    reasons: list[RenewalReason] = field(default_factory=list)
    failure: DoorkeyError | None = None
    outgrown: int = -1  # the generation that settings no longer fit
    gate: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.gate.set()

    @property
    def source(self) -> HeldSource:
        return self

    def fits(self, session: Session) -> bool:
        return self.outgrown != session.gen

    async def make(self, reason: RenewalReason, journal: Journal) -> Session:
        self.visits += 1
        self.reasons.append(reason)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await self.gate.wait()
            if self.failure is not None:
                raise self.failure
            return made(self.visits, self.clock, key=self.key, **self.changes)
        finally:
            self.at_once -= 1


@pytest.fixture
def clock() -> SteppedClock:
    return SteppedClock()


@pytest.fixture
def source(clock: SteppedClock) -> HeldSource:
    return HeldSource(clock)


@pytest.fixture
async def keepers(clock: SteppedClock) -> AsyncIterator[Callable[..., Keeper]]:
    """Makes keepers, by default each with a store of its own, and closes them."""
    opened: list[Keeper] = []

    def make(store: object = None, **settings: object) -> Keeper:
        values = {"private": MemoryStore(clock), "clock": clock, "uniform": lambda low, high: high, **settings}
        keeper = Keeper(store or MemoryStore(clock), **values)  # type: ignore[arg-type]  # a test's own values
        opened.append(keeper)
        return keeper

    yield make
    for keeper in opened:
        await keeper.close()


@pytest.fixture
def keeper(keepers: Callable[..., Keeper]) -> Keeper:
    return keepers()


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "state" / "sessions.db"


@pytest.fixture(scope="session")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A server for all tests; each takes a database of its own, or empties it."""
    try:
        with redis_server(tmp_path_factory.mktemp("redis")) as running:
            yield running
    except Unavailable as unavailable:
        pytest.skip(f"redis can't be had here: {unavailable}")
