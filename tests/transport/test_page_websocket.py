"""WebSockets by the live page, in a real Chromium: for the runtime, for the client and through the door."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import web

import doorkey
from doorkey import Request, Runtime
from doorkey.config.settings import ServiceSettings
from doorkey.errors import Changed, Cut, RequestError, SiteDown, SiteError
from doorkey.model.request import MiB
from doorkey.service.app import build_app, serve
from doorkey.transport.websocket import NO_STATUS, Message, WebSocket

from .paged import PagedSite, runtime_for, serving

pytestmark = pytest.mark.browser


class Chat:
    """Sends back what comes; "bye", "end" and "drop" end it, "flood" sends 40 MiB. `codes` are how it was closed."""

    def __init__(self) -> None:
        self.codes: asyncio.Queue[int | None] = asyncio.Queue()
        self.sent = 0
        self.stuck = asyncio.Event()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse(protocols=("chat.v2",), max_msg_size=0, compress=False, autoclose=False)
        await socket.prepare(request)
        async for message in socket:
            if message.data == "bye":
                await socket.close(code=4001, message="so lang, Grüße".encode())
            elif message.data == "end":
                await socket.send_frame(b"", aiohttp.WSMsgType.CLOSE)
                await socket.receive()
                assert request.transport is not None
                request.transport.close()
            elif message.data == "drop":
                assert request.transport is not None
                request.transport.abort()
            elif message.data == "flood":
                await self.flood(socket)
            elif message.type is aiohttp.WSMsgType.TEXT:
                await socket.send_str(message.data)
            else:
                await socket.send_bytes(message.data)
        self.codes.put_nowait(socket.close_code)
        if socket.close_code:
            await socket.close(code=socket.close_code)
        return socket

    async def flood(self, socket: web.WebSocketResponse) -> None:  # type: ignore[type-arg]  # generic only in stubs
        for self.sent in range(40):
            try:
                async with asyncio.timeout(0.3):
                    await asyncio.shield(sending := asyncio.ensure_future(socket.send_bytes(bytes([self.sent]) * MiB)))
            except TimeoutError:
                self.stuck.set()
                await sending


@pytest.fixture(scope="module")
async def shared() -> AsyncIterator[tuple[PagedSite, Runtime]]:
    async with serving(PagedSite()) as site, runtime_for(site) as runtime:
        yield site, runtime


@pytest.fixture
def chat(site: PagedSite) -> Chat:
    chat = Chat()
    site.routes["/ws"] = chat.handle
    return chat


@pytest.fixture
def site(shared: tuple[PagedSite, Runtime]) -> PagedSite:
    shared[0].seen.clear()
    return shared[0]


@pytest.fixture
def runtime(shared: tuple[PagedSite, Runtime]) -> Runtime:
    return shared[1]


async def opened(runtime: Runtime, url: str = "/ws", **more: object) -> WebSocket:
    asked = Request(url=url, websocket=("chat.v1", "chat.v2"), repeatable=True, **more)  # type: ignore[arg-type]
    answer = await runtime.send("wiki", asked)
    assert (answer.head.status, answer.transport) == (101, "page")
    assert answer.websocket is not None
    return answer.websocket


async def test_messages_go_both_ways_by_the_page(runtime: Runtime, site: PagedSite, chat: Chat) -> None:
    socket = await opened(runtime, "/ws?a=1", headers={"X-Mine": "m", "Accept-Language": "tlh"})
    assert socket.subprotocol == "chat.v2"
    for message in (
        Message("text", "Grüße 𝄞".encode()),
        Message("binary", "Grüße".encode()),
        Message("text", "\ufeffBOM\0".encode()),
        Message("text", b""),
        Message("binary", b""),
        Message("binary", bytes(range(256)) * 4096 * 2),
        Message("text", b"x" * (MiB + 1)),
    ):
        await socket.send(message)
        assert await socket.receive() == message
    await socket.send(Message("ping", b"1"))
    assert await socket.receive() == Message("pong", b"1")
    await socket.close()
    headers = site.seen[-1].headers
    assert site.seen[-1].raw_path == "/ws?a=1"
    assert (headers["origin"], headers["x-csrf"], headers["x-mine"]) == (site.url.rstrip("/"), "abc123", "m")
    assert headers["cookie"].startswith("sid=s")
    assert "HeadlessChrome" in headers["user-agent"]
    assert "tlh" not in headers["accept-language"]


async def test_headers_of_one_websocket_are_no_others(runtime: Runtime, site: PagedSite, chat: Chat) -> None:
    first, second = await asyncio.gather(
        opened(runtime, headers={"X-Mine": "1"}), opened(runtime, headers={"X-Other": "2"})
    )
    async with await runtime.send("wiki", Request(url="/echo")) as answer:
        await answer.read()
    found = [{name for name in ("x-mine", "x-other") if name in request.headers} for request in site.seen]
    assert sorted(map(sorted, found)) == [[], ["x-mine"], ["x-other"]]
    await first.close()
    await second.close()


async def test_the_sites_close_has_its_code_and_reason(runtime: Runtime, chat: Chat) -> None:
    socket = await opened(runtime)
    await socket.send(Message("text", b"bye"))
    assert await socket.receive() == Message("close", "so lang, Grüße".encode(), 4001)
    await socket.close(4001)
    socket = await opened(runtime)
    await socket.send(Message("text", b"end"))
    assert await socket.receive() == Message("close", b"", NO_STATUS)
    with pytest.raises(SiteDown):
        await socket.send(Message("text", b"too late"))


@pytest.mark.parametrize(("code", "came"), [(1000, 1000), (3000, 3000), (4999, 4999), (NO_STATUS, 0), (1001, 0)])
async def test_a_close_reaches_the_site_with_a_code_that_a_page_can_send(
    code: int, came: int, runtime: Runtime, chat: Chat
) -> None:
    socket = await opened(runtime)
    await socket.close(code, b"enough")
    async with asyncio.timeout(5):
        assert await chat.codes.get() == came


async def test_a_lost_connection_is_no_close(runtime: Runtime, chat: Chat) -> None:
    socket = await opened(runtime)
    await socket.send(Message("text", b"drop"))
    with pytest.raises(Cut, match="without a close frame: the connection was lost"):
        await socket.receive()


@pytest.mark.slow
async def test_a_site_waits_for_a_slow_reader(runtime: Runtime, chat: Chat) -> None:
    socket = await opened(runtime)
    await socket.send(Message("text", b"flood"))
    async with asyncio.timeout(60):
        await chat.stuck.wait()
    assert chat.sent < 28  # what the buffers on the way hold
    for at in range(40):
        message = await socket.receive()
        assert (message.kind, len(message.data), message.data[:1]) == ("binary", MiB, bytes([at]))
    await socket.send(Message("text", b"bye"))
    assert (await socket.receive()).code == 4001


async def test_a_refused_upgrade_is_renewed_for_once(site: PagedSite, runtime: Runtime, chat: Chat) -> None:
    dead: list[str] = []

    def gate(request: web.Request) -> web.StreamResponse | None:
        if not dead:
            dead.append(request.cookies["sid"])
            site.page = site.page.replace("abc123", "def456")
        return web.Response(status=401, text="log in") if request.cookies["sid"] in dead else None

    site.gate = gate
    try:
        answer = await runtime.send("wiki", Request(url="/ws", websocket=(), repeatable=True))
    finally:
        site.gate = lambda request: None
    assert (answer.head.status, answer.renewed) == (101, 1)
    await answer.aclose()


async def test_a_refusal_is_passed_on_as_a_request_of_the_page_can_read_it(site: PagedSite, runtime: Runtime) -> None:
    async def forbidden(request: web.Request) -> web.Response:
        return web.json_response({"why": "not for you"}, status=418)

    async def only_upgrades(request: web.Request) -> web.Response:
        return web.Response(status=410 if "upgrade" in request.headers else 200)

    site.routes |= {"/418": forbidden, "/410": only_upgrades}
    answer = await runtime.send("wiki", Request(url="/418", websocket=(), repeatable=True))
    assert (answer.head.status, answer.websocket, await answer.read()) == (418, None, b'{"why": "not for you"}')
    answer = await runtime.send("wiki", Request(url="/410", websocket=(), repeatable=True))
    assert (answer.head.status, answer.websocket, await answer.read()) == (410, None, b"")


async def test_what_a_page_cannot_open_is_told(runtime: Runtime, site: PagedSite, chat: Chat) -> None:
    async def unchosen(request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        return socket

    site.routes["/unchosen"] = unchosen
    with pytest.raises(RequestError, match="a subprotocol is not valid"):
        await runtime.send("wiki", Request(url="/ws", websocket=("a b",), repeatable=True))
    with pytest.raises(RequestError, match="these headers"):
        await runtime.send("wiki", Request(url="/ws", websocket=(), headers={"x price": "5"}, repeatable=True))
    with pytest.raises(Changed, match="opens no WebSocket"):
        await runtime.send("wiki", Request(url="/unchosen", websocket=("v1",), repeatable=True))
    await (await opened(runtime)).close()


async def test_a_page_that_closes_ends_it_with_an_error(site: PagedSite, chat: Chat) -> None:
    async with runtime_for(site) as runtime:
        socket = await opened(runtime)
        receiving = asyncio.create_task(socket.receive())
    with pytest.raises(Cut, match="without a close frame: the live page was closed"):
        await receiving


async def test_the_client_s_websocket_goes_by_the_page(runtime: Runtime, chat: Chat) -> None:
    async with doorkey.client("wiki", runtime=runtime) as wiki:
        async with wiki.ws_connect("/ws") as socket:
            await socket.send_json({"ä": 1})
            assert await socket.receive_json() == {"ä": 1}
            await socket.send_str("bye")
            assert [message async for message in socket] == []
            assert socket.close_code == 4001
        with pytest.raises(SiteError, match="HTTP 404"):
            await wiki.ws_connect("/nothing")


async def test_a_websocket_goes_through_the_door_by_the_page(runtime: Runtime, chat: Chat) -> None:
    app = build_app(runtime, service=ServiceSettings(), key="k", unread=5.0)
    async with (
        serve(app, "127.0.0.1", 0, shutdown=0.3) as base,
        aiohttp.ClientSession(base, headers={"x-api-key": "k"}) as client,
    ):
        async with client.ws_connect("/site/wiki/ws", protocols=("chat.v2",)) as socket:
            assert socket._response.headers["x-doorkey-transport"] == "page"
            await socket.send_str("Grüße")
            assert await socket.receive_str() == "Grüße"
            await socket.send_bytes(b"\0\xff")
            assert await socket.receive_bytes() == b"\0\xff"
            await socket.send_str("bye")
            message = await socket.receive()
            assert (message.type, message.data, message.extra) == (aiohttp.WSMsgType.CLOSE, 4001, "so lang, Grüße")
        async with client.ws_connect("/site/wiki/ws") as socket:
            await socket.close(code=4321, message=b"enough")
        async with asyncio.timeout(5):
            assert await chat.codes.get() == 4001
            assert await chat.codes.get() == 4321
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await client.ws_connect("/site/wiki/nothing")
        assert refused.value.status == 404
