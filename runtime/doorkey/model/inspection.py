"""How a person wants to look at a browser's work: in a window, step by step, or in Playwright's recordings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

RecordingKind: TypeAlias = Literal["trace", "har", "video"]
PAUSED = 900.0
"""Seconds that a visit may take longer with a pause in it."""
SLOWED = 20
"""Actions of a visit, at most, that `slow` makes longer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """`headed`: a person looks at the windows, so that of a visit that failed stays open.

    `pause` stops a visit in Playwright's inspector when its page has loaded, and again when it has failed. `devtools`
    opens the developer tools with each window. Each action of a visit begins `slow` seconds later. `recordings` are
    made by Playwright of each page that is opened. They hold cookies, passwords and tokens.
    """

    headed: bool = False
    pause: bool = False
    devtools: bool = False
    slow: float = 0.0
    recordings: frozenset[RecordingKind] = frozenset()

    @property
    def longer(self) -> float:
        """Seconds that a visit may take longer because of it."""
        return (PAUSED if self.pause else 0.0) + SLOWED * self.slow


NONE = Inspection()
"""Nobody looks."""
