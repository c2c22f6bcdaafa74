"""Which checks run which lines: a mutant is tried only by checks that reach it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import pytest
from coverage import Coverage
from mutants import Mutant

Lines: TypeAlias = dict[str, dict[str, list[int]]]
"""By the name of a check and by module: the lines that it ran."""


@dataclass(frozen=True)
class Check:
    """A test, or a property with some of its seeds. *run* says whether it fails; it is told the test that comes next,
    which may want the same fixtures.
    """

    name: str
    run: Callable[[pytest.Item | None], bool]
    item: pytest.Item | None = None


def first_failure(checks: Sequence[Check], before: Callable[[Check], None] = lambda _: None) -> str:
    """The name of the first of *checks* that fails; empty where none does. *before* is called before each."""
    for at, check in enumerate(checks):
        before(check)
        if check.run(next((later.item for later in checks[at + 1 :] if later.item is not None), None)):
            return check.name
    return ""


@dataclass
class Reach:
    """What each check ran when there was no fault."""

    lines: Lines = field(default_factory=dict)

    def checks_of(self, mutant: Mutant, checks: Sequence[Check]) -> list[Check]:
        """Those of *checks* that run the mutant's function. All of them read a table."""
        if mutant.function.isupper():
            return list(checks)
        wanted = set(mutant.lines)
        return [check for check in checks if wanted & set(self.lines.get(check.name, {}).get(mutant.module, ()))]


def observe(checks: Sequence[Check], modules: Sequence[str]) -> tuple[Lines, str]:
    """Run all of *checks*: what each ran of *modules*, and the name of the first that fails, empty where none does."""
    files: Mapping[str, str] = {str(sys.modules[name].__file__): name for name in modules}
    coverage = Coverage(data_file=None, include=list(files), config_file=False)
    coverage.start()
    failed = first_failure(checks, lambda check: coverage.switch_context(check.name))
    coverage.stop()
    lines: Lines = {}
    for file, name in files.items():
        for line, contexts in coverage.get_data().contexts_by_lineno(file).items():
            for context in contexts:
                lines.setdefault(context, {}).setdefault(name, []).append(line)
    return lines, failed
