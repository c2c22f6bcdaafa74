"""What must hold whatever a site does: writes are made once, losses are told, checks and visits are few.

The site, its deaths, the order of events and the calls are drawn from a seed. A seed that fails is run again by
`pytest -k "seed-17"`.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections import Counter
from dataclasses import dataclass, field

import pytest

from doorkey.engine.check.checks import SessionChecks
from doorkey.engine.engine import Engine
from doorkey.engine.refusal_memory import RefusalMemory
from doorkey.errors import DoorkeyError, MayHaveArrived, SessionEnded
from doorkey.model.request import Request
from doorkey.rate.limits import RateLimiters, RateLimits
from doorkey.sessions.keeper import Keeper
from doorkey.sessions.memory import MemoryStore
from doorkey.transport.selector import TransportSelector
from doorkey_providers.web.options import WebOptions
from doorkey_providers.web.site import WebSite

from .simulated_site import DEAD, SCRIPT, SimulatedSite, SimulatedTransport, Write, draw, target_of
from .virtual_loop import VirtualClock, simulate

SEEDS = range(int(os.environ.get("SIMULATIONS", "30")))
SPAN = 60.0
STEPS = [{"fill": "[name=user]", "value": "a"}, {"fill": "[name=pw]", "value": "env:P"}]
KINDS: tuple[Write, ...] = ("note",) * 40 + ("invalid", "forbidden", "rotate", "logout", "password")  # type: ignore[assignment]


@dataclass
class Outcome:
    """What a run came to. `told` are the writes by how they ended, `success` those that were answered as accepted."""

    site: SimulatedSite
    told: Counter[str] = field(default_factory=Counter)
    kinds: dict[str, Write] = field(default_factory=dict)
    success: set[str] = field(default_factory=set)
    visits: int = 0
    checks: int = 0
    processes: int = 1
    left: int = 0
    took: float = 0.0


async def run(seed: int) -> Outcome:
    random.seed(seed)  # tenacity draws its waits from there
    chance, clock = random.Random(seed), VirtualClock()
    site = SimulatedSite(draw(chance, SPAN), random.Random(seed + 1), clock, clock.now())
    store, outcome = MemoryStore(clock), Outcome(site, processes=chance.choice((1, 1, 2, 3)))
    limits = RateLimits(at_once=4, rate=40.0, queue=1000) if chance.random() < 0.5 else None
    steps = [{"open": SCRIPT["/login"] if site.drawn.one_script else "/login"}, *STEPS, {"click": "button"}]
    options = WebOptions.model_validate({"ready": "#out", "visit": {"steps": steps}})
    living = asyncio.create_task(site.live_on())
    processes = []
    for _ in range(outcome.processes):
        limiters = RateLimiters(lambda key: limits, clock, uniform=chance.uniform)
        keeper = Keeper(
            store, private=MemoryStore(clock), clock=clock, limiters=limiters, uniform=chance.uniform, texts=store
        )
        selector = TransportSelector(SimulatedTransport(site), clock=clock, texts=store)
        refusals = RefusalMemory(clock, texts=store)
        checks = SessionChecks(keeper, selector, refusals, store, clock)
        engine = Engine(keeper=keeper, selector=selector, refusals=refusals, checks=checks, clock=clock)
        processes.append((engine, keeper, checks, refusals, target_of(site, WebSite, options)))

    async def call(name: str, kind: Write, engine: Engine, target: object) -> None:
        await clock.sleep(chance.uniform(0, SPAN))
        notes = SCRIPT["/notes"] if site.drawn.one_script else "/notes"
        path = f"/{kind}" if kind in ("logout", "password") else notes
        request = Request(url=path, method="POST", body=f"{kind} {name}".encode())
        try:
            async with await engine.send(target, request, deadline=clock.now() + 600) as answer:  # type: ignore[arg-type]
                marked = not answer.verdict
                outcome.told[f"{answer.head.status} {answer.verdict.kind.value}"] += 1
                if answer.head.status < 400 and not marked:
                    outcome.success.add(name)
        except DoorkeyError as error:
            outcome.told[error.code] += 1

    calls = []
    for number in range(chance.randrange(20, 120)):
        engine, *_, target = chance.choice(processes)
        name, kind = f"w{number}", chance.choice(KINDS)
        outcome.kinds[name] = kind
        calls.append(call(name, kind, engine, target))
    await asyncio.gather(*calls)
    outcome.took = clock.now() - site.began
    for _, keeper, checks, refusals, target in processes:
        limiter = keeper.limiters.of(target.key)
        outcome.left += 0 if limiter is None else limiter.status().under_way
        outcome.visits += target.visits
        outcome.checks += checks.status(target.key)[0]
        await checks.close()
        await refusals.close()
        await keeper.close()
    living.cancel()
    await asyncio.gather(living, return_exceptions=True)
    return outcome


RUNS: dict[int, Outcome] = {}


def outcome_of(seed: int) -> Outcome:
    if seed not in RUNS:
        RUNS[seed] = simulate(seed, run(seed))
    return RUNS[seed]


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: f"seed-{seed}")
def test_whatever_a_site_does(seed: int) -> None:
    outcome = outcome_of(seed)
    site = outcome.site
    twice = {name for name, times in site.processed.items() if times > 1}
    assert twice <= site.late, f"made twice: {[(name, outcome.kinds[name]) for name in twice - site.late]}"
    # Whoever logs out of a dead session has lost nothing. A page that strangers see tells nothing about a session.
    lost = {name for name in outcome.success if not site.processed[name] and outcome.kinds[name] != "logout"}
    assert site.drawn.page_for_all or lost == set(), f"told as a success, and not made: {lost} ({site.drawn})"
    assert outcome.left == 0, "a place at the site was lost"
    assert sum(outcome.told.values()) == len(outcome.kinds), "every call has ended"
    # Bounded by deaths and time, not by load.
    deaths = site.deaths + 1
    assert outcome.visits <= 2 * outcome.processes * (deaths + len(site.drawn.maintenance)) + 2, site.drawn
    assert outcome.checks <= outcome.processes * (4 * deaths + outcome.took / 2.5 + 8), site.drawn


def test_the_residue_is_small_and_never_a_logout_a_password_or_a_rotation() -> None:
    kinds: Counter[str] = Counter()
    for seed in SEEDS:
        outcome = outcome_of(seed)
        for name, times in outcome.site.processed.items():
            if times > 1:
                kinds[outcome.kinds[name]] += 1
    assert set(kinds) <= {"note"}


def test_the_runs_meet_what_they_are_meant_to_meet() -> None:
    told: Counter[str] = Counter()
    for seed in SEEDS:
        told += outcome_of(seed).told
    met = {DEAD[outcome_of(seed).site.drawn.dead].status for seed in SEEDS}
    assert {SessionEnded.code, MayHaveArrived.code, "302 ok", "403 blocked"} <= set(told), told
    assert {200, 302, 401, 403, 500} <= met


def test_a_run_is_the_same_each_time() -> None:
    first, second = simulate(5, run(5)), simulate(5, run(5))
    assert first.told == second.told
    assert first.site.processed == second.site.processed
