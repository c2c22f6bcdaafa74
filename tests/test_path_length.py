"""What a request passes through stays short: the modules and functions of doorkey that it calls are counted."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

BENCH = Path(__file__).resolve().parents[1] / "bench"
MOST = {"chat": (32, 145), "door": (25, 75), "renewal": (49, 257)}
"""The most modules and functions that each kind of request may pass through; a little above what it does."""


async def test_requests_pass_through_few_modules_and_functions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCH))
    measured = await importlib.import_module("path").measure()
    counts = {name: passed.counts for name, passed in measured.items()}
    assert {
        name: counts[name] for name, most in MOST.items() if counts[name][0] > most[0] or counts[name][1] > most[1]
    } == {}
    # Nothing is missed: each of them goes through the engine to the site's socket.
    files = {name: {Path(file).name for file, _, _ in passed.functions} for name, passed in measured.items()}
    assert [name for name, found in files.items() if not {"engine.py", "keeper.py", "direct.py"} <= found] == []
