"""Draws a small PNG whose colours depend on the prompt, without a library."""

from __future__ import annotations

import hashlib
import struct
import zlib


def png(prompt: str, size: int = 64) -> bytes:
    """Return an 8-bit RGB PNG of *size* by *size* pixels. The same prompt gives the same bytes."""
    red, green, blue = hashlib.sha256(prompt.encode()).digest()[:3]
    rows = bytearray()
    for y in range(size):
        rows.append(0)
        for x in range(size):
            shade = 255 * (x + y) // (2 * size)
            rows += bytes(((red + shade) % 256, (green + shade // 2) % 256, blue))
    head = struct.pack(">IIBBBBB", size, size, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(bytes(rows))), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, data) for name, data in chunks)


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
