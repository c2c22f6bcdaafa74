"""Tells a challenge at which the browser works from one that is stuck."""

from __future__ import annotations

from doorkey.browser.visit.facts_reader import FactsReader
from doorkey.browser.visit.network_log import NetworkLog
from doorkey.clock import Clock
from doorkey.protections.signs import Facts

RETRY = 2.0
UNANSWERED = 8.0
MOVING = 5.0
"""Seconds: without a change after a check that failed, and without another answer after it, before the page is loaded
once more; since the last change, for a challenge at which the browser is still at work."""
QUIET = 2 / 3
"""The part of the whole limit without any change after which the page is loaded once more."""


class Progress:
    """What happened in a page since a moment: its document changed, or the site answered its scripts."""

    def __init__(self, clock: Clock, network_log: NetworkLog, reader: FactsReader) -> None:
        self._clock, self._network_log, self._reader = clock, network_log, reader
        self._answers = network_log.answers
        self._seen: tuple[float, int] | None = None
        self._since = self._answered = clock.now()
        self._moved = False

    def note(self, facts: Facts) -> None:
        """Take note of the page as it is now."""
        seen = facts.born, facts.state
        answers = self._network_log.answers
        if answers != self._answers:
            self._answered = self._clock.now()
        if (self._seen is not None and seen != self._seen) or answers != self._answers:
            self._since, self._moved = self._clock.now(), True
        self._seen, self._answers = seen, answers

    @property
    def is_moving(self) -> bool:
        """Whether something has changed lately."""
        return self._moved and self._quiet < (RETRY if self._reader.failed else MOVING)

    def is_stuck(self, limit: float) -> bool:
        """Whether nothing has changed for so long that nothing will. *limit* is that of the whole challenge."""
        if self._reader.failed:
            return self._quiet >= RETRY or self._clock.now() - self._answered >= UNANSWERED
        return self._quiet >= limit * QUIET

    def describe(self) -> str:
        """Say why it is stuck."""
        what = "the site refused its check" if self._reader.failed else "nothing changes"
        return f"{what} (for {self._quiet:.0f} s)"

    @property
    def _quiet(self) -> float:
        return self._clock.now() - self._since
