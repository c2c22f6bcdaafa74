"""Compressed bodies: unpacks them as they come, or reads their beginning without touching them."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Protocol

from doorkey.errors import Changed, Cut
from doorkey.model.request import HEAD_BYTES

READABLE = ("gzip", "x-gzip", "deflate")
"""The compressions that the standard library undoes: only what can be judged may be asked for."""
PIECE = 64 * 1024
"""Bytes that are unpacked at once: a few bytes of a hostile body may stand for gigabytes."""
BROTLI = find_spec("brotli") is not None
"""Whether the optional package that undoes `br` is there."""
ACCEPTED = "gzip, deflate, br" if BROTLI else "gzip, deflate"
"""The Accept-Encoding of requests whose answers are unpacked here."""
NOT_COMPRESSED = "the site's answer is not in the compression that its Content-Encoding names"
GZIP_MEMBER = b"\x1f\x8b"


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


class Packed(Protocol):
    """The bytes of a compressed body, as aiohttp's StreamReader gives them."""

    def at_eof(self) -> bool: ...

    def read_nowait(self) -> bytes: ...

    async def readany(self) -> bytes: ...


class Unpacker(Protocol):
    """Undoes one compression. `feed` gives at most PIECE bytes, and more for b"" while `pending`."""

    @property
    def pending(self) -> bool: ...

    @property
    def ended(self) -> bool: ...

    def feed(self, data: bytes) -> bytes: ...


class ZlibUnpacker:
    """Undoes gzip, also in several members (RFC 1952), and deflate, also without its header."""

    def __init__(self, coding: str) -> None:
        self._gzip = coding != "deflate"
        self._object: Any = None
        self._rest = b""
        self._full = False

    @property
    def pending(self) -> bool:
        return self._full or (bool(self._rest) and not self._may_be_member())

    @property
    def ended(self) -> bool:
        return self._object is not None and self._object.eof

    def feed(self, data: bytes) -> bytes:
        data, self._rest = self._rest + data, b""
        if self.ended and data:
            # What follows the end is no part of the body, unless it is gzip again.
            if self._gzip and GZIP_MEMBER.startswith(data[:2]):
                self._rest = data
            if self._may_be_member() or not self._rest:
                return b""
            self._object, self._rest = None, b""
        if self._object is None:
            if not data:
                return b""
            self._object = self._begin(data)
        try:
            piece: bytes = self._object.decompress(data, PIECE)
        except zlib.error as error:
            raise Changed(NOT_COMPRESSED) from error
        self._rest = self._object.unused_data if self._object.eof else self._object.unconsumed_tail
        self._full = len(piece) == PIECE and not self._object.eof
        return piece

    def _may_be_member(self) -> bool:
        """Whether what is left after the end may become the start of another member."""
        return self.ended and len(self._rest) == 1

    def _begin(self, data: bytes) -> Any:
        if self._gzip:
            return zlib.decompressobj(16 + zlib.MAX_WBITS)
        # RFC 1950: the method stands in the first four bits. Some servers leave the header out.
        return zlib.decompressobj(zlib.MAX_WBITS if data[0] & 15 == 8 else -zlib.MAX_WBITS)


class BrotliUnpacker:
    """Undoes `br`."""

    def __init__(self) -> None:
        brotli = import_module("brotli")
        self._object, self._error = brotli.Decompressor(), brotli.error
        self._gave = False

    @property
    def pending(self) -> bool:
        # The package has no sure sign of more: it is asked until it gives nothing.
        return self._gave and not self.ended

    @property
    def ended(self) -> bool:
        return bool(self._object.is_finished())

    def feed(self, data: bytes) -> bytes:
        if self.ended:
            return b""
        try:
            piece = bytes(self._object.process(data, output_buffer_limit=PIECE))
        except self._error as error:
            raise Changed(NOT_COMPRESSED) from error
        self._gave = bool(piece)
        return piece


class UnpackedContent:
    """A compressed body, unpacked as it comes. Reading raises Cut where the body ends inside its compression."""

    def __init__(self, packed: Packed, unpacker: Unpacker) -> None:
        self._packed = packed
        self._unpacker = unpacker
        self._came = self._ended = False

    def at_eof(self) -> bool:
        return self._ended

    def read_nowait(self) -> bytes:
        while not self._ended:
            data = b"" if self._unpacker.pending else self._packed.read_nowait()
            if data or self._unpacker.pending:
                piece = self._feed(data)
                if piece:
                    return piece
            elif self._packed.at_eof():
                self._end()
            else:
                break
        return b""

    async def readany(self) -> bytes:
        while not (piece := self.read_nowait()) and not self._ended:
            piece = self._feed(await self._packed.readany())
            if piece:
                break
        return piece

    def _feed(self, data: bytes) -> bytes:
        self._came = self._came or bool(data)
        return self._unpacker.feed(data)

    def _end(self) -> None:
        if self._came and not self._unpacker.ended:
            raise Cut("the answer broke off inside its compressed body")
        self._ended = True


def unpack_content(packed: Packed, headers: Mapping[str, str]) -> Packed:
    """*packed* without its compression. Raises Changed for one that can't be undone here."""
    match headers.get("content-encoding", "").strip().lower():
        case "gzip" | "x-gzip" | "deflate" as coding:
            return UnpackedContent(packed, ZlibUnpacker(coding))
        case "br" if BROTLI:
            return UnpackedContent(packed, BrotliUnpacker())
        case "br" | "zstd" as coding:
            raise Changed(
                f"the site sent Content-Encoding: {coding}, which it was not asked for and doorkey can't undo"
            )
        case _:
            return packed
