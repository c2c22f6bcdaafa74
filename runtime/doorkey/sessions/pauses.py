"""The growing pause after visits that failed, or that brought sessions which were refused as well."""

from __future__ import annotations

import logging
from collections.abc import Callable

from doorkey.clock import Clock
from doorkey.errors import DoorkeyError
from doorkey.rate.limits import RateLimiters
from doorkey.sessions.key_state import KeyState

log = logging.getLogger("doorkey.keeper")


class Pauses:
    """`first` and `longest` are seconds; each pause is about twice the last, up to the longest."""

    def __init__(
        self,
        limiters: RateLimiters,
        clock: Clock,
        *,
        first: float,
        longest: float,
        uniform: Callable[[float, float], float],
    ) -> None:
        self._limiters = limiters
        self._clock = clock
        self._first = first
        self._longest = longest
        self._uniform = uniform

    def remember(self, state: KeyState, error: DoorkeyError) -> float:
        """A visit ended in *error*: begin a pause; returns its seconds."""
        state.why = error
        self.penalty(state)
        if error.retry_after is not None:
            state.next_ok = max(state.next_ok, self._clock.now() + error.retry_after)
        after = state.next_ok - self._clock.now()
        log.warning("%s: visit failed, next in %.1f s: %s", state.key.site, after, error.message)
        return after

    def penalty(self, state: KeyState) -> None:
        """Begin a pause, a longer one each time until a session works."""
        state.fails += 1
        pause = min(self._longest, self._first * 2.0 ** min(state.fails - 1, 30))
        now, manners = self._clock.now(), self._limiters.manners(state.key)
        state.next_ok = now + pause * self._uniform(0.5, 1.0)
        if manners is not None and state.useless_since(now - manners.pause) >= manners.visits:
            state.next_ok = now + max(pause, manners.pause)
