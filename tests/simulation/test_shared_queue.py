"""The limits of a site hold over all processes of a store, whatever happens to one of them."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Callable
from itertools import pairwise
from typing import TypeVar

import pytest

from doorkey.errors import RateLimited, Unavailable
from doorkey.model.verdict import Kind, Verdict
from doorkey.rate.limiter import RateLimiter
from doorkey.rate.shared_queue import SharedQueues
from doorkey.rate.site_queue import KEPT, read_queue
from doorkey.sessions.memory import MemoryStore
from event_lines import site_events

from .virtual_loop import VirtualClock, simulate

T = TypeVar("T")
SEEDS = range(int(os.environ.get("SIMULATIONS", "30")))
AT_ONCE, RATE = 2, 4.0
QUEUE = "queue calls notes"


class Site:
    """Counts the calls at it, and when each began."""

    def __init__(self, clock: VirtualClock) -> None:
        self.clock = clock
        self.inside = self.most = 0
        self.begun: list[float] = []

    async def serve(self, seconds: float) -> None:
        self.begun.append(self.clock.now())
        self.inside += 1
        self.most = max(self.most, self.inside)
        try:
            await self.clock.sleep(seconds)
        finally:
            self.inside -= 1


class Wire:
    """One process's way to the store: it takes time, and it can be cut."""

    def __init__(self, store: MemoryStore, clock: VirtualClock, chance: random.Random) -> None:
        self.store, self.clock, self.chance, self.cut = store, clock, chance, False

    async def share(self, name: str, step: Callable[[str, float], tuple[str | None, T]]) -> T:
        await self.clock.sleep(self.chance.uniform(0, 0.02))
        if self.cut:
            raise Unavailable("the store can't be reached")
        result = await self.store.share(name, step)
        await self.clock.sleep(self.chance.uniform(0, 0.02))
        return result


class Process:
    def __init__(self, store: MemoryStore, clock: VirtualClock, chance: random.Random) -> None:
        self.wire = Wire(store, clock, chance)
        self.queues = SharedQueues(self.wire, clock)
        self.limiter = RateLimiter(
            "notes", clock, place="calls notes", shared=self.queues, at_once=AT_ONCE, rate=RATE, queue=99,
            patience=120.0, longest=9999.0, uniform=chance.uniform,
        )  # fmt: skip

    async def call(self, site: Site, seconds: float) -> None:
        async with await self.limiter.enter(float("inf"), site_events()):
            await site.serve(seconds)


def gaps(times: list[float]) -> list[float]:
    return [later - earlier for earlier, later in pairwise(times)]


@pytest.mark.parametrize("seed", SEEDS)
def test_three_processes_keep_the_limits_of_one(seed: int) -> None:
    async def run() -> None:
        clock, chance = VirtualClock(), random.Random(seed)
        store, site = MemoryStore(clock), Site(clock)
        processes = [Process(store, clock, chance) for _ in range(3)]
        calls = []
        for _ in range(40):
            await clock.sleep(chance.uniform(0, 0.5))
            process = chance.choice(processes)
            calls.append(asyncio.create_task(process.call(site, chance.uniform(0, 2))))
            if chance.random() < 0.2:
                chance.choice(calls).cancel()
        await asyncio.gather(*calls, return_exceptions=True)
        assert all(call.cancelled() or call.exception() is None for call in calls)
        assert site.most <= AT_ONCE
        assert min(gaps(site.begun)) >= 0.75 / RATE - 0.05  # less what the way to the store takes
        for process in processes:
            await process.queues.close()
        left = await store.share(QUEUE, lambda text, wall: (None, read_queue(text)))
        assert (dict(left.inside), dict(left.waiting)) == ({}, {})

    simulate(seed, run())


@pytest.mark.parametrize("seed", SEEDS)
def test_the_places_of_a_killed_process_are_free_after_a_while(seed: int) -> None:
    async def run() -> None:
        clock, chance = VirtualClock(), random.Random(seed)
        store, site = MemoryStore(clock), Site(clock)
        killed, other = (Process(store, clock, chance) for _ in range(2))
        held = [asyncio.create_task(killed.call(site, 10**6)) for _ in range(AT_ONCE)]
        while site.inside < AT_ONCE:
            await clock.sleep(0.1)
        killed.wire.cut = True
        for call in held:
            call.cancel()
        died = clock.now()
        await other.call(site, 1.0)
        assert clock.now() - died <= KEPT + 3.0
        await other.queues.close()
        await killed.queues.close()

    simulate(seed, run())


def test_a_long_call_keeps_its_place() -> None:
    async def run() -> None:
        clock, chance = VirtualClock(), random.Random(1)
        store, site = MemoryStore(clock), Site(clock)
        one, other = (Process(store, clock, chance) for _ in range(2))
        long = [asyncio.create_task(one.call(site, 100.0)) for _ in range(AT_ONCE)]
        while site.inside < AT_ONCE:
            await clock.sleep(0.1)
        await other.call(site, 1.0)
        assert site.most == AT_ONCE
        await asyncio.gather(*long)
        await one.queues.close()
        await other.queues.close()

    simulate(1, run())


def test_what_the_site_asks_of_one_process_all_heed() -> None:
    async def run() -> None:
        clock, chance = VirtualClock(), random.Random(1)
        store, site = MemoryStore(clock), Site(clock)
        one, other = (Process(store, clock, chance) for _ in range(2))
        one.limiter.obey(Verdict(Kind.RATE_LIMITED, "slow down", 30.0))
        await clock.sleep(1.0)
        with pytest.raises(RateLimited, match="slow down") as told:
            await other.limiter.enter(clock.now() + 5.0, site_events())
        assert told.value.retry_after == pytest.approx(29.0, abs=1.0)
        began = clock.now()
        await other.call(site, 1.0)
        assert clock.now() - began >= 28.0
        await one.queues.close()
        await other.queues.close()

    simulate(1, run())


def test_without_the_store_each_process_keeps_the_limits_by_itself() -> None:
    async def run() -> None:
        clock, chance = VirtualClock(), random.Random(1)
        store, site = MemoryStore(clock), Site(clock)
        one = Process(store, clock, chance)
        one.wire.cut = True
        await asyncio.gather(*(one.call(site, 1.0) for _ in range(6)))
        assert site.most == AT_ONCE
        await one.queues.close()

    simulate(1, run())
