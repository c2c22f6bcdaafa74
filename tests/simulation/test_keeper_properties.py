"""The properties of keepers hold for each seed; and each fault of a list, put into the source, breaks one of them."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
from collections.abc import Iterator

import pytest

from doorkey.errors import TimeLimit

from . import keeper_properties, shared_properties
from .fleet_walk import whatever_happens_to_a_fleet
from .fleet_world import Property, World
from .patched_modules import Fault, Parts, load
from .seeded_faults import FAULTS
from .virtual_loop import simulate

PROPERTIES = [*keeper_properties.PROPERTIES, *shared_properties.PROPERTIES, whatever_happens_to_a_fleet]

SEEDS = range(int(os.environ.get("SIMULATIONS", "30")))

FEW = 6
"""Seeds that have to be enough to find a fault."""


async def run_in(world: World, held: Property) -> None:
    await held(world)
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


def check(parts: Parts, held: Property, seed: int) -> None:
    simulate(seed, run_in(World(parts, seed), held))


@pytest.fixture(scope="module")
def right() -> Parts:
    return load()


@pytest.mark.parametrize("held", PROPERTIES, ids=lambda held: held.__name__)
def test_it_holds(right: Parts, held: Property) -> None:
    for seed in SEEDS:
        try:
            check(right, held, seed)
        except BaseException as error:
            error.add_note(f"seed {seed}")
            raise


async def refuse_at_once(world: World, callers: int) -> None:
    node = world.node()
    session = await node.get()
    node.keeper.accept(session)
    renewed = await asyncio.gather(*(node.renew(session) for _ in range(callers)))
    assert len({one.gen for one in renewed}) == 1
    assert world.site.made == 2


@pytest.mark.parametrize(
    "seeds",
    [
        pytest.param(range(10), id="10"),
        pytest.param(range(100), id="100", marks=pytest.mark.slow),
        pytest.param(range(1000), id="1000", marks=[pytest.mark.slow, pytest.mark.long]),
    ],
)
def test_a_thousand_refusals_at_once_cost_one_visit(right: Parts, seeds: range) -> None:
    for seed in seeds:
        simulate(seed, refuse_at_once(World(right, seed), 1000))


def breaks(parts: Parts, held: Property, seed: int) -> bool:
    """Whether the property fails. That a time limit ended a wait is no such failure: one may hide a fault."""
    try:
        check(parts, held, seed)
    except TimeLimit:
        return False
    except (Exception, asyncio.CancelledError):  # noqa: BLE001 - whatever a fault leads to
        return True
    return False


@pytest.fixture
def leftovers() -> Iterator[None]:
    """Collects the tasks that a faulty keeper leaves, so that no later test is blamed for them.

    Nothing is logged meanwhile, as records would hold them. What a task begins while it is collected belongs to the
    loop that runs then: it is collected by a loop of its own.
    """
    logging.disable()
    yield
    loop = asyncio.new_event_loop()
    loop.run_until_complete(collect())
    loop.close()
    logging.disable(logging.NOTSET)


async def collect() -> None:
    for _ in range(4):
        gc.collect()
        begun = asyncio.all_tasks() - {asyncio.current_task()}
        for task in begun:
            task.cancel()
        await asyncio.gather(*begun, return_exceptions=True)


@pytest.mark.slow
@pytest.mark.usefixtures("leftovers")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_fault_is_found(fault: Fault) -> None:
    parts = load(fault)
    assert any(breaks(parts, held, seed) for seed in SEEDS[:FEW] for held in PROPERTIES)


def test_the_list_is_long_and_no_fault_stands_twice() -> None:
    assert len(FAULTS) >= 40
    assert len({(fault.module, fault.right, fault.wrong) for fault in FAULTS}) == len(FAULTS)
