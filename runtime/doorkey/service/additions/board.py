"""The addition under way, as all workers of a service know it: how it stands, and what a person wants of it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Literal, TypeAlias, TypeVar

from doorkey.service.workers.shared_text import SharedText

T = TypeVar("T")
Phase: TypeAlias = Literal["looking", "showing", "asking", "found", "writing", "written", "failed", "cancelled"]
Wish: TypeAlias = Literal["cancel", "send", "skip", "write"]
MOST_STEPS = 12
"""The latest steps that are kept."""
LONGEST = 100_000
"""Characters of the new lines that are shown."""


@dataclass(frozen=True, slots=True)
class AdditionState:
    """How an addition stands. It holds no secret.

    `pid` is the process that does the work, `key` the name of the key by whose right it was begun. `view` is the id of
    the live view while a person shows the site, `question` the write that may be sent. What was found: `rows` with
    what, found and where; `lines`, which are a `diff` where an earlier site is completed; what is `unsure`; `told`, how
    the trial went, and whether it `failed` or was not `tried`. `secrets` are the names under which the login is kept,
    in `place`; `missing` the environment variables that it needs. `fault` says why it ended without success.
    """

    id: str
    pid: int
    url: str
    site: str = ""
    key: str = ""
    phase: Phase = "looking"
    steps: tuple[str, ...] = ()
    view: str = ""
    question: str = ""
    rows: tuple[tuple[str, str, str], ...] = ()
    lines: str = ""
    diff: bool = False
    unsure: tuple[str, ...] = ()
    told: str = ""
    failed: bool = False
    tried: bool = False
    secrets: tuple[str, ...] = ()
    place: str = ""
    missing: tuple[str, ...] = ()
    file: str = ""
    fault: str = ""

    @property
    def active(self) -> bool:
        """Whether it is under way still."""
        return self.phase in ("looking", "showing", "asking", "found", "writing")

    def with_step(self, step: str) -> AdditionState:
        return replace(self, steps=(*self.steps, step)[-MOST_STEPS:])


class Board:
    """Holds the latest addition in the shared text *kept*. *tell* is called after each change."""

    def __init__(self, kept: SharedText, tell: Callable[[], object]) -> None:
        self._kept, self._tell = kept, tell
        self._version, self._state = 0, _load("")[0]

    def read(self) -> AdditionState | None:
        """Return the latest addition. One whose process has ended has failed."""
        if self._kept.version != self._version:
            self._version, self._state = self._kept.version, _load(self._kept.read())[0]
        return _bury(self._state)

    def begin(self, state: AdditionState) -> bool:
        """Put *state* in the place of the latest addition, unless that is under way. Return whether it was put."""

        def step(text: str) -> tuple[str, bool]:
            latest = _bury(_load(text)[0])
            free = latest is None or not latest.active
            return (_write(state, "") if free else text), free

        return self._change(step)

    def publish(self, state: AdditionState) -> None:
        """Say how the addition stands now, if it is still the latest. Raises ValueError if that is too long."""

        def step(text: str) -> tuple[str, None]:
            latest, wish = _load(text)
            return (_write(state, wish) if latest is not None and latest.id == state.id else text), None

        self._change(step)

    def wish(self, id_: str, wish: Wish) -> bool:
        """Leave *wish* for the process of the addition *id_*. Return whether it is under way."""

        def step(text: str) -> tuple[str, bool]:
            latest = _bury(_load(text)[0])
            if latest is None or latest.id != id_ or not latest.active:
                return text, False
            return _write(latest, wish), True

        return self._change(step)

    def take_wish(self, id_: str) -> str:
        """Return what was wished of the addition *id_* since the last call; empty if nothing."""
        if not _load(self._kept.read())[1]:
            return ""

        def step(text: str) -> tuple[str, str]:
            latest, wish = _load(text)
            return (_write(latest, ""), wish) if latest is not None and latest.id == id_ else (text, "")

        return self._change(step, tells=False)

    def dismiss(self, id_: str) -> None:
        """Forget the addition *id_*, if it has ended."""

        def step(text: str) -> tuple[str, None]:
            latest = _bury(_load(text)[0])
            ended = latest is not None and latest.id == id_ and not latest.active
            return ("" if ended else text), None

        self._change(step)

    def _change(self, step: Callable[[str], tuple[str, T]], *, tells: bool = True) -> T:
        result = self._kept.update(step)
        if tells:
            self._tell()
        return result


def _load(text: str) -> tuple[AdditionState | None, str]:
    if not text:
        return None, ""
    data = json.loads(text)
    kept = data["state"]
    for name in ("steps", "unsure", "secrets", "missing"):
        kept[name] = tuple(kept[name])
    kept["rows"] = tuple(tuple(row) for row in kept["rows"])
    return AdditionState(**kept), data["wish"]


def _write(state: AdditionState, wish: str) -> str:
    return json.dumps({"state": asdict(state), "wish": wish}, ensure_ascii=False)


def _bury(state: AdditionState | None) -> AdditionState | None:
    """Return *state*; as failed, if its process has ended in the middle of it."""
    if state is None or not state.active or state.pid == os.getpid() or _lives(state.pid):
        return state
    left = "look whether the site stands in the settings file" if state.phase == "writing" else "nothing was written"
    return replace(state, phase="failed", view="", fault=f"the worker that did this has ended: {left}. Add it again")


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # it lives, as somebody else's
    return True
