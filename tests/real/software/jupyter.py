"""JupyterLab on Jupyter Server, from PyPI: a password login, an `_xsrf` cookie beside a header, files as its data."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from software.application import PASSWORD, Application, Write, counted
from software.packages import Packages
from software.process import free_port, server

CONFIG = Path(__file__).with_name("jupyter_config.py")


@contextmanager
def jupyter(packages: Packages, folder: Path) -> Iterator[Application]:
    python, port = str(packages.python("jupyter", ["jupyterlab>=4.2"])), free_port()
    (folder / "files").mkdir()
    # Its events are its own record of what was written.
    events = folder / "events.jsonl"
    command = [python, "-m", "jupyterlab", f"--config={CONFIG}", f"--ServerApp.port={port}", "--allow-root"]
    command += [f"--ServerApp.root_dir={folder / 'files'}"]
    environment = {
        "PASSWORD": PASSWORD,
        "EVENTS": str(events),
        "ROTATIONS": str(folder / "rotations"),
        "PYTHONPATH": str(CONFIG.parent),
    }
    with server(command, port, folder, environment) as process:
        yield Application(
            name="jupyter",
            url=f"http://127.0.0.1:{port}/lab",
            write=_put,
            writes=lambda mark: _saved(events, mark),
            kill_sessions=lambda: _rotate(process.pid, folder / "rotations"),
            refusals={"validation": _garbled()},
            environment={"JUPYTER_PASSWORD": PASSWORD},
        )


def _put(mark: str) -> Write:
    content = {"type": "file", "format": "text", "content": mark}
    return Write("PUT", f"/api/contents/{mark}.txt", json=content, accepted=lambda status, body: status in (200, 201))


def _garbled() -> Write:
    content = {"type": "file", "format": "json", "content": "x"}
    return Write("PUT", "/api/contents/garbled.txt", json=content, accepted=lambda status, body: status == 400)


def _saved(events: Path, mark: str) -> dict[str, int]:
    lines = events.read_text().splitlines() if events.exists() else []
    saved = (event["path"] for event in map(json.loads, lines) if event.get("action") == "save")
    names = (path.strip("/").removesuffix(".txt") for path in saved)
    return counted(name for name in names if name.startswith(mark))


def _rotate(pid: int, rotations: Path) -> None:
    """The secret that login cookies are signed by is another one."""
    before = rotations.stat().st_size if rotations.exists() else 0
    os.kill(pid, signal.SIGUSR1)
    end = time.monotonic() + 10
    while not rotations.exists() or rotations.stat().st_size == before:
        assert time.monotonic() < end, "Jupyter Server did not rotate its secret"
        time.sleep(0.01)
