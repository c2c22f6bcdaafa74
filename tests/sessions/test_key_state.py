"""The state of a key: who may change it, and that every change is checked."""

from __future__ import annotations

import ast
from dataclasses import fields
from pathlib import Path

import pytest

import doorkey
from doorkey.sessions.key_state import KeyState
from doorkey.sessions.pause import Pause
from doorkey.sessions.use_budget import UseBudget
from stepped_clock import SteppedClock

from .conftest import KEY, made

ROOT = Path(doorkey.__file__).parent


def foreign_writers(source: str) -> list[str]:
    """The assignments to a field of a key's state, of its pause or its use budget, that *source* makes."""
    known = {field.name for kind in (KeyState, Pause, UseBudget) for field in fields(kind)}
    found = []
    for node in ast.walk(ast.parse(source)):
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        for target in (part for whole in targets for part in (whole.elts if isinstance(whole, ast.Tuple) else [whole])):
            if isinstance(target, ast.Attribute) and target.attr in known:
                owner = target.value
                inner = isinstance(owner, ast.Attribute) and owner.attr in ("pause", "budget")
                if inner or getattr(owner, "id", getattr(owner, "attr", "")).endswith("state"):
                    found.append(ast.unparse(target))
    return found


def test_only_the_key_state_changes_a_keys_state() -> None:
    others = [file for file in ROOT.rglob("*.py") if file.name not in ("key_state.py", "pause.py", "use_budget.py")]
    assert {file.name: foreign_writers(file.read_text()) for file in others if foreign_writers(file.read_text())} == {}


@pytest.mark.parametrize(
    "line", ["state.budget.used = 0", "state.callers += 1", "a, state.current = 1, 2", "x.pause.until = 0"]
)
def test_a_foreign_writer_is_found(line: str) -> None:
    assert foreign_writers(line)


def test_a_change_that_contradicts_the_rest_is_found_at_once(clock: SteppedClock) -> None:
    state = KeyState(KEY)
    with pytest.raises(AssertionError, match="more callers left"):
        state.end_wait()
    with pytest.raises(AssertionError, match="another key"):
        KeyState(KEY._replace(site="other")).publish(made(1, clock), clock.now())


def test_a_session_that_waits_behind_is_newer_than_the_current_one(clock: SteppedClock) -> None:
    state = KeyState(KEY)
    first, second = (made(number, clock, gen=number, max_uses=3) for number in (1, 2))
    state.publish(second, clock.now())
    state.publish(first, clock.now())
    assert (state.current, state.waiting_session) == (second, None)
