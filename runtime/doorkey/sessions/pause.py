"""The growing pause of one key: after visits that failed, and after fresh sessions that the site refused."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from doorkey.errors import BrowserFailed, ConfigurationError, DoorkeyError, SiteDown
from doorkey.model.session import Session
from doorkey.rate.limits import VisitLimit

NONE = -1
"""Stands for the generation of a visit that made no session."""


@dataclass(frozen=True, slots=True)
class PauseRule:
    """How pauses grow. `first` and `longest` are seconds; each pause is about twice the last one, up to the longest."""

    first: float = 1.0
    longest: float = 300.0
    uniform: Callable[[float, float], float] = random.uniform

    def length(self, failures: int) -> float:
        """Seconds of the pause after so many failures in a row, without jitter."""
        return min(self.longest, self.first * 2.0 ** min(failures - 1, 30))


@dataclass(slots=True)
class Pause:
    """`until` is the clock's `now`; `why` is the error of the last visit, None when none failed.

    `failures` counts failures in a row; only a session that is used ends them. `useless` holds the visits that led to
    no used session so far: when each began, and the generation that it made.
    """

    rule: PauseRule
    limit: VisitLimit | None = None
    until: float = 0.0
    why: DoorkeyError | None = None
    failures: int = 0
    useless: tuple[tuple[float, int], ...] = ()

    def grow(self, now: float) -> None:
        """Begin a pause: a longer one each time until a session is used."""
        self.failures += 1
        length = self.rule.length(self.failures)
        self.until = now + length * self.rule.uniform(0.5, 1.0)
        limit = self.limit
        if limit is not None:
            self.useless = tuple(visit for visit in self.useless if visit[0] >= now - limit.seconds)
            if len(self.useless) >= limit.visits:
                self.until = now + max(length, limit.seconds)

    def remember(self, error: DoorkeyError, now: float) -> None:
        """Begin a pause for *error*, at least as long as the error itself asks for."""
        self.why = error
        self.grow(now)
        if error.retry_after is not None:
            self.until = max(self.until, now + error.retry_after)

    def adopt(self, seconds: float, error: DoorkeyError, now: float) -> None:
        """Take over the pause of another process, whose visit ended in *error*."""
        self.until = now + seconds
        self.why = self.why or error

    def end(self) -> None:
        """End the pause. The number of failures stays: the next pause is longer all the same."""
        self.until, self.why = 0.0, None

    def count(self, began: float, made: Session | DoorkeyError) -> None:
        """Count a visit as useless until its session is used. One that never reached the site does not count."""
        away = isinstance(made, SiteDown) and not made.arrived
        if not (away or isinstance(made, ConfigurationError | BrowserFailed)):
            self.useless = (*self.useless, (began, made.gen if isinstance(made, Session) else NONE))

    def forgive(self, gen: int) -> None:
        """The session *gen* was used: the visit that made it was not useless."""
        self.useless = tuple(visit for visit in self.useless if visit[1] != gen)

    def forget(self) -> None:
        """A session newer than all used before was used: the next pause is the first again."""
        self.failures, self.until, self.why = 0, 0.0, None
