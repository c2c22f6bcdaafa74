"""Processes that doorkey started: whether they run, how much memory they take, how they are killed."""

from __future__ import annotations

import os
import signal
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
"""Linux's process information. Elsewhere, only the existence of a process is known."""
PAGE = os.sysconf("SC_PAGE_SIZE")
"""Bytes of a page of memory, as the system counts."""


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

    def find_option(self, name: str) -> str:
        """Return the value of `--name=value` on the command line; empty if there is none, or if it is unknown."""
        try:
            words = (PROC / str(self.pid) / "cmdline").read_bytes().split(b"\0")
        except OSError:
            return ""
        begin = f"--{name}=".encode()
        return next((os.fsdecode(word.removeprefix(begin)) for word in words if word.startswith(begin)), "")

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

    def find_largest_page(self) -> tuple[int, float]:
        """Return the pid of the largest of Chromium's renderers, each of which holds a page, and the MiB of memory that
        it takes; 0 and 0 without any.
        """
        pages = [pid for pid in self.list_family() if _is_renderer(pid)]
        pid = max(pages, key=_read_resident, default=0)
        return pid, _read_resident(pid) / 1024 / 1024 if pid else 0.0


def _is_renderer(pid: int) -> bool:
    try:
        return b"--type=renderer" in (PROC / str(pid) / "cmdline").read_bytes()
    except OSError:
        return False


def _read_resident(pid: int) -> int:
    """Return the bytes of a process in memory, shared ones too: quick to read, unlike what `_read_pss` reads."""
    try:
        return int((PROC / str(pid) / "statm").read_text().split()[1]) * PAGE
    except (OSError, IndexError):
        return 0


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
