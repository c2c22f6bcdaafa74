"""Compressed answers: unpacked in pieces of any size, and found out when they are cut."""

from __future__ import annotations

import asyncio
import gzip
import os
import sys
import zlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from doorkey.clock import SystemClock
from doorkey.errors import Changed, Cut, NotPlainHttp
from doorkey.model.request import Request
from doorkey.model.session import Key, Session
from doorkey.model.site import Site
from doorkey.transport import compression
from doorkey.transport.compression import STEP, UnpackedBody, readable, unpacked
from doorkey.transport.direct import Direct
from doorkey.transport.stream import Stream, whole

TEXT = b"<p>" + os.urandom(3000) + b"x" * 600_000


def zstd(data: bytes) -> bytes:
    return bytes(compression.ZSTD.compress(data))


def brotli(data: bytes) -> bytes:
    return bytes(compression.BROTLI.compress(data))


def pack_gzip(data: bytes) -> bytes:
    return gzip.compress(data, mtime=0)  # the same in each worker that collects the tests


def raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


def two_members(data: bytes) -> bytes:
    return pack_gzip(data[:1000]) + pack_gzip(data[1000:])


CODINGS: list[tuple[str, Callable[[bytes], bytes]]] = [
    ("gzip", pack_gzip),
    ("gzip", two_members),
    ("x-gzip", pack_gzip),
    ("deflate", zlib.compress),
    ("deflate", raw_deflate),
]
if compression.BROTLI is not None:
    CODINGS.append(("br", brotli))
if compression.ZSTD is not None:
    CODINGS.append(("zstd", zstd))
IDS = [f"{coding}-{pack.__name__}" for coding, pack in CODINGS]


class Pieces:
    """A body that comes in pieces of *size* bytes, as aiohttp's reader gives them."""

    def __init__(self, data: bytes, size: int) -> None:
        self._pieces = [data[at : at + size] for at in range(0, len(data), size)]

    def at_eof(self) -> bool:
        return not self._pieces

    def read_nowait(self) -> bytes:
        return b""

    async def readany(self) -> bytes:
        await asyncio.sleep(0)
        return self._pieces.pop(0) if self._pieces else b""


async def read(body: UnpackedBody) -> bytes:
    found = []
    while not body.at_eof():
        found.append(await body.readany())
        assert len(found[-1]) <= STEP + 512 * 1024
    return b"".join(found)


@pytest.mark.parametrize("size", [1, 7, 4096, 10_000_000])
@pytest.mark.parametrize(("coding", "pack"), CODINGS, ids=IDS)
async def test_a_body_is_unpacked_whatever_pieces_it_comes_in(
    coding: str, pack: Callable[[bytes], bytes], size: int
) -> None:
    assert await read(UnpackedBody(Pieces(pack(TEXT), size), coding)) == TEXT


@pytest.mark.parametrize("size", [1, 4096])
@pytest.mark.parametrize("missing", [1, 4, 9, 2000])
@pytest.mark.parametrize(("coding", "pack"), CODINGS, ids=IDS)
async def test_a_cut_body_is_cut(coding: str, pack: Callable[[bytes], bytes], missing: int, size: int) -> None:
    body = UnpackedBody(Pieces(pack(TEXT)[:-missing], size), coding)
    with pytest.raises(Cut, match="inside its compressed data"):
        await read(body)
    assert not body.at_eof()
    with pytest.raises(Cut):
        body.read_nowait()


@pytest.mark.parametrize(("coding", "pack"), CODINGS, ids=IDS)
async def test_an_empty_body_is_none_that_was_cut(coding: str, pack: Callable[[bytes], bytes]) -> None:
    assert await read(UnpackedBody(Pieces(b"", 1), coding)) == b""
    assert await read(UnpackedBody(Pieces(pack(b""), 1), coding)) == b""


@pytest.mark.parametrize(("coding", "pack"), CODINGS, ids=IDS)
@pytest.mark.parametrize("size", [1, 1000])
async def test_what_follows_the_end_is_ignored(coding: str, pack: Callable[[bytes], bytes], size: int) -> None:
    if coding == "br" and size > 1:
        pytest.skip("the brotli library takes bytes behind the end, in one piece with it, for an error")
    for rest in (b"\0" * 10, b"\x1f", b"more"):
        assert await read(UnpackedBody(Pieces(pack(TEXT) + rest, size), coding)) == TEXT


@pytest.mark.parametrize("coding", [coding for coding, _ in CODINGS if coding != "deflate"])
async def test_what_is_not_compressed_at_all_is_told(coding: str) -> None:
    with pytest.raises(Changed, match="can't be unpacked"):
        await read(UnpackedBody(Pieces(b"plain text, whatever its header says " * 20, 4096), coding))


async def test_a_coding_whose_library_is_missing_is_told_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(compression.DECOMPRESSORS, "br", raising=False)
    with pytest.raises(NotPlainHttp, match=r"compressed by br.*doorkey\[compression\]"):
        async with answered(b"x", "br"):
            pass


@asynccontextmanager
async def answered(body: bytes, coding: str) -> AsyncIterator[Stream]:
    async def answer(request: web.Request) -> web.Response:
        assert "gzip" in request.headers["accept-encoding"]
        headers = {"Content-Encoding": coding, "Content-Type": "text/csv"}
        return web.Response(body=body, headers=headers)

    app = web.Application()
    app.router.add_route("*", "/", answer)
    async with TestServer(app, host="127.0.0.1") as server, Direct(clock=SystemClock()) as direct:
        url = str(server.make_url("/"))
        nobody = Session(key=Key("s", url), gen=0, url=url, born=0, soft=0, hard=0)
        yield await direct.open(Request(url="/"), nobody, Site(name="s", url=url))


@pytest.mark.parametrize(("coding", "pack"), CODINGS, ids=IDS)
async def test_an_answer_is_unpacked_on_the_way(coding: str, pack: Callable[[bytes], bytes]) -> None:
    async with answered(pack(TEXT), coding) as stream:
        assert (await whole(stream, sys.maxsize)).body == TEXT


@pytest.mark.parametrize("coding", ["gzip, gzip", "deflate, GZIP", "identity, deflate,identity, gzip"])
async def test_codings_over_each_other_are_undone_in_turn(coding: str) -> None:
    inner = pack_gzip(TEXT) if coding.startswith("gzip") else zlib.compress(TEXT)
    async with answered(pack_gzip(inner), coding) as stream:
        assert (await whole(stream, sys.maxsize)).body == TEXT
    async with answered(pack_gzip(inner[:-1]), coding) as stream:
        with pytest.raises(Cut):
            await stream.read(len(TEXT) + 1)
    assert unpacked(pack_gzip(inner), {"content-encoding": coding}) == (b"", False)


async def test_more_codings_than_anyone_applies_are_left_as_they_are() -> None:
    async with answered(b"whatever", ", ".join(["gzip"] * 1000)) as stream:
        assert (await whole(stream, sys.maxsize)).body == b"whatever"


async def test_an_answer_in_a_coding_that_no_browser_knows_is_left_as_it_is() -> None:
    async with answered(b"whatever", "aes128gcm") as stream:
        assert (await whole(stream, sys.maxsize)).body == b"whatever"


async def test_an_answer_whose_length_fits_its_cut_is_cut_all_the_same() -> None:
    with pytest.raises(Cut):
        async with answered(pack_gzip(os.urandom(4000))[:2000], "gzip") as stream:
            await stream.read(10_000)


@pytest.mark.parametrize(("coding", "pack"), CODINGS, ids=IDS)
async def test_a_bomb_is_unpacked_only_as_far_as_it_is_read(coding: str, pack: Callable[[bytes], bytes]) -> None:
    async with answered(pack(bytes(20_000_000)), coding) as stream:
        with pytest.raises(Changed, match="longer than 100000"):
            await stream.read(100_000)
        assert len(stream.held) < 1_000_000


@pytest.mark.parametrize(("coding", "pack"), CODINGS, ids=IDS)
def test_the_beginning_is_read_from_a_beginning(coding: str, pack: Callable[[bytes], bytes]) -> None:
    assert unpacked(pack(TEXT)[:3500], {"content-encoding": coding}, 100) == (TEXT[:100], False)
    assert unpacked(pack(TEXT), {"content-encoding": coding}, len(TEXT) + 1) == (TEXT, True)


@pytest.mark.parametrize(("coding", "pack"), CODINGS, ids=IDS)
def test_a_cut_beginning_is_not_all_of_a_body(coding: str, pack: Callable[[bytes], bytes]) -> None:
    found, whole = unpacked(pack(TEXT)[:-1], {"content-encoding": coding}, len(TEXT) + 1)
    assert (TEXT.startswith(found), whole) == (True, False)


def test_only_what_can_be_read_is_asked_for() -> None:
    assert readable("gzip;q=0.5, sdch, deflate") == "gzip;q=0.5, deflate"
    assert readable("sdch") == "identity"
    assert ("br" in readable("br, gzip")) is (compression.BROTLI is not None)
