"""How `direct` writes a request: a small body with its head, header bytes that are not UTF-8 as they came."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

import aiohttp
from multidict import CIMultiDict

SMALL = 1 << 16
"""A body of at most this many bytes is written with the head: no more than a connection holds without waiting."""

NEVER_ADDED: CIMultiDict[None] = CIMultiDict({"content-type": None})
"""Headers that aiohttp would add to a body: one without a media type stays without one."""


class ByteRequest(aiohttp.ClientRequest):
    """aiohttp's request, with changes to how it is written.

    - aiohttp starts a task to write a body, which on Python 3.11 costs two turns of the loop. A small body needs none.
    - aiohttp adds headers: the session sets all that a browser would send.
    - aiohttp's writer drops lone surrogates, which stand for bytes that are not UTF-8 (PEP 383).
    """

    sent_again = False
    """Set where a middleware may send this request twice: its body has to stay, and a task writes it."""
    _small: bytes = b""

    def update_headers(self, headers: Any) -> None:
        if "host" in headers:
            super().update_headers(headers)
            return
        host = self.url.host_port_subcomponent
        assert host is not None
        self.headers = CIMultiDict([("Host", host)])
        self.headers.extend(headers)

    def update_auto_headers(self, skip_auto_headers: Any) -> None:
        """Add no header: what is not there was left out by the session or the caller."""
        self._skip_auto_headers = NEVER_ADDED

    def update_body_from_data(self, body: Any, _stacklevel: int = 3) -> None:
        self._small = body if type(body) is bytes and len(body) <= SMALL else b""
        super().update_body_from_data(body, _stacklevel)

    def send(self, conn: Any) -> Coroutine[Any, Any, aiohttp.ClientResponse]:
        lines = b""
        if not "".join(self.headers.values()).isascii():
            held = [(name, value) for name, value in self.headers.items() if _holds_bytes(value)]
            for name, _ in held:
                self.headers.popall(name, None)
            lines = "".join(f"{name}: {value}\r\n" for name, value in held).encode("utf-8", "surrogateescape")
        body = b""
        apart = self.sent_again or conn.protocol.writing_paused or self.chunked or self.compress or self._continue
        if self._small and not apart:
            # Without a body aiohttp writes the head at once, and tells its timer that all is sent.
            body, self._body = self._small, None
        if lines or body:
            conn.protocol.transport = _Inserting(conn.protocol, lines, body)
        return super().send(conn)


class _Inserting:
    """A connection's transport until the first write: puts *lines* behind the request line, *body* behind the head."""

    __slots__ = ("_body", "_lines", "_protocol", "_transport")

    def __init__(self, protocol: Any, lines: bytes, body: bytes) -> None:
        self._protocol, self._transport, self._lines, self._body = protocol, protocol.transport, lines, body

    def write(self, data: bytes) -> None:
        self._protocol.transport = self._transport
        if self._lines:
            start, end, rest = bytes(data).partition(b"\r\n")
            data = start + end + self._lines + rest
        self._transport.write(data + self._body if self._body else data)

    def writelines(self, pieces: list[bytes]) -> None:
        self.write(b"".join(pieces))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


def _holds_bytes(value: str) -> bool:
    return any("\udc80" <= letter <= "\udcff" for letter in value)
