"""Writes headers as the bytes that they came in as."""

from __future__ import annotations

from aiohttp.http import StreamWriter
from multidict import CIMultiDict


class ByteWriter(StreamWriter):
    """aiohttp's writer, for headers that hold other bytes than UTF-8: they go out as they came in.

    Such bytes stand in header values as lone surrogates (PEP 383). aiohttp drops them.
    """

    async def write_headers(self, status_line: str, headers: CIMultiDict[str]) -> None:
        await super().write_headers(status_line, headers)  # raises ValueError for control characters
        if not all(map(str.isascii, headers.values())) and any(map(_holds_bytes, headers.values())):
            lines = [status_line, *(f"{name}: {value}" for name, value in headers.items()), "", ""]
            self._headers_buf = "\r\n".join(lines).encode("utf-8", "surrogateescape")


def _holds_bytes(value: str) -> bool:
    return any("\udc80" <= letter <= "\udcff" for letter in value)
