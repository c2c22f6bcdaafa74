"""Writes an answer to a client in pieces, and gives up a client that stops reading."""

from __future__ import annotations

import asyncio
import socket
import struct
from dataclasses import dataclass

from aiohttp import web

UNREAD = 60.0
"""Seconds a client may leave a piece unread. After that its answer, and the site's, is given up."""
FITS = 16 * 1024
"""The most bytes that an empty write buffer takes without waiting: asyncio stops a writer at 64 KiB."""
RESET = struct.pack("ii", 1, 0)
"""The value of SO_LINGER that makes closing a socket reset its connection."""


@dataclass(frozen=True, slots=True)
class ClientWriter:
    """The client of *request*, which may leave a piece unread for *limit* seconds.

    Its methods raise ConnectionResetError when the client has left or stopped reading, and then end its connection.
    """

    request: web.Request
    limit: float

    async def write(self, response: web.StreamResponse, piece: bytes) -> None:
        transport = self.request.transport
        if transport is not None and len(piece) <= FITS and not transport.get_write_buffer_size():
            await response.write(piece)  # it can't wait, and a limit costs as much as the write itself
            return
        try:
            async with asyncio.timeout(self.limit):
                await response.write(piece)
        except TimeoutError:
            raise self._give_up() from None

    async def end(self, response: web.StreamResponse, piece: bytes = b"") -> None:
        """End *response* with its last *piece*."""
        try:
            async with asyncio.timeout(self.limit):
                await response.write_eof(piece)
        except TimeoutError:
            raise self._give_up() from None

    def _give_up(self) -> ConnectionResetError:
        if self.request.transport is not None:
            self.request.transport.abort()
        return ConnectionResetError("the client stopped reading")


def cut(request: web.Request) -> None:
    """Break the client's connection off, so that an answer which is not complete can't look complete.

    An answer of HTTP/1.0, or one without a length, ends with its connection. Only a reset tells that it was cut.
    """
    transport = request.transport
    if transport is None:
        return
    connection = transport.get_extra_info("socket")
    if connection is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    transport.abort()
