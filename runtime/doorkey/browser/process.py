"""Processes that doorkey started: whether they run, how much memory they take, how they are killed."""

from __future__ import annotations

import os
import signal
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
"""Linux's process information. Elsewhere, only the existence of a process is known."""


@dataclass(frozen=True, slots=True)
class Process:
    """A process, identified by its pid and, on Linux, its start time, because pids are reused."""

    pid: int
    started: str = ""

    @classmethod
    def of(cls, pid: int) -> Process:
        return cls(pid, _read_stat(pid)[1])

    @property
    def alive(self) -> bool:
        if PROC.is_dir():
            state, started, _ = _read_stat(self.pid)
            return state not in ("", "Z", "X") and started == self.started
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        return True

    @property
    def parent(self) -> int:
        """The parent's pid, or 0 if it is unknown."""
        return _read_stat(self.pid)[2]

    def kill(self) -> None:
        """Kill the process and its descendants. Do nothing if it has ended."""
        if not self.alive:
            return
        for pid in reversed(self.list_family()):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue

    def list_family(self) -> list[int]:
        """Return the pids of this process and its descendants."""
        children: defaultdict[int, list[int]] = defaultdict(list)
        if PROC.is_dir():
            for entry in PROC.iterdir():
                if entry.name.isdigit():
                    children[_read_stat(int(entry.name))[2]].append(int(entry.name))
        found = [self.pid]
        for pid in found:
            found.extend(children.get(pid, ()))
        return found

    def measure_memory(self) -> float:
        """Return the memory in MiB that the process and its descendants take, 0 if it is unknown.

        Shared pages count in proportion to the processes that use them (PSS).
        """
        return sum(_read_pss(pid) for pid in self.list_family()) / 1024 if self.alive else 0.0


def _read_stat(pid: int) -> tuple[str, str, int]:
    """Return state, start time and parent pid (proc(5)). They are empty for a process that has ended."""
    try:
        text = (PROC / str(pid) / "stat").read_text(errors="replace")
    except OSError:
        return "", "", 0
    values = text.rpartition(")")[2].split()
    return values[0], values[19], int(values[1])


def _read_pss(pid: int) -> int:
    try:
        text = (PROC / str(pid) / "smaps_rollup").read_text()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:")), 0)
