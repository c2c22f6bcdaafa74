"""Requests whose headers hold bytes that are not UTF-8: they go out as they came in."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

import aiohttp


class ByteRequest(aiohttp.ClientRequest):
    """aiohttp's request. Its writer drops lone surrogates, which stand for such bytes (PEP 383)."""

    def send(self, conn: Any) -> Coroutine[Any, Any, aiohttp.ClientResponse]:
        if not "".join(self.headers.values()).isascii():
            held = [(name, value) for name, value in self.headers.items() if _holds_bytes(value)]
            for name, _ in held:
                self.headers.popall(name, None)
            lines = "".join(f"{name}: {value}\r\n" for name, value in held).encode("utf-8", "surrogateescape")
            if lines:
                conn.protocol.transport = _Inserting(conn.protocol, lines)
        return super().send(conn)


class _Inserting:
    """A connection's transport until the first write, into which it puts *lines* behind the request line."""

    def __init__(self, protocol: Any, lines: bytes) -> None:
        self._protocol, self._transport, self._lines = protocol, protocol.transport, lines

    def write(self, data: bytes) -> None:
        self._protocol.transport = self._transport
        start, end, rest = bytes(data).partition(b"\r\n")
        self._transport.write(start + end + self._lines + rest)

    def writelines(self, pieces: list[bytes]) -> None:
        self.write(b"".join(pieces))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


def _holds_bytes(value: str) -> bool:
    return any("\udc80" <= letter <= "\udcff" for letter in value)
