"""Bytes to the service and back, as a socket carries them."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import aiohttp


@dataclass(frozen=True)
class Raw:
    """An answer as it came. `reset`: the connection was reset, and not closed in order."""

    data: bytes
    reset: bool = False

    @property
    def status(self) -> int:
        return int(self.data.split(b" ", 2)[1])

    @property
    def head(self) -> bytes:
        return self.data.partition(b"\r\n\r\n")[0]

    @property
    def body(self) -> bytes:
        return self.data.partition(b"\r\n\r\n")[2]

    def header(self, name: str) -> bytes | None:
        for line in self.head.split(b"\r\n")[1:]:
            key, _, value = line.partition(b":")
            if key.strip().lower() == name.lower().encode():
                return value.strip()
        return None

    def error(self) -> dict[str, Any]:
        error: dict[str, Any] = json.loads(self.body)["error"]
        return error


async def read_text(response: aiohttp.ClientResponse) -> tuple[str, bool]:
    """The text of a streamed answer, and whether it came to its end."""
    data = bytearray()
    try:
        async for piece in response.content.iter_any():
            data += piece
    except aiohttp.ClientPayloadError:
        return data.decode(), False
    return data.decode(), True


async def exchange(base: str, *pieces: bytes, half: bool = False, limit: float = 15) -> Raw:
    """Send *pieces*, close the sending side if *half*, and return all that comes until the connection ends."""
    parts = urlsplit(base)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    data, reset = bytearray(), False
    try:
        async with asyncio.timeout(limit):
            try:
                for piece in pieces:
                    writer.write(piece)
                    await writer.drain()
                if half:
                    writer.write_eof()
                while piece := await reader.read(65536):
                    data += piece
            except ConnectionError:
                reset = True
    finally:
        writer.close()
    return Raw(bytes(data), reset)
