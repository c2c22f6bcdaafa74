"""Our own temporary folder: one for each process, swept when its owner is gone."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from tempfile import mkdtemp

from doorkey.browser.process import Process

PREFIX = "run-"


def make(root: Path) -> Path:
    """A fresh folder under *root*, for this user only. Folders of processes that ended are removed first."""
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    for leftover in root.glob(PREFIX + "*"):
        if not _owner(leftover).alive:
            remove(leftover)
    me = Process.of(os.getpid())
    return Path(mkdtemp(prefix=f"{PREFIX}{me.pid}-{me.started or 0}-", dir=root))


def remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)


def _owner(folder: Path) -> Process:
    pid, _, rest = folder.name.removeprefix(PREFIX).partition("-")
    started = rest.partition("-")[0]
    return Process(int(pid) if pid.isdigit() else 0, "" if started == "0" else started)
