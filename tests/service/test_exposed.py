"""Clients that send half of what they announce, more of them than the service holds: nobody else waits for them."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from aiohttp import web

from doorkey.config.settings import ServiceSettings
from doorkey.service.app import build_app, serve

sys.path.insert(0, str(Path(__file__).parents[1]))
from wire import exchange

from entered import EnteredRuntime, TokenSite, until

KEY = "the-key"
LOCAL = b"Host: localhost\r\n"
OURS = LOCAL + b"x-api-key: the-key\r\n"
GET = b"GET /site/wiki/x HTTP/1.1\r\n" + OURS + b"Connection: close\r\n\r\n"
LENGTH = b"Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"
MOST = 8


@pytest.fixture
async def base(site: TokenSite) -> AsyncIterator[str]:
    """A service that holds eight clients, and takes one that is silent for 0.2 s as stalled."""
    async with EnteredRuntime(site) as runtime:
        app = build_app(runtime, service=ServiceSettings(), key=KEY)
        async with serve(app, "127.0.0.1", 0, shutdown=1.0, connections=MOST, stalled=0.2) as url:
            yield url


@asynccontextmanager
async def attack(base: str, request: bytes, count: int = MOST) -> AsyncIterator[list[asyncio.StreamReader]]:
    """So many clients that send *request* and then nothing."""
    parts = urlsplit(base)
    clients = [await asyncio.open_connection(parts.hostname, parts.port) for _ in range(count)]
    for _, writer in clients:
        writer.write(request)
    yield [reader for reader, _ in clients]
    for _, writer in clients:
        writer.close()


@pytest.mark.parametrize(
    "request_",
    [
        b"",
        b"GET / HTTP/1.1\r\nHost: loc",
        b"POST /v1/chat/completions HTTP/1.1\r\n" + LOCAL + LENGTH,
        b"POST /v1/chat/completions HTTP/1.1\r\n" + OURS + LENGTH,
        b"PUT /site/wiki/x HTTP/1.1\r\n" + OURS + b"Content-Length: 90000000\r\n\r\n{",
    ],
    ids=["nothing", "half a head", "a body without the key", "a body with the key", "an upload"],
)
async def test_half_a_request_holds_no_place(base: str, request_: bytes) -> None:
    async with attack(base, request_), asyncio.timeout(10):
        while (came := await exchange(base, GET)).reset or came.status != 200:
            assert came.reset or came.error()["code"] == "too_many_connections"


async def test_an_answer_under_way_keeps_its_place(base: str, site: TokenSite) -> None:
    """Eight streams are open. A ninth client is refused, and takes the place of none."""
    gate = asyncio.Event()

    async def slow(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"begun")
        await until(gate.is_set)
        return response

    site.routes["/slow"] = slow
    upload = b"POST /site/wiki/slow HTTP/1.1\r\n" + OURS + b"Content-Length: 3\r\nConnection: close\r\n\r\nabc"
    async with attack(base, upload) as readers:
        for reader in readers:
            assert b"begun" in await reader.readuntil(b"begun")
        came = await exchange(base, GET)
        assert came.reset or came.error()["code"] == "too_many_connections"
        gate.set()
        assert [await reader.read() for reader in readers] == [b"\r\n0\r\n\r\n"] * MOST
