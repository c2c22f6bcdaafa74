"""The visits of one process that wait for a person, and the live view of each."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from doorkey.clock import Clock

if TYPE_CHECKING:
    from doorkey.browser.live_view.live_view import LiveView

PATIENCE = 900.0
"""Seconds that a person has to finish a visit."""


@dataclass(frozen=True, slots=True)
class Handover:
    """A visit that waits for a person. `id` is hard to guess, `asked` a wall time, `until` the clock's `now`."""

    id: str = field(repr=False)
    site: str
    why: str
    asked: float
    until: float
    view: LiveView = field(repr=False)


class Handovers:
    """The queue. At most *most* visits are in it at a time; a visit that finds it full fails as it would without.

    With `offered`, each visit that needs a person asks for one; without, only those that are begun by a person are in
    it. Each of `on_change` is called whenever one comes or goes.
    """

    def __init__(self, clock: Clock, *, most: int = 1, patience: float = PATIENCE) -> None:
        self._clock, self._most, self.patience = clock, most, patience
        self.offered = False
        self._open: dict[str, Handover] = {}
        self.on_change: list[Callable[[], object]] = []

    @property
    def full(self) -> bool:
        return len(self._open) >= self._most

    def list(self) -> tuple[Handover, ...]:
        """Return all, the oldest first."""
        return tuple(self._open.values())

    def find(self, id_: str) -> Handover | None:
        return self._open.get(id_)

    @contextmanager
    def offer(self, view: LiveView) -> Iterator[Handover]:
        """Let people into *view* until the end of the `with`."""
        handover = Handover(
            secrets.token_urlsafe(16), view.site, view.why, self._clock.wall(), self._clock.now() + self.patience, view
        )
        self._open[handover.id] = handover
        self._tell()
        try:
            with view.open():
                yield handover
        finally:
            del self._open[handover.id]
            self._tell()

    def _tell(self) -> None:
        for call in self.on_change:
            call()
