"""Processes that we started: whether they live, what they weigh, their end."""

from __future__ import annotations

import os
import signal
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Process:
    """A process by its number and, where the system tells it, its time of start: numbers are used again."""

    pid: int
    started: str = ""

    @classmethod
    def of(cls, pid: int) -> Process:
        return cls(pid, _stat(pid)[1])

    @property
    def alive(self) -> bool:
        if PROC.is_dir():
            state, started, _ = _stat(self.pid)
            return state not in ("", "Z", "X") and started == self.started
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        return True

    @property
    def parent(self) -> int:
        """The parent's pid, 0 when it can't be told."""
        return _stat(self.pid)[2]

    def kill(self) -> None:
        """End it at once, and its descendants; nothing when it is gone."""
        if not self.alive:
            return
        for pid in reversed(self.family()):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue

    def family(self) -> list[int]:
        """The pids of this process and its descendants."""
        children: defaultdict[int, list[int]] = defaultdict(list)
        if PROC.is_dir():
            for entry in PROC.iterdir():
                if entry.name.isdigit():
                    children[_stat(int(entry.name))[2]].append(int(entry.name))
        found = [self.pid]
        for pid in found:
            found.extend(children.get(pid, ()))
        return found

    def memory(self) -> float:
        """MiB that it and its descendants take, shared pages divided among their users (PSS); 0 where not told."""
        return sum(_pss(pid) for pid in self.family()) / 1024 if self.alive else 0.0


def _stat(pid: int) -> tuple[str, str, int]:
    """State, time of start, parent (proc(5)); empty for a process that is gone."""
    try:
        text = (PROC / str(pid) / "stat").read_text(errors="replace")
    except OSError:
        return "", "", 0
    values = text.rpartition(")")[2].split()
    return values[0], values[19], int(values[1])


def _pss(pid: int) -> int:
    try:
        text = (PROC / str(pid) / "smaps_rollup").read_text()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:")), 0)
