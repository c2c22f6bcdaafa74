"""Changes bodies that are compressed: unpacks them, and packs the result in the same way."""

from __future__ import annotations

import zlib
from collections.abc import Callable

from doorkey.errors import RequestError, TooLarge, UnsupportedBody

LARGEST = 64 * 1024 * 1024
"""Bytes that a body may have when it is unpacked."""
WINDOWS = {"gzip": 16 + zlib.MAX_WBITS, "x-gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}
"""The codings that can be changed, and how zlib names their formats."""


def change_coded(body: bytes, coding: str, change: Callable[[bytes], bytes]) -> bytes:
    """What *change* makes of *body*, whose Content-Encoding is *coding* ("": none).

    Raises UnsupportedBody for a coding that can't be undone here, RequestError for a body that is not in its coding,
    TooLarge for one that has over 64 MiB when it is unpacked.
    """
    coding = coding.strip().lower()
    if coding in ("", "identity"):
        return change(body)
    if coding not in WINDOWS:
        raise UnsupportedBody(
            f"a token can't be put into a body with Content-Encoding: {coding[:40]}; send it plain, in gzip or deflate"
        )
    packer = zlib.compressobj(wbits=WINDOWS[coding])
    plain = change(_unpack(body, coding))
    return packer.compress(plain) + packer.flush()


def _unpack(body: bytes, coding: str) -> bytes:
    pieces: list[bytes] = []
    left = LARGEST
    try:
        while body:
            # A gzip body may have several members (RFC 1952, section 2.2).
            unpacker = zlib.decompressobj(wbits=WINDOWS[coding])
            piece = unpacker.decompress(body, left + 1)
            left -= len(piece)
            if left < 0:
                raise TooLarge(f"a compressed body was expected to have at most {LARGEST} bytes when it is unpacked")
            if not unpacker.eof:
                raise RequestError(f"the body was expected to be {coding}, as its Content-Encoding says; it is cut off")
            pieces.append(piece)
            body = unpacker.unused_data if coding != "deflate" else b""
    except zlib.error:
        raise RequestError(f"the body was expected to be {coding}, as its Content-Encoding says; it is not") from None
    return b"".join(pieces)
