"""Hosts of their own on one machine: network namespaces of Linux, each with an address and a way to the hub."""

from __future__ import annotations

import ctypes
import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

HUB = "10.213.0.1"
"""The hub's address, which no other host of the machine can reach."""


class NoHosts(Exception):
    """This machine does not let us make network namespaces."""


@dataclass(frozen=True)
class Hosts:
    """The names of the namespaces. Servers run in the `hub`."""

    hub: str
    others: tuple[str, ...]

    def command(self, host: str) -> tuple[str, ...]:
        """What a command begins with that runs on *host*."""
        return ("ip", "netns", "exec", host)

    def listen(self, address: str, port: int, family: socket.AddressFamily) -> socket.socket:
        """A socket that listens in the hub, for this process."""
        made: list[socket.socket] = []

        def make() -> None:
            # A namespace is a thread's own: this one ends with it.
            with Path(f"/run/netns/{self.hub}").open() as namespace:
                if ctypes.CDLL(None, use_errno=True).setns(namespace.fileno(), 0) != 0:
                    raise OSError(ctypes.get_errno(), "setns")
            listening = socket.socket(family, socket.SOCK_STREAM)
            listening.bind((address, port))
            made.append(listening)

        thread = threading.Thread(target=make)
        thread.start()
        thread.join()
        return made[0]


@contextmanager
def make_hosts(count: int) -> Iterator[Hosts]:
    """A hub and so many hosts. Raises NoHosts where they can't be made."""
    if shutil.which("ip") is None:
        raise NoHosts("the command `ip` is missing (Debian's iproute2)")
    hub, others = f"dk-{os.getpid()}-hub", tuple(f"dk-{os.getpid()}-{number}" for number in range(1, count + 1))
    with ExitStack() as made:
        for name in (hub, *others):
            _ip("netns", "add", name)
            made.callback(subprocess.run, ["ip", "netns", "del", name], check=False)
            _ip("-n", name, "link", "set", "lo", "up")
        _ip("-n", hub, "address", "add", f"{HUB}/32", "dev", "lo")
        for number, name in enumerate(others, 1):
            near, far = f"10.213.{number}.1", f"10.213.{number}.2"
            _ip("-n", hub, "link", "add", f"way{number}", "type", "veth", "peer", "name", "way", "netns", name)
            _ip("-n", hub, "address", "add", f"{near}/24", "dev", f"way{number}")
            _ip("-n", hub, "link", "set", f"way{number}", "up")
            _ip("-n", name, "address", "add", f"{far}/24", "dev", "way")
            _ip("-n", name, "link", "set", "way", "up")
            _ip("-n", name, "route", "add", "default", "via", near)
        yield Hosts(hub, others)


def _ip(*words: str) -> None:
    done = subprocess.run(["ip", *words], check=False, capture_output=True, text=True)
    if done.returncode:
        raise NoHosts(f"ip {' '.join(words)}: {done.stderr.strip()}")
