"""The growing pause of one key: after visits that failed, and after fresh sessions that the site refused."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from doorkey.errors import (
    Blocked,
    BrowserFailed,
    Changed,
    ConfigurationError,
    DoorkeyError,
    NeedsPerson,
    QuotaReached,
    RateLimited,
    SessionRefused,
    SiteDown,
    VisitFailed,
)
from doorkey.model.session import Session
from doorkey.rate.limits import VisitLimit

NONE = -1
"""Stands for the generation of a visit that made no session."""


@dataclass(frozen=True, slots=True)
class PauseRule:
    """How pauses grow. `first` and `longest` are seconds; each pause is about twice the last one, up to the longest.

    `away`: seconds during which a known site that takes no connections is visited again after the first pause each
    time, as it may be restarting.
    """

    first: float = 1.0
    longest: float = 300.0
    away: float = 10.0
    uniform: Callable[[float, float], float] = random.uniform

    def length(self, failures: int) -> float:
        """Seconds of the pause after so many failures in a row, without jitter."""
        return min(self.longest, self.first * 2.0 ** min(failures - 1, 30))


@dataclass(slots=True)
class Pause:
    """`until` is the clock's `now`; `why` is the error of the last visit, None when none failed. `since` is when that
    visit failed, None where another process made it.

    `failures` counts failures in a row; only a session that is used ends them. `useless` holds the visits that led to
    no used session so far: when each began, and the generation that it made.
    """

    rule: PauseRule
    limit: VisitLimit | None = None
    until: float = 0.0
    why: DoorkeyError | None = None
    since: float | None = None
    failures: int = 0
    useless: tuple[tuple[float, int], ...] = ()
    away_until: float = 0.0
    """Until when a site that takes no connections is waited for; 0 while it takes them."""

    def grow(self, now: float) -> None:
        """Begin a pause: a longer one each time until a session is used."""
        length = self.next_length(now)
        self.failures += 1
        # Where the site's limit on visits sets the length, it is kept to the second.
        ordinary = self.rule.length(self.failures)
        self.until = now + (length if length > ordinary else length * self.rule.uniform(0.5, 1.0))
        if self.limit is not None:
            self.useless = self._recent(self.limit, now)

    def next_length(self, now: float) -> float:
        """Seconds that the next pause lasts, without jitter."""
        length, limit = self.rule.length(self.failures + 1), self.limit
        if limit is not None and len(self._recent(limit, now)) >= limit.visits:
            return max(length, limit.seconds)
        return length

    def _recent(self, limit: VisitLimit, now: float) -> tuple[tuple[float, int], ...]:
        """The useless visits that count for the limit."""
        return tuple(visit for visit in self.useless if visit[0] >= now - limit.seconds)

    def remember(self, error: DoorkeyError, now: float, *, known: bool) -> None:
        """Begin a pause for *error*, at least as long as the error itself asks for. *known*: the site was entered
        before, so that its configured address is right.
        """
        self.why, self.since = error, now
        if not (isinstance(error, SiteDown) and error.away and (known or error.arrived)):
            self.away_until = 0.0
        elif not self.away_until or now > self.away_until + self.rule.longest:
            self.away_until = now + self.rule.away
        if now < self.away_until:
            self.until = now + self.rule.first * self.rule.uniform(0.5, 1.0)
            return
        self.grow(now)
        if error.retry_after is not None:
            self.until = max(self.until, now + error.retry_after)

    def adopt(self, seconds: float, error: DoorkeyError, now: float) -> None:
        """Take over the pause of another process, whose visit ended in *error*."""
        self.until = now + seconds
        if self.why is None:
            self.why, self.since = error, None

    def explain(self, site: str, now: float) -> DoorkeyError:
        """Return the error for a caller during the pause: what failed, when, and when the next try is.

        A failure of less than a second ago is the one that the caller waited for.
        """
        left = max(0.0, self.until - now)
        again = f"the next try is in {left:.0f} s, or at once by doorkey visit {site}"
        if self.why is None:
            return VisitFailed(f"{site}: new sessions are refused as well; {again}", site=site, retry_after=left)
        error = self.why.again(left)
        if self.since is not None and now - self.since < 1:
            error.message = f"{error.message} ({again})"
            return error
        since = "in another process" if self.since is None else f"{now - self.since:.0f} s ago"
        error.message = f"{error.message} (remembered: that was {since}; {again})"
        return error

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
        self.useless = tuple([visit for visit in self.useless if visit[1] != gen])

    def forget(self) -> None:
        """A session newer than all used before was used: the next pause is the first again."""
        self.failures, self.until, self.why, self.away_until = 0, 0.0, None, 0.0


def remembered(code: str, message: str, *, site: str) -> DoorkeyError:
    """The error of a visit that another process made: of its own class, where that decides what is done about it."""
    kinds = (Blocked, Changed, NeedsPerson, QuotaReached, RateLimited, SessionRefused)
    kind = next((kind for kind in kinds if kind.code == code), VisitFailed)
    return kind(message, site=site)
