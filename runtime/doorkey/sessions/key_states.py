"""The states of all keys that this process knows."""

from __future__ import annotations

from collections.abc import Callable

from doorkey.model.session import Key
from doorkey.rate.limits import VisitLimit
from doorkey.sessions.key_state import KeyState
from doorkey.sessions.pause import Pause, PauseRule


class KeyStates(dict[Key, KeyState]):
    """The states by key. Of callers' own cookies, the oldest idle ones are forgotten when they are many."""

    def __init__(self, rule: PauseRule, limit_of: Callable[[Key], VisitLimit | None], most: int = 1000) -> None:
        super().__init__()
        self._rule = rule
        self._limit_of = limit_of
        self._most = most

    def __missing__(self, key: Key) -> KeyState:
        if key.caller:
            idle = [own for own, state in self.items() if own.caller and state.flight is None and not state.callers]
            for own in idle[: max(0, len(idle) - self._most + 1)]:
                del self[own]
        state = self[key] = KeyState(key, Pause(self._rule, self._limit_of(key)))
        return state
