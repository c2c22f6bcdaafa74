"""How many requests each worker has under way: numbers in memory that all workers read."""

from __future__ import annotations

import mmap

CELL = 8


class SharedLoad:
    """Two numbers for each worker: its requests `under_way`, and those among them that are `waiting` for their turn.

    Each worker writes its own.
    """

    def __init__(self, workers: int) -> None:
        cells = memoryview(mmap.mmap(-1, 2 * workers * CELL)).cast("q")
        self.under_way, self.waiting = cells[:workers], cells[workers:]
