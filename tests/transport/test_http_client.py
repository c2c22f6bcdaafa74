"""How `direct` writes a request: what stands on the connection, and in how many pieces."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest
from multidict import CIMultiDict
from yarl import URL

from doorkey.transport.authentication import Authentication
from doorkey.transport.http_client import SMALL, HttpClient

DEMAND = (
    b"HTTP/1.1 401 No\r\nContent-Length: 0\r\n"
    b'WWW-Authenticate: Digest realm="r", nonce="n", algorithm=MD5, qop="auth-int"\r\n\r\n'
)
GIVEN = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@dataclass
class Peer:
    """Answers with *answers*, one after another, and keeps what came for each."""

    answers: list[bytes]
    url: URL = field(default=URL())
    reads: list[list[bytes]] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async for pieces in _requests(reader):
            self.reads.append(pieces)
            answer = self.answers.pop(0)
            if not answer:
                break
            writer.write(answer)
        writer.close()

    @property
    def texts(self) -> list[bytes]:
        return [b"".join(pieces) for pieces in self.reads]


async def _requests(reader: asyncio.StreamReader) -> AsyncIterator[list[bytes]]:
    pieces: list[bytes] = []
    while piece := await reader.read(1 << 20):
        pieces.append(piece)
        head, _, body = b"".join(pieces).partition(b"\r\n\r\n")
        lengths = [line.split(b":")[1] for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
        if len(body) == (int(lengths[0]) if lengths else 0):
            yield pieces
            pieces = []


@asynccontextmanager
async def peer(*answers: bytes) -> AsyncIterator[tuple[Peer, HttpClient]]:
    there = Peer(list(answers))
    server = await asyncio.start_server(there.serve, "127.0.0.1", 0)
    there.url = URL(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/x")
    client = HttpClient(aiohttp.TCPConnector())
    async with server:
        try:
            yield there, client
        finally:
            await client.close()


async def send(there: Peer, client: HttpClient, method: str, body: bytes | None, **more: Any) -> bytes:
    headers = CIMultiDict({"user-agent": "u", "content-type": "text/plain"} | more.pop("headers", {}))
    answer = await client.request(
        method, there.url, headers=headers, body=body, proxy=None, tls=True, authentication=more.get("authentication")
    )
    text = await answer.content.read()
    answer.release()
    return text


async def test_a_small_body_is_written_with_its_head() -> None:
    async with peer(GIVEN) as (there, client):
        assert await send(there, client, "POST", b"hello") == b"ok"
    (pieces,) = there.reads
    assert len(pieces) == 1
    assert pieces[0].endswith(b"\r\n\r\nhello")
    assert pieces[0].lower().count(b"content-length: 5\r\n") == 1


@pytest.mark.parametrize("size", [0, 1, SMALL - 1, SMALL, SMALL + 1, 700_000])
async def test_a_body_of_any_size_arrives_whole(size: int) -> None:
    async with peer(GIVEN, GIVEN) as (there, client):
        for _ in range(2):  # once on a new connection, once on a kept one
            assert await send(there, client, "POST", b"x" * size) == b"ok"
    assert [text.partition(b"\r\n\r\n")[2] for text in there.texts] == [b"x" * size] * 2


@pytest.mark.parametrize("body", [None, b"hello"])
async def test_header_bytes_that_are_not_utf_8_go_out_beside_a_body(body: bytes | None) -> None:
    value = b"caf\xe9".decode("utf-8", "surrogateescape")
    async with peer(GIVEN) as (there, client):
        await send(there, client, "PUT", body, headers={"x-name": value, "x-plain": "p"})
    head, _, came = there.texts[0].partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    assert lines[0] == b"PUT /x HTTP/1.1"
    assert sorted(line for line in lines if line.startswith(b"x-")) == [b"x-name: caf\xe9", b"x-plain: p"]
    assert came == (body or b"")


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("body", [None, b"", b"hi", b"x" * (SMALL + 1)])
async def test_nothing_is_added_but_what_http_needs(method: str, body: bytes | None) -> None:
    async with peer(GIVEN) as (there, client):
        headers = CIMultiDict({"accept-language": "de"})
        answer = await client.request(
            method, there.url, headers=headers, body=body, proxy=None, tls=True, authentication=None
        )
        answer.close()
    names = [line.split(b":")[0].lower() for line in there.texts[0].partition(b"\r\n\r\n")[0].split(b"\r\n")[1:]]
    length = [] if body is None and method == "GET" else [b"content-length"]
    assert names == [b"host", b"accept-language", *length]


async def test_a_digest_over_the_body_covers_a_small_one() -> None:
    async with peer(DEMAND, DEMAND, GIVEN) as (there, client):
        assert await send(there, client, "POST", b"hello", authentication=Authentication("me", "pw")) == b"ok"
    told = there.texts[-1].partition(b"\r\n\r\n")[0].decode()
    (line,) = [line for line in told.split("\r\n") if line.lower().startswith("authorization: digest ")]
    given = dict(part.split("=", 1) for part in line[len("authorization: digest ") :].split(", "))
    said = {name: value.strip('"') for name, value in given.items()}

    def md5(text: str) -> str:
        return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()

    first, second = md5("me:r:pw"), md5(f"POST:/x:{md5('hello')}")  # RFC 7616, section 3.4.3
    assert said["response"] == md5(f"{first}:n:{said['nc']}:{said['cnonce']}:auth-int:{second}")


@pytest.mark.parametrize("method", ["PUT", "POST", "DELETE", "GET"])
async def test_a_request_is_sent_once_when_a_kept_connection_breaks_under_it(method: str) -> None:
    async with peer(GIVEN, b"", GIVEN) as (there, client):
        await send(there, client, "GET", None)
        with pytest.raises(aiohttp.ServerDisconnectedError):
            await send(there, client, method, b"once")
    assert len(there.reads) == 2


async def test_a_connection_is_closed_where_the_caller_leaves_before_the_answer() -> None:
    begun, held = asyncio.Event(), asyncio.Event()

    async def never(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1 << 16)
        begun.set()
        assert await reader.read() == b""  # the end of the connection
        held.set()
        writer.close()

    server = await asyncio.start_server(never, "127.0.0.1", 0)
    there = Peer([], URL(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/x"))
    client = HttpClient(aiohttp.TCPConnector())
    async with server:
        asked = asyncio.create_task(send(there, client, "POST", b"hello"))
        await begun.wait()
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked
        async with asyncio.timeout(10):
            await held.wait()
        await client.close()
