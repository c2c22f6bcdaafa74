"""Tells a client that closed only its sending side from one that has left."""

from __future__ import annotations

import asyncio
import ipaddress
import select
import socket
import struct
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Protocol, TypeAlias

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


Pair: TypeAlias = tuple[str, str]
"""A socket's own address and its peer's, as the table writes them."""


def read_table(version: int) -> str | None:
    """Return the table of that IP *version*; None if it can't be read."""
    try:
        return TABLES[version].read_text("ascii")
    except OSError:
        return None


class Peers:
    """The other ends of a service's connections.

    A table tells of every socket of the machine. One reading answers all who asked before it began: if each read it
    for itself, a thousand clients that leave at once would keep a core busy for half a minute.
    """

    def __init__(self, read: Callable[[int], str | None] = read_table) -> None:
        self._tables = {version: _Table(partial(read, version)) for version in TABLES}

    async def has_closed(self, connection: Socket | None, request: web.BaseRequest | None) -> bool:
        """Return whether the client at the other end of *connection*, which sends no more, has closed its socket too.

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
            held = await self._tables[address.version].is_held((_entry(peer), _entry(own)))
            if held is not None:
                return not held
        return request is not None and bool(request.keep_alive)


class _Table:
    def __init__(self, read: Callable[[], str | None]) -> None:
        self._read = read
        self._reading = asyncio.Lock()
        self._begun = 0
        self._wanted: set[Pair] = set()
        self._found: tuple[int, frozenset[Pair] | None] = (0, frozenset())
        """The number of the last reading that ended, and the wanted sockets that a process holds."""

    async def is_held(self, pair: Pair) -> bool | None:
        """Return whether a process holds the socket *pair* after the call began. None: the table can't be read."""
        asked = self._begun
        self._wanted.add(pair)
        try:
            async with self._reading:
                if self._found[0] <= asked:
                    self._begun += 1
                    wanted = frozenset(self._wanted)
                    self._found = self._begun, await asyncio.to_thread(_find_held, self._read, wanted)
                held = self._found[1]
        finally:
            self._wanted.discard(pair)
        return None if held is None else pair in held


def _find_held(read: Callable[[], str | None], wanted: frozenset[Pair]) -> frozenset[Pair] | None:
    """Return those of *wanted* that a process holds."""
    table = read()
    if table is None:
        return None
    lines = (line.split() for line in table.splitlines())
    return frozenset(
        (fields[1], fields[2]) for fields in lines if (fields[1], fields[2]) in wanted and fields[INODE] != "0"
    )


def _entry(address: tuple[str, int]) -> str:
    """Return an address as the table writes it: words of 32 bits in the machine's own order, in hexadecimal."""
    packed = ipaddress.ip_address(address[0].partition("%")[0]).packed
    words = struct.unpack(f"={len(packed) // 4}I", packed)
    return "".join(f"{word:08X}" for word in words) + f":{address[1]:04X}"
