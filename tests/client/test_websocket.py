"""A client's WebSocket: opened with the session, renewed for, and ended with true close codes."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

import doorkey
from doorkey.clients.aio import Client
from doorkey.errors import Changed, Cut, SessionRefused, SiteError

sys.path.insert(0, str(Path(__file__).parents[1]))
from entered import EnteredRuntime, TokenSite, token_site


@pytest.fixture
async def site() -> AsyncIterator[TokenSite]:
    async with token_site() as made:
        made.routes["/live"] = talk
        yield made


@pytest.fixture
async def wiki(site: TokenSite) -> AsyncIterator[Client]:
    async with EnteredRuntime(site) as runtime, doorkey.client("wiki", runtime=runtime) as client:
        yield client


async def talk(request: web.Request) -> web.StreamResponse:
    """Pings first, then sends back what comes; "bye" closes with 4001, "drop" breaks the connection off."""
    socket = web.WebSocketResponse(protocols=("v2",), autoping=False)
    await socket.prepare(request)
    await socket.ping(b"there?")
    pong = await socket.receive()
    assert (pong.type, pong.data) == (aiohttp.WSMsgType.PONG, b"there?") or pong.type is aiohttp.WSMsgType.TEXT
    await socket.send_str(f"{request.query_string} {request.headers.get('x-mine')}")
    async for message in socket:
        if message.data == "bye":
            await socket.close(code=4001, message=b"so long")
        elif message.data == "drop":
            assert request.transport is not None
            request.transport.abort()
        elif message.data == "garble":
            await socket.send_frame(b"\xff", aiohttp.WSMsgType.TEXT)
        elif message.type is aiohttp.WSMsgType.TEXT:
            await socket.send_str(message.data)
        elif message.type is aiohttp.WSMsgType.BINARY:
            await socket.send_bytes(message.data)
    return socket


async def test_messages_go_both_ways(wiki: Client, site: TokenSite) -> None:
    url = site.url.replace("http", "ws") + "live"
    async with wiki.ws_connect(url, protocols=("v1", "v2"), params={"a": 1}, headers={"X-Mine": "m"}) as socket:
        assert socket.protocol == "v2"
        assert await socket.receive_str() == "a=1 m"
        await socket.send_json({"ä": 1})
        assert await socket.receive_json() == {"ä": 1}
        await socket.send_bytes(b"\0\xff")
        assert await socket.receive_bytes() == b"\0\xff"
        await socket.send_str("text")
        with pytest.raises(TypeError, match="expected a binary message, received a text one"):
            await socket.receive_bytes()
        await socket.send_str("bye")
        assert [message async for message in socket] == []
        assert (socket.closed, socket.close_code) == (True, 4001)
        with pytest.raises(Cut, match="close code 4001"):
            await socket.receive_str()


async def test_a_dead_session_is_renewed_for_it(wiki: Client, site: TokenSite) -> None:
    await (await wiki.get("/")).read()
    site.token = "t2"
    async with wiki.ws_connect("/live") as socket:
        assert await socket.receive_str() == " None"
        assert socket.renewed == 1


async def test_a_lost_connection_has_the_code_of_one(wiki: Client) -> None:
    async with wiki.ws_connect("/live") as socket:
        await socket.receive_str()
        await socket.send_str("drop")
        assert (await socket.receive()).type is aiohttp.WSMsgType.CLOSED
        assert socket.close_code == 1006


async def test_a_text_that_is_no_utf_8_ends_it_as_in_browsers(wiki: Client) -> None:
    async with wiki.ws_connect("/live") as socket:
        await socket.receive_str()
        await socket.send_str("garble")
        assert (await socket.receive()).type is aiohttp.WSMsgType.CLOSED
        assert socket.close_code == 1007


@pytest.mark.parametrize(("status", "error"), [(404, SiteError), (200, Changed)])
async def test_a_site_that_opens_none_is_told(
    status: int, error: type[Exception], wiki: Client, site: TokenSite
) -> None:
    async def refuse(request: web.Request) -> web.Response:
        return web.Response(status=status)

    site.routes["/live"] = refuse
    with pytest.raises(error, match=f"/live .*HTTP {status}"):
        await wiki.ws_connect("/live")


async def test_a_refusal_of_fresh_sessions_too_is_told(wiki: Client, site: TokenSite) -> None:
    async def refuse(request: web.Request) -> web.Response:
        return web.Response(status=401)

    site.routes["/live"] = refuse
    with pytest.raises(SiteError, match="HTTP 401") as raised:
        await wiki.ws_connect("/live")
    assert not isinstance(raised.value, SessionRefused)
