"""A Redis server out of Debian's packages, on a free loopback port, with its data in a temporary folder."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import platformdirs

sys.path.insert(0, str(Path(__file__).parent / "real"))
from software.packages import Packages
from software.packages import Unavailable as Unavailable
from software.process import free_port, server

OPTIONS = ("--bind", "127.0.0.1", "--appendonly", "yes", "--appendfsync", "always", "--daemonize", "no")


class RedisServer:
    """It can be killed and started again: what was written is there again, as each write is synced."""

    def __init__(self, root: Path, folder: Path, *options: str, tls: bool = False) -> None:
        self.folder, self.port, self.tls = folder, free_port(), tls
        libraries = os.pathsep.join(str(path) for path in root.glob("usr/lib/*-linux-*"))
        self.environment, self.program = {"LD_LIBRARY_PATH": libraries}, f"{root}/usr/bin/redis-server"
        port = ("--port", "0", "--tls-port", str(self.port)) if tls else ("--port", str(self.port))
        self._command = [self.program, *OPTIONS, *port, "--dir", str(folder), *options]
        self._running = ExitStack()
        self._process_id = 0

    @property
    def url(self) -> str:
        return f"{'rediss' if self.tls else 'redis'}://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        self._process_id = self._running.enter_context(
            server(self._command, self.port, self.folder, self.environment)
        ).pid

    def kill(self) -> None:
        self.signal(signal.SIGKILL)
        self._running.close()

    def signal(self, number: signal.Signals) -> None:
        os.kill(self._process_id, number)

    def close(self) -> None:
        self._running.close()


@contextmanager
def redis_server(folder: Path, *options: str, tls: bool = False) -> Iterator[RedisServer]:
    """A server that runs. Raises Unavailable where Debian's package can't be had."""
    packages = Packages(platformdirs.user_cache_path("doorkey") / "test-real", print)
    # The program lies in redis-tools; named, it is taken also where the system has it.
    made = RedisServer(packages.debian("redis", ("redis-server", "redis-tools"), ()), folder, *options, tls=tls)
    made.start()
    try:
        yield made
    finally:
        made.close()
