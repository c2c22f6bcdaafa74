"""How many requests each worker has under way: numbers in memory that all workers read."""

from __future__ import annotations

import mmap

CELL = 8


class SharedLoad:
    """Two numbers for each worker: its requests under way, and those among them that wait for their turn."""

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self._cells = memoryview(mmap.mmap(-1, 2 * workers * CELL)).cast("q")

    def write(self, worker: int, under_way: int, waiting: int) -> None:
        self._cells[worker] = under_way
        self._cells[self.workers + worker] = waiting

    @property
    def under_way(self) -> int:
        """The requests of all workers that are under way."""
        return self._cells[0] if self.workers == 1 else sum(self._cells[: self.workers])

    @property
    def waiting(self) -> int:
        """Those among them that wait."""
        return self._cells[1] if self.workers == 1 else sum(self._cells[self.workers :])
