"""The benchmarks keep up with what they measure: each of them can be loaded, and the door of theirs be built."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).resolve().parents[1] / "bench"
NAMES = sorted(path.stem for path in BENCH.glob("*.py"))


@pytest.mark.parametrize("name", NAMES)
def test_a_benchmark_loads(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCH))
    for known in NAMES:
        monkeypatch.delitem(sys.modules, known, raising=False)
    assert importlib.import_module(name).__doc__


async def test_the_door_of_the_benchmarks_can_be_built(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCH))
    door = importlib.import_module("door")
    assert any(
        resource.canonical.startswith("/site/") for resource in door.the_door("http://127.0.0.1:9/").router.resources()
    )
