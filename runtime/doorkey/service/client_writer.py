"""Whoever reads an answer that comes in pieces, as long as they are read."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from aiohttp import web

UNREAD = 60.0
"""Seconds a client may leave a piece unread before its answer, and the site's, is given up."""


@dataclass(frozen=True, slots=True)
class ClientWriter:
    """The client of *request*; it may leave a piece unread for *limit* seconds.

    Raises ConnectionResetError when it has left or reads no more: then its connection is ended, too.
    """

    request: web.Request
    limit: float

    async def give(self, response: web.StreamResponse, piece: bytes) -> None:
        try:
            async with asyncio.timeout(self.limit):
                await response.write(piece)
        except TimeoutError:
            raise self._given_up() from None

    async def end(self, response: web.StreamResponse) -> None:
        try:
            async with asyncio.timeout(self.limit):
                await response.write_eof()
        except TimeoutError:
            raise self._given_up() from None

    def _given_up(self) -> ConnectionResetError:
        if self.request.transport is not None:
            self.request.transport.abort()
        return ConnectionResetError("the client reads no more")
