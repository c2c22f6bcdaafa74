"""The beginning of a compressed body, read without touching the body."""

from __future__ import annotations

import zlib
from collections.abc import Mapping

from doorkey.model.request import HEAD_BYTES

READABLE = ("gzip", "x-gzip", "deflate")
"""The compressions that the standard library undoes: only what can be judged may be asked for."""


def unpacked(start: bytes, headers: Mapping[str, str], most: int = HEAD_BYTES) -> bytes:
    """What *start*, a body's beginning as it came, says, up to *most* bytes; nothing where it can't be read."""
    coding = headers.get("content-encoding", "").strip().lower()
    if not start or coding in ("", "identity"):
        return start
    if coding not in READABLE:
        return b""
    # 32: gzip or zlib, as the header says; some servers send deflate without any.
    for window in (32 + zlib.MAX_WBITS, -zlib.MAX_WBITS):
        try:
            return zlib.decompressobj(window).decompress(start, most)
        except zlib.error:
            continue
    return b""


def readable(accepted: str) -> str:
    """An Accept-Encoding reduced to what `unpacked` can read; "identity" where nothing is left."""
    kept = [part.strip() for part in accepted.split(",") if part.partition(";")[0].strip().lower() in READABLE]
    return ", ".join(kept) or "identity"
