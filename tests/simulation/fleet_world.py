"""A site, a store with delays, and the keepers of a fleet, on a virtual clock; a run draws all it needs from a seed."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Any

from doorkey.errors import DoorkeyError, Unavailable
from doorkey.model.cookies import Cookie
from doorkey.model.session import Key, Session

from .patched_modules import Parts
from .virtual_loop import VirtualClock

KEY = Key("notes", "https://notes.example/")
LONG = 100_000.0


@dataclass
class FleetSite:
    """Counts what happens to it. `seconds`: what a visit takes. `failure`: what each visit ends in instead."""

    clock: VirtualClock
    seconds: float = 1.0
    failure: DoorkeyError | None = None
    changes: dict[str, Any] = field(default_factory=dict)
    begun: list[float] = field(default_factory=list)
    made: int = 0
    at_once: int = 0
    most_at_once: int = 0


@dataclass
class Node:
    """One process: its keeper, its way to the store, and its way into the site. `hangs`: its next visit never ends.
    `stalls`: seconds that its next visit stands still after the site has taken it."""

    site: FleetSite
    store: Any
    keeper: Any = None
    hangs: bool = False
    stalls: float = 0.0
    outgrown: int = -1
    reasons: list[Any] = field(default_factory=list)
    gives: str = ""
    key: Key = KEY

    @property
    def source(self) -> Node:
        return self

    def fits(self, session: Session) -> bool:
        return session.gen != self.outgrown

    async def make(self, reason: Any, journal: Any) -> Session:
        site, self.hangs, hangs = self.site, False, self.hangs
        self.reasons.append(reason)
        site.begun.append(site.clock.now())
        site.at_once += 1
        site.most_at_once = max(site.most_at_once, site.at_once)
        try:
            if self.gives:
                gen = 0 if reason.previous is None else reason.previous.gen
                await journal.write(replace(session_of(site, sid=self.gives), gen=gen))
            await site.clock.sleep(10**9 if hangs else site.seconds)
            if site.failure is not None:
                raise site.failure
            site.made += 1
            made, self.stalls, stalls = session_of(site, sid=f"s{site.made}", **site.changes), 0.0, self.stalls
            if stalls:
                await site.clock.sleep(stalls)
            return made
        finally:
            site.at_once -= 1

    async def get(self, newer_than: int = -1, seconds: float = 600.0) -> Session:
        got: Session = await self.keeper.get(self, newer_than=newer_than, deadline=self.site.clock.now() + seconds)
        return got

    async def renew(self, refused: Session, *, named: bool = True, seconds: float = 600.0) -> Session:
        end = self.site.clock.now() + seconds
        got: Session = await self.keeper.renew(self, refused, named=named, deadline=end)
        return got


class SlowStore:
    """A node's way to the shared store: each step takes a drawn time. `cut`: heartbeats and failures do not arrive.
    `away`: nothing does, and the node is told so. `asked` counts the steps by their names.
    """

    trouble = ""

    def __init__(self, store: Any, clock: VirtualClock, chance: random.Random) -> None:
        self._store, self._clock, self._chance = store, clock, chance
        self.cut = self.away = False
        self.asked: Counter[str] = Counter()

    async def _pass(self) -> None:
        await self._clock.sleep(self._chance.uniform(0.0001, 0.05))
        if self.away:
            raise Unavailable("the store can't be reached")

    async def renew(self, claim: Any, ttl: float) -> bool:
        await self._pass()
        return True if self.cut else await self._store.renew(claim, ttl)

    async def fail(self, claim: Any, why: str, code: str, after: float) -> None:
        await self._pass()
        if not self.cut:
            await self._store.fail(claim, why, code, after)

    async def changed(self, key: Key, timeout: float) -> None:
        await self._store.changed(key, timeout)

    def __getattr__(self, name: str) -> Any:
        step = getattr(self._store, name)

        async def slowly(*args: Any, **named: Any) -> Any:
            self.asked[name] += 1
            await self._pass()
            result = await step(*args, **named)
            await self._pass()
            return result

        return slowly


@dataclass
class World:
    """What a property is checked in."""

    parts: Parts
    seed: int

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)
        self.clock = VirtualClock()
        self.site = FleetSite(self.clock, seconds=self.chance.uniform(0.5, 3.0))
        self.shared = self.parts.memory.MemoryStore(self.clock)

    def node(self, **settings: Any) -> Node:
        store = SlowStore(self.shared, self.clock, self.chance)
        node = Node(self.site, store)
        values = {"claim_ttl": 15.0, "limit": 60.0, "uniform": self.chance.uniform, **settings}
        private = self.parts.memory.MemoryStore(self.clock)
        node.keeper = self.parts.keeper.Keeper(store, private=private, clock=self.clock, **values)
        return node

    def nodes(self, most: int = 3) -> list[Node]:
        return [self.node() for _ in range(self.chance.randint(1, most))]

    async def pause(self, most: float) -> None:
        await self.clock.sleep(self.chance.uniform(0, most))

    async def soon(self, work: Any, within: float = 0.5) -> Any:
        """The result of *work*, which begins at a drawn time."""
        await self.pause(within)
        return await work


async def gather(*works: Any) -> list[Any]:
    return list(await asyncio.gather(*works))


class NothingTold(DoorkeyError):
    """No error came."""


async def told(work: Awaitable[object]) -> DoorkeyError:
    """The error that *work* ends in; NothingTold when it ends well."""
    try:
        await work
    except DoorkeyError as error:
        return error
    return NothingTold("no error came")


def session_of(site: FleetSite, *, sid: str, **changes: Any) -> Session:
    values: dict[str, Any] = {"soft": LONG, "hard": 2 * LONG, "tokens": {"nonce": sid}, **changes}
    cookies = (Cookie("sid", sid, "notes.example"),)
    return Session(key=KEY, gen=0, url=KEY.url, born=site.clock.wall(), cookies=cookies, **values)


Property = Callable[[World], Awaitable[None]]


class Properties(list[Property]):
    """What must hold in any world."""

    def holds(self, run: Property) -> Property:
        self.append(run)
        return run
