"""WebSockets through the door: messages, pings, subprotocols, refusals, and how each side's end reaches the other."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from doorkey.config.settings import ServiceSettings
from doorkey.service.app import build_app, serve
from doorkey.transport.direct import Limits

sys.path.insert(0, str(Path(__file__).parents[1]))
from wire import exchange

from entered import EnteredRuntime, TokenSite, token_site

KEY = "the-key"


class Chat:
    """A site's WebSocket: sends back what comes, closes and breaks off on demand, and keeps how it was closed."""

    def __init__(self) -> None:
        self.codes: asyncio.Queue[int | None] = asyncio.Queue()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse(protocols=("chat.v2",), max_msg_size=0)
        await socket.prepare(request)
        try:
            async for message in socket:
                if message.data == "bye":
                    await socket.close(code=4001, message=b"so long")
                elif message.data == "drop":
                    assert request.transport is not None
                    request.transport.abort()
                elif message.data == "flood":
                    for _ in range(1000):
                        await socket.send_bytes(b"x" * 100_000)
                elif message.type is aiohttp.WSMsgType.TEXT:
                    await socket.send_str(message.data)
                else:
                    await socket.send_bytes(message.data)
        finally:
            self.codes.put_nowait(socket.close_code)
        return socket


@pytest.fixture
def chat() -> Chat:
    return Chat()


@pytest.fixture
async def site(chat: Chat) -> AsyncIterator[TokenSite]:
    async with token_site() as made:
        made.routes["/ws"] = chat.handle
        yield made


@pytest.fixture
async def runtime(site: TokenSite) -> AsyncIterator[EnteredRuntime]:
    async with EnteredRuntime(site, Limits(first_byte=5.0, idle=5.0)) as made:
        yield made


@pytest.fixture
async def base(runtime: EnteredRuntime) -> AsyncIterator[str]:
    app = build_app(runtime, service=ServiceSettings(), key=KEY, unread=1.0)
    async with serve(app, "127.0.0.1", 0, shutdown=0.3) as url:
        yield url


@pytest.fixture
async def client(base: str) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(base, headers={"x-api-key": KEY}) as session:
        yield session


def connect(client: aiohttp.ClientSession, **options: Any) -> Any:
    return client.ws_connect("/site/wiki/ws", **{"max_msg_size": 0, **options})


async def test_messages_go_both_ways_with_the_session(client: aiohttp.ClientSession, site: TokenSite) -> None:
    async with connect(client, protocols=("chat.v1", "chat.v2"), headers={"x-mine": "yes"}) as socket:
        assert socket.protocol == "chat.v2"
        assert socket._response.headers["x-doorkey-site"] == "wiki"
        assert "content-type" not in socket._response.headers
        await socket.send_str("Grüße")
        assert await socket.receive_str() == "Grüße"
        for size in (0, 1, 125, 126, 65536, 3_000_000):
            await socket.send_bytes(b"x" * size)
            assert await socket.receive_bytes() == b"x" * size
    seen = site.seen[-1].headers
    assert (seen["cookie"], seen["x-token"], seen["user-agent"]) == ("sid=s1", "t1", "TestBrowser/1")
    assert (seen["origin"], seen["x-mine"]) == (site.url.rstrip("/"), "yes")
    assert "x-api-key" not in seen


async def test_pings_reach_the_other_side(client: aiohttp.ClientSession) -> None:
    async with connect(client, autoping=False) as socket:
        await socket.ping(b"1")
        message = await socket.receive()
        assert (message.type, bytes(message.data)) == (aiohttp.WSMsgType.PONG, b"1")


async def test_an_upgrade_that_was_refused_is_renewed_for_once(
    client: aiohttp.ClientSession, site: TokenSite, runtime: EnteredRuntime
) -> None:
    async with client.get("/site/wiki/x") as answer:
        assert answer.status == 200
    site.token = "t2"
    async with connect(client) as socket:
        assert socket._response.headers["x-doorkey-renewed"] == "1"
        await socket.send_str("x")
        assert await socket.receive_str() == "x"
    assert (runtime.target.visits, site.refused) == (2, 1)


async def test_the_site_s_close_is_the_client_s(client: aiohttp.ClientSession, chat: Chat) -> None:
    async with connect(client) as socket:
        await socket.send_str("bye")
        message = await socket.receive()
        assert (message.type, message.data, message.extra) == (aiohttp.WSMsgType.CLOSE, 4001, "so long")
    async with asyncio.timeout(5):
        assert await chat.codes.get() == 4001


@pytest.mark.parametrize("code", [1000, 1001, 3000, 4321])
async def test_the_client_s_close_is_the_site_s(client: aiohttp.ClientSession, chat: Chat, code: int) -> None:
    async with connect(client) as socket:
        await socket.close(code=code, message=b"enough")
        assert socket.close_code == code
    async with asyncio.timeout(5):
        assert await chat.codes.get() == code


async def test_a_site_that_breaks_off_is_no_close(client: aiohttp.ClientSession) -> None:
    async with connect(client) as socket:
        await socket.send_str("drop")
        message = await socket.receive()
        assert message.type in (aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR)
        assert socket.close_code == 1006


async def test_a_client_that_breaks_off_is_no_close(client: aiohttp.ClientSession, chat: Chat) -> None:
    socket = await connect(client)
    socket._response.close()
    async with asyncio.timeout(5):
        assert await chat.codes.get() in (None, 1006, 1000)


async def test_a_client_that_reads_nothing_is_given_up(client: aiohttp.ClientSession, chat: Chat) -> None:
    socket = await connect(client)
    await socket.send_str("flood")
    async with asyncio.timeout(10):
        await chat.codes.get()
    socket._response.close()


async def test_an_answer_that_is_no_upgrade_is_passed_on(client: aiohttp.ClientSession, site: TokenSite) -> None:
    async def forbidden(request: web.Request) -> web.Response:
        return web.json_response({"why": "not for you"}, status=418)

    site.routes["/ws"] = forbidden
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await connect(client)
    assert refused.value.status == 418


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ("Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", 401),
        (f"x-api-key: {KEY}\r\nSec-WebSocket-Version: 8\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", 426),
        (f"x-api-key: {KEY}\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: short\r\n", 400),
        (f"x-api-key: {KEY}\r\nSec-WebSocket-Version: 13\r\n", 400),
        (
            f"x-api-key: {KEY}\r\nOrigin: https://evil.example\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
            403,
        ),
    ],
)
async def test_a_bad_handshake_never_reaches_the_site(headers: str, status: int, base: str, site: TokenSite) -> None:
    start = "GET /site/wiki/ws HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade, close\r\nUpgrade: websocket\r\n"
    came = await exchange(base, f"{start}{headers}\r\n".encode())
    assert (came.status, site.seen) == (status, [])
    assert came.error()["message"]


async def test_the_service_s_end_is_told_to_both(runtime: EnteredRuntime, chat: Chat) -> None:
    app = build_app(runtime, service=ServiceSettings(), key=None)
    async with aiohttp.ClientSession() as client:
        async with serve(app, "127.0.0.1", 0, shutdown=0.1) as base:
            socket = await client.ws_connect(f"{base}/site/wiki/ws")
            ending = asyncio.create_task(socket.receive())
        message = await ending
        assert (message.type, message.data) == (aiohttp.WSMsgType.CLOSE, 1001)
        async with asyncio.timeout(5):
            assert await chat.codes.get() == 1001
