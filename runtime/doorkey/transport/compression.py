"""Compressed bodies: undone piece by piece, and found out when they are cut."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from contextlib import suppress
from importlib import import_module
from typing import Any, Protocol

from doorkey.errors import Changed, Cut, DoorkeyError, NotPlainHttp
from doorkey.model.request import HEAD_BYTES
from doorkey.transport.stream import Content, Exchange


def _find_module(*names: str) -> Any:
    """The first of these modules that is installed, or None."""
    for name in names:
        with suppress(ImportError):
            return import_module(name)
    return None


BROTLI = _find_module("brotli", "brotlicffi")
ZSTD = _find_module("compression.zstd", "backports.zstd")
STEP = 64 * 1024
"""Bytes that are unpacked at once: a bomb is never held, only its first bytes."""
GZIP_MAGIC, ZSTD_MAGIC = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
"""How a further member of a gzip or zstd body begins."""


class Decompressor(Protocol):
    """Undoes one compression. `ended`: the end of the compressed data was seen."""

    ended: bool

    def feed(self, data: bytes, most: int) -> bytes:
        """Return about *most* bytes of what *data* and everything fed before stand for."""

    @property
    def waits(self) -> bool:
        """Whether it has given out everything that was fed."""


class _Zlib:
    def __init__(self) -> None:
        self.ended = False
        self._pending = b""
        self._full = False
        self._object = self._make()

    def _make(self) -> Any:
        return zlib.decompressobj(16 + zlib.MAX_WBITS)

    @property
    def waits(self) -> bool:
        # zlib may keep output back although it has taken all input: only less than was asked for is all.
        return self.ended or not (self._pending or self._full)

    def feed(self, data: bytes, most: int) -> bytes:
        pending = self._pending + data
        if self.ended and not self._begins_member(pending):
            return b""
        found: bytes = self._object.decompress(pending, most)
        self._pending, self._full = self._object.unconsumed_tail, len(found) == most
        if self._object.eof:
            self.ended = True
            self._begins_member(self._object.unused_data)
        return found

    def _begins_member(self, rest: bytes) -> bool:
        """Whether *rest* begins another member. Anything else after the end is ignored, as in browsers."""
        self._pending = rest if rest == GZIP_MAGIC[:1] else b""
        if rest[:2] != GZIP_MAGIC:
            return False
        self.ended, self._object, self._pending = False, self._make(), rest
        return True


class _Deflate(_Zlib):
    """Deflate with the zlib header that the standard asks for, or without, as some servers send it."""

    def __init__(self) -> None:
        super().__init__()
        self._object = None

    def feed(self, data: bytes, most: int) -> bytes:
        if self.ended:
            return b""
        if self._object is None:
            self._pending += data
            if len(self._pending) < 2:
                return b""
            data, self._pending = self._pending, b""
            headed = data[0] & 15 == 8 and int.from_bytes(data[:2], "big") % 31 == 0
            self._object = zlib.decompressobj(zlib.MAX_WBITS if headed else -zlib.MAX_WBITS)
        return super().feed(data, most)

    @property
    def waits(self) -> bool:
        return self._object is None or super().waits

    def _begins_member(self, rest: bytes) -> bool:
        self._pending = b""
        return False


class _Brotli:
    def __init__(self) -> None:
        self._object = BROTLI.Decompressor()
        self._full = False

    @property
    def ended(self) -> bool:
        return bool(self._object.is_finished())

    @property
    def waits(self) -> bool:
        return self.ended or (not self._full and bool(self._object.can_accept_more_data()))

    def feed(self, data: bytes, most: int) -> bytes:
        if self.ended:
            return b""
        found = bytes(self._object.process(data, output_buffer_limit=most))
        self._full = len(found) >= most
        return found


class _Zstd:
    def __init__(self) -> None:
        self._object = ZSTD.ZstdDecompressor()
        self._rest = b""

    @property
    def ended(self) -> bool:
        return bool(self._object.eof)

    @property
    def waits(self) -> bool:
        return self.ended or bool(self._object.needs_input)

    def feed(self, data: bytes, most: int) -> bytes:
        if self.ended:
            self._rest += data
            if len(self._rest) < 4 or self._rest[:4] != ZSTD_MAGIC:
                return b""
            self._object, data, self._rest = ZSTD.ZstdDecompressor(), self._rest, b""
        found = bytes(self._object.decompress(data, most))
        if self.ended:
            self._rest = self._object.unused_data
            if self._rest[:4] == ZSTD_MAGIC:
                return found + self.feed(b"", most)
        return found


DECOMPRESSORS: dict[str, Callable[[], Any]] = {"gzip": _Zlib, "x-gzip": _Zlib, "deflate": _Deflate}
"""By the name of the content coding. br and zstd need `pip install doorkey[compression]`."""
ERRORS: tuple[type[Exception], ...] = (zlib.error,)
"""What they raise for data that is broken."""
if BROTLI is not None:
    DECOMPRESSORS["br"] = _Brotli
    ERRORS += (BROTLI.error,)
if ZSTD is not None:
    DECOMPRESSORS["zstd"] = _Zstd
    ERRORS += (ZSTD.ZstdError,)
BY_LIBRARY = ("br", "zstd")
"""The codings of browsers that need a library."""
ACCEPTED = ", ".join(coding for coding in DECOMPRESSORS if coding != "x-gzip")
"""The Accept-Encoding of requests whose answers are unpacked here."""


MOST_CODINGS = 5
"""Codings over each other that are undone: more are nobody's answer."""


def codings_of(headers: Mapping[str, str]) -> tuple[str, ...]:
    """The content codings of an answer, in the order in which they were applied (RFC 9110, section 8.4)."""
    told = (part.strip() for part in headers.get("content-encoding", "").lower().split(","))
    return tuple(coding for coding in told if coding not in ("", "identity"))


def unpack_exchange(exchange: Exchange, headers: Mapping[str, str]) -> Exchange:
    """Return *exchange* with its body unpacked as it is read. A coding that no browser knows is left to the caller.

    Raises NotPlainHttp for a coding whose library is missing.
    """
    codings = codings_of(headers)
    if len(codings) > MOST_CODINGS or any(coding not in (*DECOMPRESSORS, *BY_LIBRARY) for coding in codings):
        return exchange
    missing = next((coding for coding in codings if coding not in DECOMPRESSORS), None)
    if missing is not None:
        exchange.close()
        raise NotPlainHttp(
            f"the site's answer is compressed by {missing}, which it was not asked for; install doorkey[compression]"
        )
    for coding in reversed(codings):
        exchange = UnpackedExchange(exchange, coding)
    return exchange


class UnpackedExchange:
    """An answer whose body is unpacked as it is read."""

    def __init__(self, exchange: Exchange, coding: str) -> None:
        self.content = UnpackedBody(exchange.content, coding)
        self.close = exchange.close


class UnpackedBody:
    """The body that *content* holds in compressed form. Raises Cut at its end if the compressed data has no end."""

    def __init__(self, content: Content, coding: str) -> None:
        self._content = content
        self._coding = coding
        self._decompressor: Decompressor = DECOMPRESSORS[coding]()
        self._fed = self._done = False
        self._failure: DoorkeyError | None = None

    def at_eof(self) -> bool:
        return self._done

    def read_nowait(self) -> bytes:
        return b"" if self._done else self._unpack(self._content.read_nowait() if self._decompressor.waits else b"")

    async def readany(self) -> bytes:
        found = self.read_nowait()
        while not found and not self._done:
            found = self._unpack(await self._content.readany() if self._decompressor.waits else b"")
        return found

    def _unpack(self, data: bytes) -> bytes:
        if self._failure is not None:
            raise self._failure.again()
        decompressor = self._decompressor
        self._fed = self._fed or bool(data)
        try:
            found = decompressor.feed(data, STEP) if data or not decompressor.waits else b""
        except ERRORS as error:
            self._failure = Changed(f"the site's answer can't be unpacked ({self._coding})")
            raise self._failure from error
        if not found and decompressor.waits and self._content.at_eof():
            if self._fed and not decompressor.ended:
                self._failure = Cut(f"the answer broke off inside its compressed data ({self._coding})")
                raise self._failure
            self._done = True
        elif decompressor.waits and decompressor.ended and self._content.at_eof():
            self._done = True
        return found


def unpacked(start: bytes, headers: Mapping[str, str], most: int = HEAD_BYTES) -> tuple[bytes, bool]:
    """What *start*, the beginning of a body as it came, stands for, and whether that is all of a body.

    It is up to *most* bytes, and none if it can't be read.
    """
    codings = codings_of(headers)
    if not start or not codings:
        return start, True
    make = DECOMPRESSORS.get(codings[0])
    if make is None or len(codings) > 1:
        return b"", False
    decompressor: Decompressor = make()
    found = b""
    try:
        found = decompressor.feed(start, most)
        while len(found) < most and not decompressor.waits:
            found += decompressor.feed(b"", most - len(found))
    except ERRORS:
        return found[:most], False
    return found[:most], decompressor.ended and decompressor.waits


def readable(accepted: str) -> str:
    """An Accept-Encoding reduced to what `unpacked` can read; "identity" if nothing is left."""
    kept = [part.strip() for part in accepted.split(",") if part.partition(";")[0].strip().lower() in DECOMPRESSORS]
    return ", ".join(kept) or "identity"
