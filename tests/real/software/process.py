"""A server as a process of its own: started, waited for, ended by its id."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

START = 30.0
END = 5.0
"""Seconds until it has to listen, and until it has to have ended."""


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@contextmanager
def server(
    command: Sequence[str], port: int, folder: Path, environment: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Run *command* in *folder* while it is needed; what it says goes to server.log there."""
    passed = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ}
    with (folder / "server.log").open("ab") as log:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env={**passed, "HOME": str(folder), **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        _await(process, port, folder)
        yield process
    finally:
        _end(process)


def _await(process: subprocess.Popen[bytes], port: int, folder: Path) -> None:
    end = time.monotonic() + START
    while True:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1):
                return
        except OSError as exc:
            if process.poll() is not None or time.monotonic() > end:
                said = (folder / "server.log").read_text(errors="replace")[-2000:]
                raise RuntimeError(f"{process.args!r} does not listen on port {port}; it said:\n{said}") from exc
            time.sleep(0.05)


def _end(process: subprocess.Popen[bytes]) -> None:
    # A session of its own: php -S has workers beside it.
    group = process.pid
    for sent, limit in ((signal.SIGTERM, END), (signal.SIGKILL, END)):
        try:
            os.killpg(group, sent)
            process.wait(limit)
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue
