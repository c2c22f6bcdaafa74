"""Tells a client that closed only its sending side from one that has left."""

from __future__ import annotations

import asyncio
import ipaddress
import select
import socket
import struct
import sys
from pathlib import Path
from typing import Protocol

from aiohttp import web

TABLES = {4: Path("/proc/net/tcp"), 6: Path("/proc/net/tcp6")}
"""Linux's table of TCP sockets: `sl local remote state tx:rx tr:when retrnsmt uid timeout inode …` (proc(5))."""
INODE = 9


class Socket(Protocol):
    @property
    def family(self) -> int: ...

    def fileno(self) -> int: ...

    def getsockname(self) -> tuple[str, int]: ...

    def getpeername(self) -> tuple[str, int]: ...


async def has_closed(connection: Socket | None, request: web.BaseRequest | None) -> bool:
    """Return whether the client at the other end of *connection*, which sends no more, has closed its socket as well.

    Both look the same on the wire. A client on this machine is looked up in the kernel's table: a socket that no
    process holds has no inode there. Of others, one that asked for the connection's end with the answer is waiting.
    """
    if connection is None:
        return True
    if connection.family == socket.AF_UNIX:
        watch = select.poll()
        watch.register(connection.fileno(), 0)
        return bool(watch.poll(0))  # POLLHUP: both directions are closed
    try:
        peer, own = connection.getpeername()[:2], connection.getsockname()[:2]
    except OSError:
        return True
    address = ipaddress.ip_address(peer[0].partition("%")[0])
    if sys.platform == "linux" and (address.is_loopback or peer[0] == own[0]):
        held = await asyncio.to_thread(_is_held, _entry(peer), _entry(own), address.version)
        if held is not None:
            return not held
    return request is not None and bool(request.keep_alive)


def _is_held(local: str, remote: str, version: int) -> bool | None:
    """Return whether a process holds the socket from *local* to *remote*. None: the table can't be read."""
    try:
        lines = TABLES[version].read_text("ascii").splitlines()
    except OSError:
        return None
    for line in lines:
        fields = line.split()
        if fields[1:3] == [local, remote]:
            return fields[INODE] != "0"
    return False


def _entry(address: tuple[str, int]) -> str:
    """Return an address as the table writes it: words of 32 bits in the machine's own order, in hexadecimal."""
    packed = ipaddress.ip_address(address[0].partition("%")[0]).packed
    words = struct.unpack(f"={len(packed) // 4}I", packed)
    return "".join(f"{word:08X}" for word in words) + f":{address[1]:04X}"
