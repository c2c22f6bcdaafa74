"""Several processes of a store meet refusals as one would: what one has learned, the others do not try again."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

import pytest

from doorkey.engine.engine import Engine
from doorkey.engine.refusal_memory import RefusalMemory
from doorkey.errors import DoorkeyError, NeedsPerson, Unavailable
from doorkey.model.request import Request
from doorkey.sessions.keeper import Keeper
from doorkey.sessions.login_war import MOST as MOST_LOGINS
from doorkey.sessions.login_war import REST
from doorkey.sessions.memory import MemoryStore
from doorkey.transport.selector import TransportSelector
from doorkey_providers.web.options import WebOptions
from doorkey_providers.web.site import WebSite

from .simulated_site import Drawn, SimulatedSite, SimulatedTarget, SimulatedTransport, target_of
from .virtual_loop import VirtualClock, simulate

T = TypeVar("T")
SEEDS = range(int(os.environ.get("SIMULATIONS", "10")))
PLAIN = Drawn("403", page_for_all=False, alone=False, deaths=(), maintenance=(), late_deaths=False, drops=0.0)
STEPS = [{"open": "/login"}, {"fill": "[name=user]", "value": "a"}, {"click": "button"}]


@dataclass
class Wire:
    """One process's way to the store: it takes time, and it can be cut."""

    store: MemoryStore
    clock: VirtualClock
    chance: random.Random
    cut: bool = False
    asked: int = 0

    async def share(self, name: str, step: Callable[[str, float], tuple[str | None, T]]) -> T:
        self.asked += 1
        await self.clock.sleep(self.chance.uniform(0, 0.02))
        if self.cut:
            raise Unavailable("the store can't be reached")
        result = await self.store.share(name, step)
        await self.clock.sleep(self.chance.uniform(0, 0.02))
        return result


@dataclass
class Process:
    site: SimulatedSite
    wire: Wire
    steps: bool = False
    target: SimulatedTarget = field(init=False)

    def __post_init__(self) -> None:
        clock, wire = self.wire.clock, self.wire
        self.keeper = Keeper(
            wire.store, private=MemoryStore(clock), clock=clock, uniform=wire.chance.uniform, texts=wire
        )
        self.refusals = RefusalMemory(clock, texts=wire)
        selector = TransportSelector(SimulatedTransport(self.site), clock=clock, texts=wire)
        self.engine = Engine(keeper=self.keeper, selector=selector, refusals=self.refusals, clock=clock)
        options = WebOptions.model_validate(
            {"ready": "#out", "stale": [403], "visit": {"steps": STEPS}} if self.steps else {}
        )
        self.target = target_of(self.site, WebSite, options)

    async def send(self, text: str) -> str:
        """What became of one write: its verdict, or the code of its error."""
        request = Request(url="/notes", method="POST", body=text.encode())
        deadline = self.wire.clock.now() + 600
        try:
            async with await self.engine.send(self.target, request, deadline=deadline) as answer:  # type: ignore[arg-type]
                return answer.verdict.kind.value
        except DoorkeyError as error:
            return error.code

    async def close(self) -> None:
        await self.refusals.close()
        await self.keeper.close()


class Fleet:
    """A site and the processes before it, drawn from a seed."""

    def __init__(self, seed: int, processes: int, *, steps: bool = False) -> None:
        self.chance, self.clock = random.Random(seed), VirtualClock()
        self.site = SimulatedSite(PLAIN, random.Random(seed + 1), self.clock, self.clock.now())
        store = MemoryStore(self.clock)
        self.processes = [Process(self.site, Wire(store, self.clock, self.chance), steps) for _ in range(processes)]

    @property
    def visits(self) -> int:
        return sum(process.target.visits for process in self.processes)

    async def close(self) -> None:
        for process in self.processes:
            await process.close()


async def send_refused(fleet: Fleet, prompts: int) -> int:
    """The visits that so many prompts cost which the site's filter refuses, one after the other."""
    for number in range(prompts):
        await fleet.clock.sleep(fleet.chance.uniform(0, 0.5))
        assert await fleet.chance.choice(fleet.processes).send(f"forbidden p{number}") == "blocked"
    await fleet.close()
    return fleet.visits


@pytest.mark.parametrize("seed", SEEDS)
def test_a_content_filter_costs_three_processes_hardly_more_visits_than_one(seed: int) -> None:
    async def run(processes: int) -> int:
        return await send_refused(Fleet(seed, processes), prompts=40)

    alone, together = simulate(seed, run(1)), simulate(seed, run(3))
    # The first visit, and one each for the refusals 1, 2, 4, … 32. A single process makes a pause between some, too.
    assert 1 < alone <= together <= 1 + 6


@pytest.mark.parametrize("seed", SEEDS)
def test_the_same_refused_request_is_renewed_for_once_whoever_sends_it(seed: int) -> None:
    async def run() -> int:
        fleet = Fleet(seed, 3)
        told = [await fleet.chance.choice(fleet.processes).send("forbidden same") for _ in range(20)]
        assert set(told) == {"blocked"}
        await fleet.close()
        return fleet.visits

    assert simulate(seed, run()) == 2


@pytest.mark.parametrize("seed", SEEDS)
def test_no_death_is_hidden_by_what_another_process_met(seed: int) -> None:
    async def run() -> None:
        fleet = Fleet(seed, 3)
        for number in range(6):
            await fleet.chance.choice(fleet.processes).send(f"forbidden p{number}")
        fleet.site.kill()  # and a dead session is refused in the very same way
        lost = 0
        for number in range(80):
            lost += await fleet.chance.choice(fleet.processes).send(f"note n{number}") != "ok"
        assert lost < 64
        assert fleet.site.processed.total() == 80 - lost
        await fleet.close()

    simulate(seed, run())


@pytest.mark.parametrize("seed", SEEDS)
def test_requests_that_are_accepted_ask_the_store_for_nothing(seed: int) -> None:
    async def run() -> None:
        fleet = Fleet(seed, 2)
        for process in fleet.processes:
            assert await process.send("note first") == "ok"
        before = [process.wire.asked for process in fleet.processes]
        for number in range(50):
            assert await fleet.chance.choice(fleet.processes).send(f"note n{number}") == "ok"
        assert [process.wire.asked for process in fleet.processes] == before
        await fleet.close()

    simulate(seed, run())


@pytest.mark.parametrize("seed", SEEDS)
def test_with_a_store_that_cannot_be_reached_each_process_goes_by_its_own(seed: int) -> None:
    async def run() -> None:
        fleet = Fleet(seed, 2)
        for process in fleet.processes:
            process.wire.cut = True
        for _ in range(10):
            for process in fleet.processes:
                assert await process.send("forbidden same") == "blocked"
        assert fleet.visits <= 3
        await fleet.close()

    simulate(seed, run())


@pytest.mark.parametrize("seed", SEEDS)
def test_logins_that_end_again_and_again_stop_in_all_processes(seed: int) -> None:
    async def run() -> None:
        fleet, told = Fleet(seed, 3, steps=True), ""
        while told != NeedsPerson.code and fleet.visits <= MOST_LOGINS + 2:
            for process in fleet.chance.sample(fleet.processes, 3):
                await fleet.clock.sleep(fleet.chance.uniform(0, 2))
                told = await process.send(f"note n{fleet.clock.now()}")
                if told == NeedsPerson.code:
                    break
            fleet.site.kill()  # the other program has logged in
        await fleet.clock.sleep(10)  # a visit may have been under way
        fleet.site.kill()
        visits = fleet.visits
        # A process that never used a session can't tell that it had worked.
        assert MOST_LOGINS <= visits <= MOST_LOGINS + 2
        assert [await process.send("note refused") for process in fleet.processes] == [NeedsPerson.code] * 3
        assert fleet.visits == visits
        await fleet.clock.sleep(REST + 1)
        assert [await process.send("note again") for process in fleet.processes] == ["ok"] * 3
        await fleet.close()

    simulate(seed, run())
