"""A worker's end of the socket to the supervisor: connections come in by it, and it is told which have ended."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from doorkey.service.listening import HANDSHAKE, Listen

READY, CLOSED = b"r", b"c"
"""What a worker tells the supervisor: it takes connections; one has ended."""
CONNECTION = b"+"
"""What the supervisor sends with each connection."""
AT_A_TIME = 64
"""Connections that are taken before other work gets its turn."""


class Channel:
    """*end* is the worker's end of the socket; *base* is the URL of the service, which the supervisor listens for."""

    def __init__(self, end: socket.socket, base: str) -> None:
        end.setblocking(False)
        self.base = base
        self._end = end
        self._untold = b""
        self._connect: Callable[[], asyncio.Protocol] | None = None
        self._tls: ssl.SSLContext | None = None
        self._beginning: set[asyncio.Task[None]] = set()

    def tell_ready(self) -> None:
        """Tell the supervisor that this worker takes connections."""
        self._tell(READY)

    def tell_closed(self) -> None:
        """Tell the supervisor that a connection of this worker has ended."""
        self._tell(CLOSED)

    def open(self, connect: Callable[[], asyncio.Protocol], tls: ssl.SSLContext | None) -> None:
        """Take connections from now on, each with a protocol that *connect* makes."""
        self._connect, self._tls = connect, tls
        asyncio.get_running_loop().add_reader(self._end, self._take)

    def close(self) -> None:
        """Take those that the supervisor has passed on already, and no more."""
        self._take()
        self._connect = None

    def _tell(self, word: bytes) -> None:
        self._untold += word
        try:
            self._untold = self._untold[self._end.send(self._untold) :]
        except BlockingIOError:
            return  # told with the next one
        except OSError:
            self._untold = b""  # the supervisor is gone, which `_take` finds

    def _take(self) -> None:
        for _ in range(AT_A_TIME):
            try:
                word, descriptors, _, _ = socket.recv_fds(self._end, 1, 1)
            except BlockingIOError:
                return
            except OSError:
                word, descriptors = b"", []
            if not word:
                self._end_with_supervisor()
                return
            if not descriptors:
                self.tell_closed()  # this process has no file descriptor left for it
            for descriptor in descriptors:
                os.set_inheritable(descriptor, False)
                self._begin(socket.socket(fileno=descriptor))

    def _end_with_supervisor(self) -> None:
        """End this worker as on SIGTERM: its supervisor was killed, and nobody else would end it."""
        asyncio.get_running_loop().remove_reader(self._end)
        os.kill(os.getpid(), signal.SIGTERM)

    def _begin(self, connection: socket.socket) -> None:
        if self._connect is None:
            connection.close()
            self.tell_closed()
            return
        task = asyncio.get_running_loop().create_task(self._accept(connection, self._connect))
        self._beginning.add(task)
        task.add_done_callback(self._beginning.discard)

    async def _accept(self, connection: socket.socket, connect: Callable[[], asyncio.Protocol]) -> None:
        limit = None if self._tls is None else HANDSHAKE
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                connect, connection, ssl=self._tls, ssl_handshake_timeout=limit
            )
        except OSError:  # the client left, or its TLS handshake failed: the protocol never began
            connection.close()
            self.tell_closed()


@asynccontextmanager
async def listen_on_channel(channel: Channel, tls: ssl.SSLContext | None) -> AsyncIterator[Listen]:
    """Take the connections that the supervisor accepts."""

    async def listen(connect: Callable[[], asyncio.Protocol]) -> tuple[Channel, str]:
        channel.open(connect, tls)
        return channel, channel.base

    yield listen
