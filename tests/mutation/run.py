"""Mutation testing of the keeper, the state of a key, the stores and the decision.

    python tests/mutation/run.py [--jobs 2] [--minutes 20] [--only keeper] [--result tests/mutation/result.md]

Everything is imported and collected once, and run once to see which lines each check reaches. Each mutant is a fork of
that process: it puts one fault into the code that is loaded, and runs the properties of the simulation and the tests of
its module that reach the fault until one fails. No test has a time limit. A mutant whose tests come to no end counts as
one that lives; it is ended after `LONGEST` seconds all the same.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import datetime
import hashlib
import json
import logging
import os
import platform
import re
import select
import selectors
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from _pytest.runner import runtestprotocol
from mutants import Mutant, mutants_of
from reach import Check, Reach, first_failure, observe

ROOT = Path(__file__).parents[2]
LONGEST = 45.0
MOST_TURNS = 10_000
"""Turns of the event loop in one test."""
FEW = 6
"""Seeds of each property."""
SIMULATION = "tests/simulation/test_keeper_properties.py"
PURE = (
    "tests/sessions/test_key_state.py",
    "tests/sessions/test_pause.py",
    "tests/sessions/test_keeper.py",
    "tests/sessions/test_visit_limits.py",
    "tests/sessions/test_away.py",
)
"""Tests in which nothing comes from outside: when their loop has nothing left to do, a task waits for ever."""
KEEPER = (*PURE, "tests/engine/test_login_war.py", "tests/engine/test_refusing_site.py")
STORES = (
    "tests/sessions/test_store_row.py",
    "tests/sessions/test_memory.py",
    "tests/sessions/test_sqlite.py",
    "tests/sessions/test_stores.py",
    "tests/sessions/test_shared_notes.py",
    "tests/sessions/test_unwritten.py",
)
DECISION = (
    "tests/engine/test_decision.py",
    "tests/engine/test_decision_outcomes.py",
    "tests/engine/test_refusal_sequences.py",
    "tests/engine/test_refusing_site.py",
    "tests/engine/test_session_check.py",
)
TESTS: dict[str, tuple[str, ...]] = {
    "doorkey.sessions.keeper": (SIMULATION, *KEEPER),
    "doorkey.sessions.key_state": (SIMULATION, *KEEPER),
    "doorkey.sessions.flights": (SIMULATION, *KEEPER),
    "doorkey.sessions.pause": (SIMULATION, *KEEPER),
    "doorkey.sessions.use_budget": (SIMULATION, *KEEPER),
    "doorkey.sessions.store": (SIMULATION, *STORES, *KEEPER),
    "doorkey.sessions.memory": (SIMULATION, *STORES),
    "doorkey.sessions.row_store": STORES,
    "doorkey.sessions.stored": STORES,
    "doorkey.sessions.unwritten": (*STORES, "tests/sessions/test_redis.py"),
    "doorkey.sessions.sqlite": STORES,
    "doorkey.sessions.sqlite_table": STORES,
    "doorkey.sessions.redis_store": (*STORES, "tests/sessions/test_redis.py"),
    "doorkey.engine.decision_tables": DECISION,
    "doorkey.engine.decision": DECISION,
}
"""The modules that get faults, and what should find them, in this order."""


@dataclass
class Run:
    """What became of the mutants: each is "killed" by a test, "lives", or came to no end."""

    outcomes: dict[Mutant, tuple[str, str]] = field(default_factory=dict)
    took: float = 0.0


class Stranded(Exception):
    """Somebody waits, and nothing will ever happen."""


class WatchedSelector(selectors.DefaultSelector):  # type: ignore[misc, valid-type]
    """Fails where a loop would wait for ever, while `pure`, and where it turns too often."""

    pure = False
    turns = 0

    def select(self, timeout: float | None = None) -> Any:
        WatchedSelector.turns += 1
        if timeout is None and self.pure:
            raise Stranded("a task waits for ever")
        if self.turns > MOST_TURNS:
            raise Stranded("a task goes on for ever")
        return super().select(timeout)


class WatchedPolicy(asyncio.DefaultEventLoopPolicy):
    def new_event_loop(self) -> asyncio.AbstractEventLoop:
        return asyncio.SelectorEventLoop(WatchedSelector())


class Killing:
    """A pytest plugin: in place of running the tests, it runs them once for each mutant."""

    def __init__(self, mutants: Sequence[Mutant], jobs: int, deadline: float) -> None:
        self.mutants, self.jobs, self.deadline, self.run = list(mutants), jobs, deadline, Run()

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        began = time.monotonic()
        items = [item for item in session.items if not _is_left_out(item)]
        modules = sorted({mutant.module for mutant in self.mutants})
        everything = _checks(sorted({place for name in modules for place in TESTS[name]}), items)
        pid, reader = _fork(lambda: json.dumps(observe(everything, modules)))
        with os.fdopen(reader) as told:
            lines, failed = json.load(told)
        _end(pid)
        print(f"without a fault: {len(everything)} checks in {time.monotonic() - began:.1f} s", flush=True)
        if failed:
            raise pytest.UsageError(f"without a fault, {failed} fails")
        reach = Reach(lines)
        running: dict[int, tuple[Mutant, int, float]] = {}
        waiting = list(self.mutants)
        while waiting or running:
            while waiting and len(running) < self.jobs and time.monotonic() < self.deadline:
                mutant = waiting.pop(0)
                checks = reach.checks_of(mutant, _checks(TESTS[mutant.module], items))
                pid, reader = _fork(partial(_try, mutant, checks, items))
                running[reader] = mutant, pid, time.monotonic()
            if not running:
                break
            ready, _, _ = select.select(list(running), [], [], 1.0)
            for reader, (mutant, pid, since) in list(running.items()):
                over = time.monotonic() - since > LONGEST
                if reader not in ready and not over:
                    continue
                killer = "" if over else os.read(reader, 4000).decode()
                os.close(reader)
                del running[reader]
                _end(pid)
                outcome = "no end" if over else "lives" if killer == "-" else "killed"
                self.run.outcomes[mutant] = outcome, killer
                print(f"{len(self.run.outcomes)}/{len(self.mutants)} {outcome:7} {mutant}  [{killer}]", flush=True)
        self.run.took = time.monotonic() - began
        return True


def _is_left_out(item: pytest.Item) -> bool:
    """Tests of several processes and of real time, and those that read the source anew."""
    slow = any(item.get_closest_marker(name) for name in ("slow", "long", "browser"))
    return slow or item.name.startswith("test_another_process_knows_it") or item.path.name == Path(SIMULATION).name


def _fork(work: Callable[[], str]) -> tuple[int, int]:
    """Have a process of its own do *work*: its id, and where its answer can be read."""
    reader, writer = os.pipe()
    sys.stdout.flush()
    pid = os.fork()
    if pid:
        os.close(writer)
        return pid, reader
    os.setsid()
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nowhere, stream)
    answer = "the process ended"
    try:
        answer = work()
    except BaseException as error:  # noqa: BLE001 - whatever a fault leads to
        answer = f"{type(error).__name__}"
    with os.fdopen(writer, "w") as told:
        told.write(answer)
    os._exit(0)


def _try(mutant: Mutant, checks: Sequence[Check], items: Sequence[pytest.Item]) -> str:
    """The name of the first check that fails with *mutant*; "-" where none does."""
    mutant.apply()
    if mutant.function.isupper():
        _make_anew(mutant, items)
    return first_failure(checks) or "-"


def _make_anew(mutant: Mutant, items: Sequence[pytest.Item]) -> None:
    """Have the tests of a table make again what they made of it when they were imported."""
    ours = {item.path: item for item in items if item.nodeid.startswith(TESTS[mutant.module])}
    for path, item in ours.items():
        assert isinstance(item, pytest.Function)
        exec(compile(path.read_text(encoding="utf-8"), str(path), "exec"), vars(item.module))


def _end(pid: int) -> None:
    """End what a mutant has started, and the mutant."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def _checks(places: Sequence[str], items: Sequence[pytest.Item]) -> list[Check]:
    """One seed of each property, then the tests, then the other seeds."""
    ours = [item for place in places for item in items if item.nodeid.startswith(place)]
    tests = [Check(item.nodeid, partial(_fails, item), item) for item in ours]
    if SIMULATION not in places:
        return tests
    properties: Any = next(module for name, module in sys.modules.items() if name.endswith("test_keeper_properties"))
    parts = properties.Parts({name: sys.modules[f"doorkey.sessions.{name}"] for name in PARTS})
    first, others = (
        [
            Check(f"{held.__name__} {seeds}", partial(_breaks, properties, parts, held, seeds))
            for held in properties.PROPERTIES
        ]
        for seeds in (range(1), range(1, FEW))
    )
    return [*first, *tests, *others]


def _fails(item: pytest.Item, after: pytest.Item | None) -> bool:
    asyncio.set_event_loop_policy(WatchedPolicy())
    WatchedSelector.pure, WatchedSelector.turns = item.nodeid.startswith(PURE), 0
    return any(report.failed for report in runtestprotocol(item, log=False, nextitem=after))


def _breaks(properties: Any, parts: object, held: object, seeds: range, _: pytest.Item | None) -> bool:
    asyncio.set_event_loop_policy(None)
    logging.disable()  # records would hold the tasks that a faulty keeper leaves
    try:
        for seed in seeds:
            properties.check(parts, held, seed)
    except (Exception, asyncio.CancelledError):  # noqa: BLE001 - whatever a fault leads to
        return True
    finally:
        logging.disable(logging.NOTSET)
    return False


PARTS = ("store", "memory", "pause", "use_budget", "key_state", "key_states", "held", "renewed_cookies", "flights",
         "keeper")  # fmt: skip


def choose(mutants: Sequence[Mutant], most: int | None, left_out: Sequence[Path]) -> list[Mutant]:
    """All of them, or a sample: the order depends on each mutant's own text, so that it stays when the source changes.

    *left_out*: what earlier runs printed, whose mutants are not tried again.
    """
    seen: Counter[str] = Counter()
    ordered: list[tuple[bytes, Mutant]] = []
    tried = {_identity(line) for path in left_out for line in path.read_text(encoding="utf-8").splitlines()}
    for mutant in mutants:
        identity = _identity(f"0/0 mutant {mutant}  [-]")
        seen[identity] += 1
        if identity not in tried:
            ordered.append((hashlib.sha256(f"{identity} {seen[identity]}".encode()).digest(), mutant))
    return [mutant for _, mutant in sorted(ordered, key=lambda entry: entry[0])][:most]


def _identity(line: str) -> str:
    """A mutant in a line of a run, without the line of the source that it stands in."""
    found = re.fullmatch(r"\d+/\d+ (?:killed|lives|no end|mutant) +([\w.]+):\d+ (.*)  \[.*\]", line)
    return " ".join(found.groups()) if found else ""


def list_mutants(only: str) -> Iterator[Mutant]:
    for name in TESTS:
        if only in name:
            yield from mutants_of(name)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--jobs", type=int, default=max(1, (os.cpu_count() or 2)))
    parser.add_argument("--minutes", type=float, default=20.0, help="after so many, no further mutant is begun")
    parser.add_argument("--most", type=int, help="a sample of so many mutants, the same each time")
    parser.add_argument("--least", type=float, default=0.9, help="the share that has to be killed")
    parser.add_argument(
        "--left-out", type=Path, nargs="*", default=(), help="outputs of runs whose mutants to leave out"
    )
    parser.add_argument("--only", default="", help="modules whose names hold this")
    parser.add_argument("--result", type=Path, help="the file of results; reasons that stand in it are kept")
    parser.add_argument("--count", action="store_true", help="count the mutants, and end")
    given = parser.parse_args()
    os.chdir(ROOT)
    os.environ.setdefault("SIMULATIONS", str(FEW))
    sys.path[:0] = ["runtime", "providers", "browser_profiles"]
    everything = list(list_mutants(given.only))
    if given.count:
        print(json.dumps(Counter(mutant.module for mutant in everything), indent=1), len(everything))
        return 0
    chosen = choose(everything, given.most, given.left_out)
    killing = Killing(chosen, given.jobs, time.monotonic() + 60 * given.minutes)
    files = sorted({file for mutant in chosen for file in (*TESTS[mutant.module], SIMULATION)})
    pytest.main(["-q", "-p", "no:cacheprovider", "-p", "no:xdist", "--capture=no", *files], plugins=[killing])
    share = write_result(killing.run, len(everything), given.result)
    return 0 if share >= given.least else 1


def write_result(run: Run, of: int, path: Path | None) -> float:
    tried = len(run.outcomes)
    killed = [mutant for mutant, (outcome, _) in run.outcomes.items() if outcome == "killed"]
    share = len(killed) / max(1, tried)
    known = _known_reasons(path)
    lines = [
        "# Mutants that live", "",
        f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d}, Python {platform.python_version()}: {tried} of {of} mutants "
        f"were tried, {len(killed)} ({share:.1%}) were killed, in {run.took / 60:.0f} minutes.", "",
        "| module | tried | killed |", "|---|---|---|",
    ]  # fmt: skip
    for name in TESTS:
        ours = [outcome for mutant, (outcome, _) in run.outcomes.items() if mutant.module == name]
        if ours:
            lines.append(f"| {name.removeprefix('doorkey.')} | {len(ours)} | {ours.count('killed')} |")
    lines += ["", "| mutant | | why nothing fails |", "|---|---|---|"]
    for mutant, (outcome, _) in sorted(run.outcomes.items(), key=lambda entry: (entry[0].module, entry[0].line)):
        if outcome != "killed":
            what = mutant.what.replace("|", "\\|")
            place = f"{mutant.module.removeprefix('doorkey.')} `{mutant.function}`: {what}"
            lines.append(f"| {place} | {outcome} | {known.get(place, '')} |")
    text = "\n".join(lines) + "\n"
    if path is not None:
        path.write_text(text, encoding="utf-8")
    print(text)
    return share


def _known_reasons(path: Path | None) -> dict[str, str]:
    if path is None or not path.exists():
        return {}
    found = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        place, _, rest = line.removeprefix("| ").partition(" | lives | ")
        if not rest:
            place, _, rest = line.removeprefix("| ").partition(" | no end | ")
        if rest:
            found[place] = rest.removesuffix("|").strip()
    return found


if __name__ == "__main__":
    sys.exit(main())
