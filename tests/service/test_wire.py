"""What the service does on the wire: bytes of headers, Expect, half-closed clients, limits of time and number."""

from __future__ import annotations

import asyncio
import gzip
import json
import logging
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest
from aiohttp import web

from doorkey.config.settings import ServiceSettings
from doorkey.service import body
from doorkey.service.app import build_app, serve
from doorkey.transport.direct import Limits

sys.path.insert(0, str(Path(__file__).parents[1]))
from wire import exchange

from entered import EnteredRuntime, TokenSite, until

KEY = "the-key"
OURS = f"Host: localhost\r\nx-api-key: {KEY}\r\n".encode()
END = b"Connection: close\r\n\r\n"


@pytest.fixture
async def runtime(site: TokenSite) -> AsyncIterator[EnteredRuntime]:
    async with EnteredRuntime(site, Limits(first_byte=5.0, idle=5.0)) as made:
        yield made


@pytest.fixture
async def base(runtime: EnteredRuntime) -> AsyncIterator[str]:
    service = ServiceSettings(origins=("https://my.example", "app://obsidian.md"))
    async with serve(build_app(runtime, service=service, key=KEY), "127.0.0.1", 0, shutdown=1.0) as url:
        yield url


def get(path: str, headers: bytes = b"", version: str = "1.1") -> bytes:
    return f"GET /site/wiki{path} HTTP/{version}\r\n".encode() + OURS + headers + END


async def hold(request: web.Request, gate: asyncio.Event) -> None:
    """Wait until *gate* is open. Raises ConnectionResetError when doorkey leaves before."""
    await until(lambda: gate.is_set() or request.transport is None or request.transport.is_closing())
    if not gate.is_set():
        raise ConnectionResetError


class RawSite:
    """A site that answers each request with the same bytes; the visit is not made over it."""

    def __init__(self, site: TokenSite, path: str, headers: list[tuple[str, str]], status: int = 200) -> None:
        async def answer(request: web.Request) -> web.StreamResponse:
            assert request.transport is not None
            lines = "".join(f"{name}: {value}\r\n" for name, value in headers)
            head = f"HTTP/1.1 {status} OK\r\n{lines}Content-Length: 1\r\nConnection: close\r\n\r\nx"
            request.transport.write(head.encode("latin-1"))
            request.transport.close()
            raise ConnectionResetError

        site.routes[path] = answer


@pytest.mark.parametrize(
    "value",
    ['attachment; filename="caf\xe9.pdf"', 'attachment; filename="\x83G\x83\x93.docx"', "caf\xc3\xa9", "\xff\xfe\x80"],
)
async def test_the_bytes_of_a_header_come_out_as_they_went_in(value: str, base: str, site: TokenSite) -> None:
    RawSite(site, "/file", [("Content-Disposition", value), ("X-Other", "plain")])
    came = await exchange(base, get("/file"))
    assert came.header("content-disposition") == value.encode("latin-1")
    assert came.header("x-other") == b"plain"


async def test_a_control_character_in_a_site_s_header_becomes_a_blank(base: str, site: TokenSite) -> None:
    RawSite(site, "/file", [("X-Odd", "a\x01b\x7fc")])
    assert (await exchange(base, get("/file"))).header("x-odd") == b"a b c"


@pytest.mark.parametrize(
    ("told", "want"),
    [
        ("/caf\xe9/x", b"/site/wiki/caf%E9/x"), ("/caf\xc3\xa9", b"/site/wiki/caf%C3%A9"),
        ("/a b", b"/site/wiki/a%20b"), ("/x?", b"/site/wiki/x?"), ("\\in", b"/site/wiki/in"),
        ("x#a b", b"/site/wiki/x#a%20b"), ("/%2e%2e/%2e%2e/api", b"/site/wiki/api"), ("http://[", b"http://["),
    ],
)  # fmt: skip
async def test_a_location_is_percent_encoded_as_browsers_do(told: str, want: bytes, base: str, site: TokenSite) -> None:
    RawSite(site, "/go", [("Location", told)], status=302)
    assert (await exchange(base, get("/go"))).header("location") == want


@pytest.mark.parametrize(
    ("name", "told", "want"),
    [
        ("link", '<{site}items?page=2>; rel="next"', '</site/wiki/items?page=2>; rel="next"'),
        ("link", '</a>; rel=prev, <{site}b>; t="<{site}c>"', '</site/wiki/a>; rel=prev, </site/wiki/b>; t="<{site}c>"'),
        ("link", "<https://other.host/x>; rel=preconnect", "<https://other.host/x>; rel=preconnect"),
        ("link", "<?page=3>; rel=next", "</site/wiki/list?page=3>; rel=next"),
        ("link", "no link at all", "no link at all"),
        ("refresh", "5; url={site}r", "5; url=/site/wiki/r"),
        ("refresh", "0;URL='{site}r?a=1'", "0;URL='/site/wiki/r?a=1'"),
        ("refresh", "0, /r", "0, /site/wiki/r"),
        ("refresh", "5", "5"),
        ("refresh", "5; url=https://other.host/", "5; url=https://other.host/"),
    ],
)  # fmt: skip
async def test_urls_of_the_site_lead_behind_the_door(
    name: str, told: str, want: str, base: str, site: TokenSite
) -> None:
    RawSite(site, "/list", [(name, told.replace("{site}", site.url))])
    came = (await exchange(base, get("/list"))).header(name)
    assert came is not None
    assert came.decode() == want.replace("{site}", site.url)


async def test_an_answer_without_a_content_type_gets_none(base: str, site: TokenSite) -> None:
    RawSite(site, "/none", [])
    came = await exchange(base, get("/none"))
    assert (came.status, came.header("content-type"), came.body) == (200, None, b"x")

    async def stream(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + b"y" * 100_000)
        request.transport.close()
        raise ConnectionResetError

    site.routes["/long"] = stream
    came = await exchange(base, get("/long"))
    assert (came.status, came.header("content-type")) == (200, None)


async def test_another_protocol_that_nobody_asked_for_is_told(base: str, site: TokenSite) -> None:
    RawSite(site, "/switch", [("Upgrade", "other"), ("Connection", "upgrade")], status=101)
    came = await exchange(base, get("/switch"))
    assert (came.status, came.error()["code"]) == (502, "site_changed")


async def test_vary_is_appended_to(base: str, site: TokenSite) -> None:
    RawSite(site, "/v", [("Vary", "Accept-Encoding"), ("Vary", "Cookie")])
    came = await exchange(base, get("/v", b"Origin: https://my.example\r\n"))
    assert came.header("vary") == b"Accept-Encoding, Cookie, Origin"
    RawSite(site, "/all", [("Vary", "*")])
    assert (await exchange(base, get("/all", b"Origin: https://my.example\r\n"))).header("vary") == b"*"
    assert (await exchange(base, get("/v"))).head.lower().count(b"vary:") == 2


async def test_the_origin_of_an_app_may_be_named(base: str) -> None:
    assert (await exchange(base, get("/x", b"Origin: app://obsidian.md\r\n"))).status == 200
    assert (await exchange(base, get("/x", b"Origin: app://other\r\n"))).status == 403


@pytest.mark.parametrize("version", ["1.0", "1.1"])
async def test_an_answer_that_is_cut_at_the_site_looks_cut(version: str, base: str, site: TokenSite) -> None:
    async def cut(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
        await asyncio.sleep(0)
        request.transport.close()
        raise ConnectionResetError

    site.routes["/cut"] = cut
    came = await exchange(base, get("/cut", version=version))
    assert came.reset or not came.data.endswith(b"0\r\n\r\n")
    if version == "1.0":
        assert came.reset or came.status == 502


PUT = b"PUT /site/wiki/up HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nExpect: %s\r\nx-api-key: %s\r\n" + END


async def first_line(base: str, data: bytes) -> bytes:
    parts = urlsplit(base)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    writer.write(data)
    async with asyncio.timeout(10):
        line = await reader.readline()
    writer.close()
    return line


async def test_continue_is_said_after_the_key_was_checked(base: str, site: TokenSite) -> None:
    assert b" 100 " in await first_line(base, PUT % (b"100-continue", KEY.encode()))
    assert b" 401 " in await first_line(base, PUT % (b"100-Continue", b"wrong"))
    assert b" 417 " in await first_line(base, PUT % (b"cake", KEY.encode()))
    unknown = (PUT % (b"100-continue", KEY.encode())).replace(b"/site/wiki/up", b"/nowhere")
    assert b" 404 " in await first_line(base, unknown)
    assert b" 401 " in await first_line(base, unknown.replace(KEY.encode(), b"wrong"))
    came = await exchange(base, PUT % (b"100-continue", KEY.encode()), b"hello")
    assert came.data.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK")
    assert site.bodies[-1] == b"hello"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Authorization": KEY}, 200),
        ({"Authorization": f"bearer  {KEY}"}, 200),
        ({"Authorization": "Basic " + "YW55OnRoZS1rZXk="}, 200),
        ({"Authorization": "Basic not-base64"}, 401),
        ({"Authorization": "Bearer sk-another", "x-api-key": KEY}, 200),
        ({"Authorization": f"Bearer {KEY}", "x-api-key": "another"}, 200),
        ({"Authorization": "sk-another", "x-api-key": "another"}, 401),
        ({"Authorization": ""}, 401),
    ],
)
async def test_the_key_is_found_where_clients_put_it(headers: dict[str, str], status: int, base: str) -> None:
    async with aiohttp.ClientSession(base) as client, client.get("/v1/models", headers=headers) as answer:
        assert answer.status == status
        assert KEY not in await answer.text()


@pytest.mark.parametrize("host", [b"Host: 10.1.2.3:8787\r\n", b"Host: doorkey\r\n", b""])
async def test_health_is_told_whatever_the_host_is(host: bytes, base: str) -> None:
    version = b"1.1" if host else b"1.0"
    assert (await exchange(base, b"GET /healthz HTTP/" + version + b"\r\n" + host + END)).status == 200
    assert (await exchange(base, b"GET /v1/models HTTP/" + version + b"\r\n" + host + END)).status in (400, 403)


async def test_a_half_closed_client_gets_its_answer_and_one_that_left_ends_its_call(base: str, site: TokenSite) -> None:
    gate, started, ended = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def slow(request: web.Request) -> web.Response:
        started.set()
        try:
            await hold(request, gate)
        except ConnectionResetError:
            ended.set()
            raise
        return web.Response(text="at last")

    async def leave() -> None:
        """Leave in the middle of a call, and wait until that was noticed."""
        started.clear()
        ended.clear()
        parts = urlsplit(base)
        _, writer = await asyncio.open_connection(parts.hostname, parts.port)
        writer.write(get("/slow"))
        await started.wait()
        writer.close()
        async with asyncio.timeout(5):
            await ended.wait()

    site.routes["/slow"] = slow
    for request in (get("/slow"), get("/slow").replace(END, b"\r\n")):
        gate.clear()
        started.clear()
        waiting = asyncio.create_task(exchange(base, request, half=True, limit=20))
        await started.wait()
        await leave()  # whoever left later was noticed: the one who waits was looked at, too
        gate.set()
        came = await waiting
        assert (came.status, came.body) == (200, b"at last")


@pytest.mark.parametrize(
    ("head", "body"),
    [
        (b"POST /site/wiki/x HTTP/1.1\r\n" + OURS + b"Content-Length: 9", b"half"),
        (b"POST /site/wiki/x HTTP/1.1\r\n" + OURS + b"Transfer-Encoding: chunked", b"9\r\nhalf"),
        (b"POST /v1/messages HTTP/1.1\r\n" + OURS + b"Content-Type: application/json\r\nContent-Length: 9", b"{"),
    ],
)
@pytest.mark.parametrize("at_once", [True, False])
async def test_a_half_closed_client_is_told_that_its_body_is_not_whole(
    head: bytes, body: bytes, at_once: bool, base: str, site: TokenSite
) -> None:
    pieces = (head + b"\r\n\r\n" + body,) if at_once else (head + b"\r\n\r\n", body)
    came = await exchange(base, *pieces, half=True, limit=10)
    assert (came.status, came.error()["code"], site.bodies) == (400, "invalid_body", [])


async def test_a_half_closed_client_that_asked_for_another_protocol_gets_its_answer(base: str, site: TokenSite) -> None:
    for request in (
        get("/x", b"Upgrade: websocket\r\n", "1.0"),
        b"CONNECT localhost:80 HTTP/1.1\r\n" + OURS + END,
    ):
        assert (await exchange(base, request, half=True)).status in (200, 404, 405)


@pytest.mark.parametrize("pieces", [1, 2, 9])
async def test_a_path_as_it_was_typed_is_percent_encoded(pieces: int, base: str, site: TokenSite) -> None:
    request = b"GET /site/wiki/\xc3\xbcber/\xe9?q=\xd1\x8f HTTP/1.1\r\n" + OURS + b"X-Name: \xe9\r\n" + END
    step = -(-len(request) // pieces)
    assert (await exchange(base, *(request[at : at + step] for at in range(0, len(request), step)))).status == 200
    assert site.seen[0].raw_path == "/%C3%BCber/%E9?q=%D1%8F"
    assert dict(site.seen[0].raw_headers)[b"x-name"] == b"\xe9"


async def test_a_slow_head_is_ended(runtime: EnteredRuntime) -> None:
    app = build_app(runtime, service=ServiceSettings(), key=KEY)
    async with serve(app, "127.0.0.1", 0, shutdown=1.0, head=0.5) as base:
        came = await exchange(base, b"GET / HTTP/1.1\r\nHost: localhost\r\n")
        assert (came.status, came.error()["code"]) == (408, "request_timeout")
        assert came.header("x-request-id")
        came = await exchange(base, get("/x")[:20], get("/x")[20:])
        assert came.status == 200


async def test_a_slow_body_is_ended(runtime: EnteredRuntime) -> None:
    app = build_app(runtime, service=ServiceSettings(), key=KEY)
    app[body.PIECE] = 0.2
    async with serve(app, "127.0.0.1", 0, shutdown=1.0) as base:
        head = (
            b"POST /v1/chat/completions HTTP/1.1\r\n"
            + OURS
            + b"Content-Type: application/json\r\nContent-Length: 9\r\n\r\n{"
        )
        came = await exchange(base, head)
        assert (came.status, came.error()["code"]) == (408, "request_timeout")


async def test_many_half_sent_requests_make_nobody_wait(
    runtime: EnteredRuntime, caplog: pytest.LogCaptureFixture
) -> None:
    app = build_app(runtime, service=ServiceSettings(), key=KEY)
    async with serve(app, "127.0.0.1", 0, shutdown=1.0, connections=50) as base:
        parts = urlsplit(base)
        writers = []
        for _ in range(200):
            _, writer = await asyncio.open_connection(parts.hostname, parts.port)
            writer.write(b"GET / HTTP/1.1\r\nHost: loc")
            writers.append(writer)
        async with asyncio.timeout(5):
            assert (await exchange(base, get("/x"))).status == 200
        for writer in writers:
            writer.close()
    assert len(caplog.records) < 5


async def test_more_busy_clients_than_there_is_room_for_are_told(
    runtime: EnteredRuntime, site: TokenSite, caplog: pytest.LogCaptureFixture
) -> None:
    gate = asyncio.Event()

    async def slow(request: web.Request) -> web.Response:
        await hold(request, gate)
        return web.Response(text="done")

    site.routes["/slow"] = slow
    app = build_app(runtime, service=ServiceSettings(), key=KEY)
    async with serve(app, "127.0.0.1", 0, shutdown=5.0, connections=2) as base:
        busy = [asyncio.create_task(exchange(base, get("/slow"))) for _ in range(2)]
        await until(lambda: len(site.seen) == 2)
        for _ in range(3):
            came = await exchange(base, get("/x"))
            assert came.reset or (came.status, came.error()["code"]) == (503, "too_many_connections")
        gate.set()
        assert [each.status for each in await asyncio.gather(*busy)] == [200, 200]
        assert (await exchange(base, get("/x"))).status == 200
    assert len([record for record in caplog.records if "refused" in record.message]) == 1


@pytest.mark.parametrize("coding", ["gzip", "deflate", "x-gzip"])
async def test_a_compressed_question_is_read(coding: str, base: str) -> None:
    import zlib

    plain = json.dumps({"model": "nobody", "messages": [{"role": "user", "content": "Hi"}]}).encode()
    packed = zlib.compress(plain) if coding == "deflate" else gzip.compress(plain)
    headers = {"x-api-key": KEY, "content-encoding": coding, "content-type": "application/json"}
    async with aiohttp.ClientSession(base, headers=headers) as client:

        async def ask(data: bytes, **more: Any) -> tuple[int, str]:
            async with client.post("/v1/completions", data=data, **more) as answer:
                return answer.status, (await answer.json())["error"]["code"]

        status, error = await ask(packed)
        assert (status, error) == (400, "invalid_request")  # it was read: it has no prompt
        assert (await ask(plain))[0] == 400
        assert (await ask(packed[:-9]))[0] == 400
        bomb = zlib.compress(b" " * (64 << 20)) if coding == "deflate" else gzip.compress(b" " * (64 << 20))
        assert await ask(bomb) == (413, "too_large")
        assert await ask(plain, headers={"content-encoding": "br"}) == (415, "unsupported_content_encoding")


async def test_what_is_under_way_may_end_and_the_rest_is_told(runtime: EnteredRuntime, site: TokenSite) -> None:
    gate = asyncio.Event()

    async def slow(request: web.Request) -> web.Response:
        await hold(request, gate)
        return web.Response(text="done")

    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"begun")
        await hold(request, asyncio.Event())
        return response

    site.routes["/slow"], site.routes["/endless"] = slow, endless
    app = build_app(runtime, service=ServiceSettings(), key=KEY)
    async with serve(app, "127.0.0.1", 0, shutdown=0.5) as base:
        quick = asyncio.create_task(exchange(base, get("/slow")))
        stuck = asyncio.create_task(exchange(base, get("/slow").replace(b"/slow", b"/slow?2")))
        stream = asyncio.create_task(exchange(base, get("/endless")))
        await until(lambda: len(site.seen) == 3)
        gate.set()
        assert (await quick).status == (await stuck).status == 200
        gate.clear()
        stuck = asyncio.create_task(exchange(base, get("/slow")))
        await until(lambda: len(site.seen) == 4)
    came = await stuck
    assert (came.status, came.error()["code"]) == (503, "service_stopped")
    came = await stream
    assert came.reset or not came.data.endswith(b"0\r\n\r\n")


async def test_nothing_of_a_request_is_logged_but_its_path(base: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "doorkey.service")
    token = "9a8b7c6d5e4f30219a8b7c6d5e4f3021"
    await exchange(base, get(f"/page/{token}?SECRET", b"X-A: SECRET\r\nAuthorization: SECRET\r\n"))
    await exchange(base, b"GET /SECRET HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
    assert "SECRET" not in caplog.text
    assert token not in caplog.text
    assert "GET /site/wiki/page/" in caplog.text


async def test_running_out_of_descriptors_makes_room_and_is_logged_once(
    runtime: EnteredRuntime, caplog: pytest.LogCaptureFixture
) -> None:
    app = build_app(runtime, service=ServiceSettings(), key=KEY)
    async with serve(app, "127.0.0.1", 0, shutdown=1.0) as base:
        parts = urlsplit(base)
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        writer.write(b"GET / HT")
        assert (await exchange(base, get("/x"))).status == 200
        loop = asyncio.get_running_loop()
        for _ in range(100):  # as asyncio tells it, once for each connection that waits
            loop.call_exception_handler({"message": "socket.accept() out of system resource"})
        async with asyncio.timeout(5):
            assert await reader.read() == b""
        writer.close()
    assert len([record for record in caplog.records if record.levelno >= logging.WARNING]) == 1
