"""A client that has left is found in the kernel's table of sockets."""

from __future__ import annotations

import asyncio
import socket
import sys
from threading import Event

import pytest

from doorkey.service.peer import Peers, read_table

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has the table")


class CountedTable:
    """The kernel's table; `readings` counts how often it was read. Each reading waits for `go`."""

    def __init__(self) -> None:
        self.readings = 0
        self.begun, self.go = Event(), Event()

    def read(self, version: int) -> str | None:
        self.readings += 1
        self.begun.set()
        assert self.go.wait(30)
        return read_table(version)


def connect(count: int) -> list[tuple[socket.socket, socket.socket]]:
    """So many pairs of sockets: a client's, and the service's."""
    with socket.create_server(("127.0.0.1", 0), backlog=count) as server:
        return [(socket.create_connection(server.getsockname()), server.accept()[0]) for _ in range(count)]


async def test_clients_that_leave_at_once_are_looked_up_together() -> None:
    table, pairs = CountedTable(), connect(50)
    peers = Peers(table.read)
    first = asyncio.create_task(peers.has_closed(pairs[0][1], None))
    await asyncio.to_thread(table.begun.wait, 30)
    for client, _ in pairs[::2]:
        client.shutdown(socket.SHUT_WR)  # leaves the socket's inode
    for client, _ in pairs[1::2]:
        client.close()
    others = [asyncio.create_task(peers.has_closed(service, None)) for _, service in pairs[1:]]
    await asyncio.sleep(0)
    table.go.set()
    assert not await first
    assert await asyncio.gather(*others) == [number % 2 == 1 for number in range(1, 50)]
    assert table.readings == 2
    for pair in pairs:
        for end in pair:
            end.close()


async def test_who_is_ended_while_the_table_is_read_stops_no_other() -> None:
    table, [(client, service)] = CountedTable(), connect(1)
    peers = Peers(table.read)
    ended = asyncio.create_task(peers.has_closed(service, None))
    await asyncio.to_thread(table.begun.wait, 30)
    other = asyncio.create_task(peers.has_closed(service, None))
    client.close()
    ended.cancel()
    table.go.set()
    assert await other
    service.close()
