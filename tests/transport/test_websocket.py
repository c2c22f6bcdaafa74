"""A WebSocket into a site, by plain HTTP: the session's, renewed for, and closed with the codes that were sent."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from doorkey.errors import Cut
from doorkey.model.request import Request
from doorkey.transport.websocket import NO_STATUS, Message, WebSocket

sys.path.insert(0, str(Path(__file__).parents[1]))
from entered import EnteredRuntime, TokenSite, token_site

CODES: list[int] = []
CAME = asyncio.Event()


@pytest.fixture
async def site() -> AsyncIterator[TokenSite]:
    async with token_site() as made:
        made.routes["/ws"] = echo
        yield made


async def echo(request: web.Request) -> web.StreamResponse:
    """Sends back what comes; "bye" closes with 4001, "drop" breaks the connection off."""
    socket = web.WebSocketResponse(protocols=("chat.v2",), autoping=False)
    await socket.prepare(request)
    async for message in socket:
        if message.type is aiohttp.WSMsgType.PING:
            await socket.pong(message.data)
        elif message.data == "bye":
            await socket.close(code=4001, message=b"so long")
        elif message.data == "drop":
            assert request.transport is not None
            request.transport.abort()
        elif message.type is aiohttp.WSMsgType.TEXT:
            await socket.send_str(message.data)
        else:
            await socket.send_bytes(message.data)
    if socket.close_code is not None:
        CODES.append(socket.close_code)
        CAME.set()
    return socket


async def opened(runtime: EnteredRuntime) -> WebSocket:
    answer = await runtime.send("wiki", Request(url="/ws", websocket=("chat.v1", "chat.v2"), repeatable=True))
    assert answer.head.status == 101
    assert answer.websocket is not None
    return answer.websocket


async def test_messages_go_both_ways_with_the_session(site: TokenSite) -> None:
    async with EnteredRuntime(site) as runtime:
        socket = await opened(runtime)
        assert socket.subprotocol == "chat.v2"
        for message in (
            Message("text", "Grüße".encode()),
            Message("binary", bytes(range(256)) * 500),
            Message("text", b""),
        ):
            await socket.send(message)
            assert await socket.receive() == message
        await socket.send(Message("ping", b"1"))
        assert await socket.receive() == Message("pong", b"1")
        await socket.close()
    headers = site.seen[-1].headers
    assert headers["origin"] == site.url.rstrip("/")
    assert headers["cookie"] == "sid=s1"
    assert headers["user-agent"] == "TestBrowser/1"
    assert not {"accept", "referer", "sec-fetch-mode"} & {name.lower() for name in headers}


async def test_a_refused_upgrade_is_renewed_for_once(site: TokenSite) -> None:
    async with EnteredRuntime(site) as runtime:
        await (await runtime.send("wiki", Request(url="/"))).aclose()
        site.token = "t2"
        socket = await opened(runtime)
        await socket.send(Message("text", b"x"))
        assert await socket.receive() == Message("text", b"x")
        await socket.close()
        assert (runtime.target.visits, site.refused) == (2, 1)


async def test_a_refusal_is_passed_on_with_its_body(site: TokenSite) -> None:
    async def forbidden(request: web.Request) -> web.Response:
        return web.json_response({"why": "not for you"}, status=418)

    site.routes["/ws"] = forbidden
    async with EnteredRuntime(site) as runtime:
        answer = await runtime.send("wiki", Request(url="/ws", websocket=(), repeatable=True))
        assert (answer.head.status, answer.websocket, await answer.read()) == (418, None, b'{"why": "not for you"}')


async def test_close_codes_are_those_that_were_sent(site: TokenSite) -> None:
    async with EnteredRuntime(site) as runtime:
        socket = await opened(runtime)
        await socket.send(Message("text", b"bye"))
        assert await socket.receive() == Message("close", b"so long", 4001)
        await socket.close(4001)
        for code, came in ((4321, 4321), (NO_STATUS, 0)):
            socket = await opened(runtime)
            CAME.clear()
            await socket.send(Message("close", b"", code))
            async with asyncio.timeout(5):
                await CAME.wait()
            assert CODES[-1] == came


async def test_a_lost_connection_is_no_close(site: TokenSite) -> None:
    async with EnteredRuntime(site) as runtime:
        socket = await opened(runtime)
        await socket.send(Message("text", b"drop"))
        with pytest.raises(Cut, match="without a close frame"):
            await socket.receive()
