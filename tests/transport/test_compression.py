"""Compressed bodies come out whole, or say that they were cut."""

from __future__ import annotations

import gzip
import os
import sys
import zlib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from doorkey.clock import SystemClock
from doorkey.errors import Changed, Cut
from doorkey.model.request import Request
from doorkey.model.session import Key, Session
from doorkey.model.site import Site
from doorkey.transport.compression import PIECE, UnpackedContent, ZlibUnpacker, unpack_content
from doorkey.transport.direct import Direct
from doorkey.transport.stream import Stream, whole

TEXT = os.urandom(3000) + b"the same again " * 20_000


def raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


FORMS = {
    "gzip": ("gzip", gzip.compress(TEXT)),
    "two members": ("gzip", gzip.compress(TEXT[:5000]) + gzip.compress(TEXT[5000:])),
    "gzip and more": ("x-gzip", gzip.compress(TEXT) + b"\0" * 20),
    "deflate": ("deflate", zlib.compress(TEXT)),
    "raw deflate": ("Deflate", raw_deflate(TEXT)),
}


class Pieces:
    """A body that comes in pieces: each is there once it was waited for."""

    def __init__(self, body: bytes, size: int) -> None:
        self._pieces = [body[at : at + size] for at in range(0, len(body), size)]

    def at_eof(self) -> bool:
        return not self._pieces

    def read_nowait(self) -> bytes:
        return b""

    async def readany(self) -> bytes:
        return self._pieces.pop(0) if self._pieces else b""


async def read(content: UnpackedContent) -> Iterator[bytes]:
    pieces = []
    while not content.at_eof():
        pieces.append(await content.readany())
    return iter(pieces)


@pytest.mark.parametrize("size", [1, 7, 100_000])
@pytest.mark.parametrize("name", FORMS)
async def test_a_body_comes_out_whole_in_small_pieces(name: str, size: int) -> None:
    coding, body = FORMS[name]
    pieces = list(await read(unpack_content(Pieces(body, size), {"content-encoding": coding})))  # type: ignore[arg-type]
    assert b"".join(pieces) == TEXT
    assert max(map(len, pieces)) <= PIECE


@pytest.mark.parametrize("name", ["gzip", "deflate", "raw deflate"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.999])
async def test_a_body_that_ends_inside_its_compression_is_cut(name: str, share: float) -> None:
    coding, body = FORMS[name]
    content = unpack_content(Pieces(body[: int(len(body) * share)], 999), {"content-encoding": coding})
    with pytest.raises(Cut, match="broke off"):
        await read(content)  # type: ignore[arg-type]


async def test_a_second_member_that_is_cut_is_cut() -> None:
    body = gzip.compress(b"one") + gzip.compress(b"two")[:15]
    with pytest.raises(Cut):
        await read(UnpackedContent(Pieces(body, 4), ZlibUnpacker("gzip")))


async def test_no_body_is_no_cut_body() -> None:
    assert list(await read(UnpackedContent(Pieces(b"", 1), ZlibUnpacker("gzip")))) in ([], [b""])


async def test_what_is_not_compressed_at_all_is_told() -> None:
    with pytest.raises(Changed, match="Content-Encoding names"):
        await read(UnpackedContent(Pieces(b"<html>", 10), ZlibUnpacker("gzip")))


def test_a_compression_that_can_t_be_undone_is_told() -> None:
    with pytest.raises(Changed, match="Content-Encoding: zstd"):
        unpack_content(Pieces(b"", 1), {"content-encoding": "zstd"})


def test_an_unknown_coding_is_left() -> None:
    pieces = Pieces(b"", 1)
    assert unpack_content(pieces, {"content-encoding": "aes128gcm"}) is pieces


@asynccontextmanager
async def answered(body: bytes, coding: str) -> AsyncIterator[Stream]:
    async def answer(request: web.Request) -> web.Response:
        assert "gzip" in request.headers["accept-encoding"]
        headers = {"Content-Encoding": coding, "Content-Type": "text/csv"}
        return web.Response(body=b"" if request.method == "HEAD" else body, headers=headers)

    app = web.Application()
    app.router.add_route("*", "/", answer)
    async with TestServer(app, host="127.0.0.1") as server, Direct(clock=SystemClock()) as direct:
        url = str(server.make_url("/"))
        nobody = Session(key=Key("s", url), gen=0, url=url, born=0, soft=0, hard=0)
        yield await direct.open(Request(url="/"), nobody, Site(name="s", url=url))


async def test_an_answer_is_unpacked_on_the_way() -> None:
    async with answered(gzip.compress(TEXT), "gzip") as stream:
        assert (await whole(stream, sys.maxsize)).body == TEXT


async def test_an_answer_whose_length_fits_its_cut_is_cut_all_the_same() -> None:
    with pytest.raises(Cut):
        async with answered(gzip.compress(os.urandom(4000))[:2000], "gzip") as stream:
            await stream.read(10_000)


async def test_a_bomb_is_unpacked_only_as_far_as_it_is_read() -> None:
    async with answered(gzip.compress(bytes(200_000_000)), "gzip") as stream:
        with pytest.raises(Changed, match="longer than 100000"):
            await stream.read(100_000)
        assert len(stream.held) < 100_000 + 2 * PIECE
