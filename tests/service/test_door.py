"""The door: any program's plain HTTP, into the site and back, with the session added."""

from __future__ import annotations

import asyncio
import gzip
import io
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import pytest
from aiohttp import web

from doorkey.config.settings import ServiceSettings
from doorkey.service.app import build_app, serve
from doorkey.transport.direct import Limits

sys.path.insert(0, str(Path(__file__).parents[1]))
from entered import EnteredRuntime, TokenSite, until

KEY = "schlüssel-für-alle"
MiB = 1024 * 1024


@pytest.fixture
async def runtime(site: TokenSite) -> AsyncIterator[EnteredRuntime]:
    async with EnteredRuntime(site, Limits(first_byte=5.0, idle=5.0)) as made:
        yield made


@pytest.fixture
async def base(runtime: EnteredRuntime) -> AsyncIterator[str]:
    service = ServiceSettings(origins=("https://my.example",))
    async with serve(build_app(runtime, service=service, key=KEY), "127.0.0.1", 0) as url:
        yield url


@pytest.fixture
async def door(base: str) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(f"{base}/site/wiki/", headers={"x-api-key": KEY}) as session:
        yield session


async def raw(base: str, start: str, headers: str = "") -> bytes:
    """The answer to a request written by hand."""
    parts = urlsplit(base)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    head = f"{start}\r\nHost: {parts.netloc}\r\nX-Api-Key: {KEY}\r\nConnection: close\r\n{headers}\r\n"
    writer.write(head.encode())
    try:
        async with asyncio.timeout(10):
            return await reader.read()
    finally:
        writer.close()


async def test_a_request_goes_in_with_the_session_and_without_what_is_the_doors(
    door: aiohttp.ClientSession, site: TokenSite
) -> None:
    overrides = {
        "x-mine": "yes",
        "cookie": "a=b",
        "authorization": f"Bearer {KEY}",
        "user-agent": "curl/8",
        "accept": "x/y",
    }
    async with door.post("api/items?q=a+b%20c", data=b"hello", headers=overrides) as answer:
        assert (answer.status, await answer.text()) == (200, "POST /api/items?q=a+b%20c")
        assert answer.headers["x-doorkey-site"] == "wiki"
    seen = site.seen[0].headers
    assert (seen["x-token"], seen["cookie"], seen["user-agent"]) == ("t1", "sid=s1", "TestBrowser/1")
    assert (seen["x-mine"], seen["accept"], seen["origin"]) == ("yes", "x/y", site.url.rstrip("/"))
    assert [name for name in ("authorization", "x-api-key") if name in seen] == []
    assert site.bodies == [b"hello"]


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"])
async def test_every_method_goes_through(method: str, door: aiohttp.ClientSession, site: TokenSite) -> None:
    async with door.request(method, "x") as answer:
        assert answer.status == 200
        assert await answer.text() == ("" if method == "HEAD" else f"{method} /x")
        assert answer.headers["content-length"] == str(len(f"{method} /x"))
    assert site.seen[0].method == method


@pytest.mark.parametrize("query", ["a=%2F&b=/", "x=a+b&x=c", "e=&&=", "u=%e4%FC", 'q="<>|{}^`', "p=%25%"])
async def test_a_query_arrives_byte_for_byte(query: str, base: str, site: TokenSite) -> None:
    assert b" 200 " in await raw(base, f"GET /site/wiki/a%2Fb/c?{query} HTTP/1.1")
    assert site.seen[0].raw_path == f"/a%2Fb/c?{query}"


@pytest.mark.parametrize(
    "path",
    [
        "/site/wiki/../other/x", "/site/wiki/a/%2e%2e/b", "/site/wiki/a/..%2fb", "/site/wiki/%2e%2E%5cb",
        "/site/wiki/./x", "/site/wiki//other.host/x", "/site/wiki/\\other.host", "/site/wiki/a%0d%0aX:%20y",
        "/site/wiki/a%00", "/site/../site/wiki/x", "/site/", "/site//x", "http://other.host/site/wiki/x",
        "/site/wiki/#x",    ],
)  # fmt: skip
async def test_no_path_leads_elsewhere(path: str, base: str, site: TokenSite) -> None:
    answer = await raw(base, f"GET {path} HTTP/1.1")
    assert answer.split(b" ", 2)[1][:1] == b"4", answer
    assert site.seen == []


async def test_trace_would_show_the_cookies_and_is_refused(base: str, site: TokenSite) -> None:
    assert b" 405 " in await raw(base, "TRACE /site/wiki/ HTTP/1.1")
    assert site.seen == []


async def test_the_door_asks_for_the_key_the_host_and_the_origin(base: str, site: TokenSite) -> None:
    async with aiohttp.ClientSession(base) as client:
        for headers, status in (
            ({}, 401),
            ({"x-api-key": KEY, "host": "evil.example"}, 403),
            ({"x-api-key": KEY, "origin": "https://evil.example"}, 403),
            ({"x-api-key": KEY, "origin": "null"}, 403),
        ):
            async with client.get("/site/wiki/", headers=headers) as answer:
                assert answer.status == status
    assert site.seen == []


async def test_an_unknown_site_is_told(base: str) -> None:
    async with aiohttp.ClientSession(base, headers={"x-api-key": KEY}) as client, client.get("/site/wik/") as answer:
        assert (answer.status, (await answer.json())["error"]["code"]) == (404, "site_not_found")


async def test_cookies_stay_and_places_move_behind_the_door(door: aiohttp.ClientSession, site: TokenSite) -> None:
    places = {
        "/a": "/b?x=1#y", "/b": f"{site.url}c", "/c": "https://other.host/d", "/e": "f", "/g": "//other.host/h",
        "/i": "?again",
    }  # fmt: skip

    async def away(request: web.Request) -> web.Response:
        headers = {"location": places[request.path], "set-cookie": "sid=secret", "access-control-allow-origin": "*"}
        return web.Response(status=302, headers=headers)

    site.routes = dict.fromkeys(places, away)
    seen = {}
    for path in places:
        async with door.get(path[1:], allow_redirects=False) as answer:
            assert answer.status == 302
            assert [name for name in ("set-cookie", "access-control-allow-origin") if name in answer.headers] == []
            seen[path] = answer.headers["location"]
    assert seen == {
        "/a": "/site/wiki/b?x=1#y", "/b": "/site/wiki/c", "/c": "https://other.host/d", "/e": "/site/wiki/f",
        "/g": "//other.host/h", "/i": "/site/wiki/i?again",
    }  # fmt: skip


async def test_a_refused_body_is_sent_again_after_one_renewal(
    door: aiohttp.ClientSession, site: TokenSite, runtime: EnteredRuntime
) -> None:
    assert (await door.get("x")).status == 200
    site.token = "t2"
    body = b"x" * (3 * MiB)

    async def pieces() -> AsyncIterator[bytes]:
        for at in range(0, len(body), 100_000):
            yield body[at : at + 100_000]

    for data in (b"small", io.BytesIO(body), pieces()):
        async with door.post("save", data=data) as answer:
            assert (answer.status, await answer.text()) == (200, "POST /save")
        runtime.server.token += "!"
    assert [len(sent) for sent in site.bodies[1:]] == [5, len(body), len(body)]
    assert (site.refused, runtime.target.visits) == (3, 4)


async def test_twenty_refused_requests_share_one_renewal(
    door: aiohttp.ClientSession, site: TokenSite, runtime: EnteredRuntime
) -> None:
    assert (await door.get("x")).status == 200
    site.token = "t2"
    answers = await asyncio.gather(*(door.post("save", data=b"%d" % n) for n in range(20)))
    assert [answer.status for answer in answers] == [200] * 20
    assert sorted(site.bodies[1:]) == sorted(b"%d" % n for n in range(20))
    assert runtime.target.visits == 2


@pytest.mark.parametrize("reads_first", [True, False])
async def test_a_body_too_long_to_keep_gets_the_sites_own_refusal_and_the_next_is_accepted(
    reads_first: bool, door: aiohttp.ClientSession, site: TokenSite, runtime: EnteredRuntime
) -> None:
    assert (await door.get("x")).status == 200
    site.token, site.reads_first = "t2", reads_first
    body = b"x" * (9 * MiB)
    async with door.put("big", data=io.BytesIO(body)) as answer:
        assert (answer.status, await answer.text()) == (403, "<html>no</html>")
        assert answer.headers["x-doorkey-verdict"] == "blocked"
    async with door.put("big", data=io.BytesIO(body)) as answer:
        assert answer.status == 200
    assert (len(site.bodies[-1]), runtime.target.visits) == (len(body), 2)


async def test_what_a_fresh_session_is_refused_is_the_sites_own_answer(
    door: aiohttp.ClientSession, site: TokenSite
) -> None:
    async def forbidden(request: web.Request) -> web.Response:
        return web.json_response({"no": "entry"}, status=403)

    site.routes["/admin"] = forbidden
    async with door.get("admin") as answer:
        assert (answer.status, await answer.json()) == (403, {"no": "entry"})
        assert answer.headers["x-doorkey-renewed"] == "1"
    async with door.get("admin") as answer:
        assert (answer.status, answer.headers["x-doorkey-renewed"]) == (403, "0")


async def test_a_compressed_body_passes_untouched_and_is_judged_all_the_same(base: str, site: TokenSite) -> None:
    packed = gzip.compress(b"hello " * 1000)

    async def answer(request: web.Request) -> web.Response:
        assert request.headers["accept-encoding"] == "gzip;q=0.9"
        return web.Response(body=packed, headers={"content-encoding": "gzip", "content-type": "text/plain"})

    site.routes["/packed"] = answer
    came = await raw(base, "GET /site/wiki/packed HTTP/1.1", "Accept-Encoding: sdch, gzip;q=0.9, xpress\r\n")
    assert came.endswith(packed)
    assert b"content-encoding: gzip" in came.lower()


async def test_a_client_that_asks_for_no_compression_gets_none(base: str, site: TokenSite) -> None:
    await raw(base, "GET /site/wiki/x HTTP/1.1")
    assert site.seen[0].headers["accept-encoding"] == "identity"


async def test_a_compressed_upload_passes_untouched(base: str, site: TokenSite) -> None:
    packed = gzip.compress(b"hello")
    async with (
        aiohttp.ClientSession(base, headers={"x-api-key": KEY}) as client,
        client.post("/site/wiki/up", data=packed, headers={"content-encoding": "gzip"}) as answer,
    ):
        assert answer.status == 200
    assert site.seen[0].headers["content-encoding"] == "gzip"


async def test_ranges_and_conditions_pass(door: aiohttp.ClientSession, site: TokenSite) -> None:
    async def ranged(request: web.Request) -> web.Response:
        if request.headers.get("if-none-match") == '"1"':
            return web.Response(status=304, headers={"etag": '"1"'})
        assert request.headers["range"] == "bytes=2-3"
        return web.Response(status=206, body=b"cd", headers={"content-range": "bytes 2-3/9"})

    site.routes["/file"] = ranged
    async with door.get("file", headers={"range": "bytes=2-3"}) as answer:
        assert (answer.status, answer.headers["content-range"], await answer.read()) == (206, "bytes 2-3/9", b"cd")
    async with door.get("file", headers={"if-none-match": '"1"'}) as answer:
        assert (answer.status, answer.headers["etag"], await answer.read()) == (304, '"1"', b"")


async def test_the_answer_comes_while_it_is_made_and_a_client_that_leaves_ends_it(
    door: aiohttp.ClientSession, site: TokenSite
) -> None:
    ended = asyncio.Event()

    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        try:
            await response.write(b"data: 1\n\n")
            while request.transport is not None and not request.transport.is_closing():
                await response.write(b"data: more\n\n" * 1000)
        except ConnectionResetError:
            pass
        finally:
            ended.set()
        return response

    site.routes["/events"] = endless
    async with door.get("events") as answer:
        assert (await answer.content.readline()) == b"data: 1\n"
    async with asyncio.timeout(10):
        await ended.wait()


async def test_a_client_that_leaves_in_the_middle_of_its_upload_ends_the_one_to_the_site(
    base: str, site: TokenSite
) -> None:
    broke: list[type[BaseException]] = []

    async def take(request: web.Request) -> web.Response:
        try:
            await request.content.read()
        except BaseException as error:
            broke.append(type(error))
            raise
        return web.Response()

    site.routes["/up"] = take
    parts = urlsplit(base)
    _, writer = await asyncio.open_connection(parts.hostname, parts.port)
    head = f"PUT /site/wiki/up HTTP/1.1\r\nHost: {parts.netloc}\r\nX-Api-Key: {KEY}\r\nContent-Length: 1000000\r\n\r\n"
    writer.write(head.encode() + b"x" * 1000)
    await until(lambda: bool(site.seen))
    writer.close()
    await until(lambda: bool(broke))


async def test_an_answer_that_breaks_off_looks_broken_off(door: aiohttp.ClientSession, site: TokenSite) -> None:
    async def cut(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"some")
        assert request.transport is not None
        request.transport.close()
        return response

    site.routes["/cut"] = cut
    with pytest.raises(aiohttp.ClientPayloadError):
        async with door.get("cut") as answer:
            await answer.read()


async def test_both_ways_stream_at_once(door: aiohttp.ClientSession, site: TokenSite) -> None:
    async def echo(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        async for piece in request.content.iter_any():
            await response.write(piece)
        return response

    heard: asyncio.Queue[bytes] = asyncio.Queue()

    async def said() -> AsyncIterator[bytes]:
        for word in (b"one", b"two", b"three"):
            yield word
            async with asyncio.timeout(10):
                assert await heard.get() == word

    site.routes["/echo"] = echo
    async with door.post("echo", data=said()) as answer:
        async for piece in answer.content.iter_any():
            heard.put_nowait(piece)


async def test_a_download_larger_than_any_buffer_waits_for_its_reader(
    door: aiohttp.ClientSession, site: TokenSite
) -> None:
    sent = 0

    async def big(request: web.Request) -> web.StreamResponse:
        nonlocal sent
        response = web.StreamResponse(headers={"content-length": str(64 * MiB)})
        await response.prepare(request)
        for _ in range(64):
            await response.write(b"x" * MiB)
            sent += 1
        return response

    site.routes["/big"] = big
    async with door.get("big") as answer:
        got = len(await answer.content.readany())
        for _ in range(200):
            await asyncio.sleep(0)
        assert sent < 40
        async for piece in answer.content.iter_any():
            got += len(piece)
    assert got == 64 * MiB


async def test_a_page_of_another_origin_may_use_any_method_where_it_is_named(base: str) -> None:
    headers = {"origin": "https://my.example", "access-control-request-method": "DELETE"}
    async with aiohttp.ClientSession(base) as client, client.options("/site/wiki/x", headers=headers) as answer:
        assert answer.status == 204
        assert "DELETE" in answer.headers["access-control-allow-methods"]
