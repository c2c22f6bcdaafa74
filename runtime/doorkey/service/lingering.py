"""A connection's last answer, and what its client still sends after it."""

from __future__ import annotations

import asyncio
from typing import Protocol

from aiohttp import web

from doorkey.model.request import MiB
from doorkey.service.failure import Failure
from doorkey.service.middleware import new_id

LINGER = 2.0
"""Seconds in which a client that is still sending is read from, after an error that ends its connection: a closed
socket with unread bytes is reset, and takes the answer with it (RFC 9112, section 9.6)."""
LINGER_BYTES = MiB


class Lingering:
    """Takes and drops what a client still sends after its connection's last answer."""

    def __init__(self) -> None:
        self._taken = 0
        self._ended = asyncio.get_running_loop().create_future()

    def take(self, data: bytes) -> None:
        self._taken += len(data)
        if self._taken > LINGER_BYTES:
            self.end()

    def end(self) -> None:
        if not self._ended.done():
            self._ended.set_result(None)

    async def wait(self) -> None:
        await asyncio.wait([self._ended], timeout=LINGER)


class Ending(Protocol):
    def linger(self) -> Lingering:
        """Stop reading requests, close the sending side, and take what the client still sends."""


class ErrorResponse(web.Response):
    """The last answer of a connection whose client may still be sending."""

    def __init__(self, connection: Ending, failure: Failure) -> None:
        super().__init__(
            status=failure.status,
            body=failure.body(),
            content_type="application/json",
            headers={**failure.headers, "x-request-id": new_id()},
        )
        self.force_close()
        self._connection = connection

    async def write_eof(self, data: bytes = b"") -> None:
        await super().write_eof(data)
        await self._connection.linger().wait()
