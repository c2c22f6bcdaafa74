"""The growing pause after visits that failed, or that brought sessions which were refused as well."""

from __future__ import annotations

import logging
from collections.abc import Callable

from doorkey.clock import Clock
from doorkey.errors import DoorkeyError
from doorkey.sessions.manners import Paces
from doorkey.sessions.record import Record

log = logging.getLogger("doorkey.keeper")


class Pauses:
    """`first` and `longest` are seconds; each pause is about twice the last, up to the longest."""

    def __init__(
        self, paces: Paces, clock: Clock, *, first: float, longest: float, uniform: Callable[[float, float], float]
    ) -> None:
        self._paces = paces
        self._clock = clock
        self._first = first
        self._longest = longest
        self._uniform = uniform

    def remember(self, rec: Record, error: DoorkeyError) -> float:
        """A visit ended in *error*: begin a pause; returns its seconds."""
        rec.why = error
        self.penalty(rec)
        if error.retry_after is not None:
            rec.next_ok = max(rec.next_ok, self._clock.now() + error.retry_after)
        after = rec.next_ok - self._clock.now()
        log.warning("%s: visit failed, next in %.1f s: %s", rec.key.site, after, error.message)
        return after

    def penalty(self, rec: Record) -> None:
        """Begin a pause, a longer one each time until a session works."""
        rec.fails += 1
        pause = min(self._longest, self._first * 2.0 ** min(rec.fails - 1, 30))
        now, manners = self._clock.now(), self._paces.manners(rec.key)
        rec.next_ok = now + pause * self._uniform(0.5, 1.0)
        if manners is not None and rec.useless_since(now - manners.pause) >= manners.visits:
            rec.next_ok = now + max(pause, manners.pause)
