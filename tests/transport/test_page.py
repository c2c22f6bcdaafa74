"""The `page` transport, in a real Chromium: what `direct` carries it carries too, under the same limits."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import json
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import pytest
from aiohttp import web

from doorkey import Request, Runtime
from doorkey.errors import Changed, Cut, MayHaveArrived, RequestError
from doorkey.model.request import MiB, Part
from doorkey.model.upload import Upload

from .paged import PagedSite, runtime_for, serving

pytestmark = pytest.mark.browser
NOISE = bytes(range(256)) * 4096 * 3  # 3 MiB that are no text


@pytest.fixture(scope="module")
async def shared() -> AsyncIterator[tuple[PagedSite, Runtime]]:
    """One site and one runtime for all tests that leave them as they were."""
    async with serving(PagedSite()) as site, runtime_for(site) as runtime:
        yield site, runtime


@pytest.fixture
def site(shared: tuple[PagedSite, Runtime]) -> PagedSite:
    site, _ = shared
    site.release, site.left, site.arrived = asyncio.Event(), asyncio.Event(), asyncio.Semaphore(0)
    site.seen.clear()
    return site


@pytest.fixture
def runtime(shared: tuple[PagedSite, Runtime], site: PagedSite) -> Runtime:
    return shared[1]


async def fetched(runtime: Runtime, request: Request) -> tuple[Any, bytes]:
    async with await runtime.send("wiki", request) as answer:
        return answer, await answer.read()


async def echoed(runtime: Runtime, **request: Any) -> dict[str, Any]:
    _, body = await fetched(runtime, Request(url="/echo", **request))
    found: dict[str, Any] = json.loads(body)
    return found


async def test_an_answer_says_what_carried_it(runtime: Runtime) -> None:
    answer, body = await fetched(runtime, Request(url="/echo"))
    assert (answer.transport, answer.head.status, answer.head.media_type) == ("page", 200, "application/json")
    assert json.loads(body)["headers"]["x-csrf"] == "abc123"


async def test_what_arrives_is_a_request_of_the_sites_own_page(runtime: Runtime, site: PagedSite) -> None:
    headers = (await echoed(runtime, method="POST", json=1))["headers"]
    assert headers["origin"] == site.url.rstrip("/")
    assert headers["referer"] == site.url
    assert headers["sec-fetch-site"] == "same-origin"
    assert headers["cookie"].startswith("sid=s")
    assert "HeadlessChrome" in headers["user-agent"]


async def test_headers_that_a_page_cannot_set_are_left_to_the_browser(runtime: Runtime) -> None:
    found = await echoed(runtime, headers={"Accept-Language": "tlh", "DNT": "1", "Via": "me", "X-Mine": "1"})
    assert found["headers"]["x-mine"] == "1"
    assert not {"dnt", "via"} & found["headers"].keys()


async def test_the_bytes_of_headers_are_those_of_direct(runtime: Runtime, site: PagedSite) -> None:
    sent = b"caf\xe9", b"caf\xc3\xa9", b"\x83G\x83\x93 \x81\x8d", b"\xff\xfe\x80", b"\xe2\x82\xac"
    came: list[bytes] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        came.append(dict(request.raw_headers)[b"X-Name"])
        assert request.transport is not None
        lines = b"".join(b"X-Name: %s\r\n" % value for value in sent)
        request.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nConnection: close\r\n" + lines + b"\r\nx")
        request.transport.close()
        raise ConnectionResetError

    site.routes["/bytes"] = answer
    for value in sent:
        told = value.decode("utf-8", "surrogateescape")
        answered, _ = await fetched(runtime, Request(url="/bytes", headers={"X-Name": told}))
        values = [text for name, text in answered.head.headers.items() if name == "x-name"]
        assert [text.encode("utf-8", "surrogateescape") for text in values] == list(sent)
    assert tuple(came) == sent


async def test_every_body_arrives_as_it_was(runtime: Runtime) -> None:
    form = await echoed(runtime, method="POST", form={"a": "1 2", "ü": "€&="})
    assert form["text"] == "a=1+2&%C3%BC=%E2%82%AC%26%3D"
    assert form["headers"]["content-type"].startswith("application/x-www-form-urlencoded")
    value = await echoed(runtime, method="POST", json={"q": "grüß\u2028"})
    assert (value["text"], value["headers"]["content-type"]) == ('{"q":"grüß\u2028"}', "application/json")
    parts = (Part(name="t", data=b"x", media_type="text/plain"), Part(name="f", data=NOISE, filename="ü.bin"))
    several = await echoed(runtime, method="PUT", parts=parts)
    assert several["headers"]["content-type"].startswith("multipart/form-data; boundary=")
    assert several["size"] > len(NOISE)
    assert 'form-data; name="t"\r\n\r\nx\r\n' in several["text"]
    raw = await echoed(runtime, method="PATCH", body=NOISE)
    assert (raw["method"], raw["hash"]) == ("PATCH", hashlib.sha256(NOISE).hexdigest())
    nothing = await echoed(runtime, method="DELETE")
    assert (nothing["method"], nothing["size"]) == ("DELETE", 0)


async def test_an_upload_is_read_and_sent(runtime: Runtime) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for at in range(0, len(NOISE), 100_000):
            yield NOISE[at : at + 100_000]

    found = await echoed(runtime, method="POST", body=Upload(pieces()))
    assert found["hash"] == hashlib.sha256(NOISE).hexdigest()


async def test_bytes_come_back_as_they_were_sent(runtime: Runtime, site: PagedSite) -> None:
    async def image(request: web.Request) -> web.StreamResponse:
        return web.Response(body=NOISE, content_type="image/png")

    async def packed(request: web.Request) -> web.StreamResponse:
        return web.Response(body=gzip.compress(NOISE), headers={"content-encoding": "gzip"}, content_type="text/plain")

    async def latin(request: web.Request) -> web.StreamResponse:
        return web.Response(body=b"h\xe9\xff", headers={"content-type": "text/plain; charset=latin-1"})

    async def empty(request: web.Request) -> web.StreamResponse:
        return web.Response(status=204)

    site.routes |= {"/image": image, "/packed": packed, "/latin": latin, "/empty": empty}
    assert (await fetched(runtime, Request(url="/image")))[1] == NOISE
    answer, body = await fetched(runtime, Request(url="/packed"))
    assert body == NOISE
    assert "content-encoding" not in answer.head.headers
    assert (await fetched(runtime, Request(url="/latin")))[1] == b"h\xe9\xff"
    answer, body = await fetched(runtime, Request(url="/empty"))
    assert (answer.head.status, body) == (204, b"")
    answer, body = await fetched(runtime, Request(url="/image", method="HEAD"))
    assert (answer.head.headers["content-length"], body) == (str(len(NOISE)), b"")


async def test_tiny_answers_are_whole_however_fast_they_are(runtime: Runtime, site: PagedSite) -> None:
    async def tiny(request: web.Request) -> web.StreamResponse:
        return web.Response(body=request.query["n"].encode() + b"\xff")

    site.routes["/tiny"] = tiny
    for n in range(0, 60, 6):
        found = await asyncio.gather(*(fetched(runtime, Request(url=f"/tiny?n={n + k}")) for k in range(6)))
        assert [body for _, body in found] == [f"{n + k}".encode() + b"\xff" for k in range(6)]


async def test_eight_streams_at_a_time_never_mix(runtime: Runtime, site: PagedSite) -> None:
    async def one(n: int) -> bytes:
        return (await fetched(runtime, Request(url=f"/stream?n={n}")))[1]

    streams = [asyncio.create_task(one(n)) for n in range(8)]
    for _ in range(6):
        async with asyncio.timeout(20):
            await site.arrived.acquire()
    site.release.set()
    for n, body in enumerate(await asyncio.gather(*streams)):
        assert body.decode() == "".join(f"data: {n} {at}\n\n" for at in range(5))


async def test_pieces_are_passed_on_as_they_come(runtime: Runtime, site: PagedSite) -> None:
    async with await runtime.send("wiki", Request(url="/stream?n=a")) as answer, aclosing(answer.pieces()) as pieces:
        assert await anext(pieces) == b"data: a 0\n\n"
        site.release.set()
        rest = b"".join([piece async for piece in pieces])
    assert rest == b"data: a 1\n\ndata: a 2\n\ndata: a 3\n\ndata: a 4\n\n"


async def test_a_caller_who_leaves_ends_the_request_at_the_site(runtime: Runtime, site: PagedSite) -> None:
    async with await runtime.send("wiki", Request(url="/stream")):
        pass
    async with asyncio.timeout(10):
        await site.left.wait()


async def test_a_caller_who_is_cancelled_before_the_answer_ends_it_too(runtime: Runtime, site: PagedSite) -> None:
    async def silent(request: web.Request) -> web.StreamResponse:
        site.arrived.release()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            site.left.set()
            raise
        raise AssertionError

    site.routes["/silent"] = silent
    call = asyncio.create_task(runtime.send("wiki", Request(url="/silent")))
    await site.arrived.acquire()
    call.cancel()
    async with asyncio.timeout(10):
        await site.left.wait()


async def test_redirects_are_the_callers_unless_followed_and_never_lead_out(runtime: Runtime, site: PagedSite) -> None:
    async def moved(request: web.Request) -> web.StreamResponse:
        return web.Response(status=int(request.query["s"]), headers={"location": request.query["to"]})

    site.routes["/moved"] = moved
    answer, body = await fetched(runtime, Request(url="/moved?s=302&to=/echo"))
    assert (answer.head.status, answer.head.headers["location"], body) == (302, "/echo", b"")
    answer, body = await fetched(runtime, Request(url="/moved?s=303&to=/echo", method="POST", json=1, follow=1))
    assert (answer.head.url, json.loads(body)["method"]) == (site.url + "echo", "GET")
    with pytest.raises(Changed, match="may not go"):
        await fetched(runtime, Request(url="/moved?s=302&to=http://127.0.0.1:9/", follow=1))
    with pytest.raises(Changed, match="more than 1"):
        await fetched(runtime, Request(url="/moved?s=302&to=/moved?s=302%26to=/echo", follow=1))


async def test_an_upload_follows_a_redirect_although_it_is_too_long_to_be_kept(
    runtime: Runtime, site: PagedSite
) -> None:
    async def moved(request: web.Request) -> web.StreamResponse:
        await request.read()
        return web.Response(status=307, headers={"location": "/echo"})

    async def pieces() -> AsyncIterator[bytes]:
        yield b"some, "
        yield b"more"

    site.routes["/moved"] = moved
    _, body = await fetched(runtime, Request(url="/moved", method="POST", body=Upload(pieces(), keep=1), follow=1))
    assert json.loads(body)["text"] == "some, more"


async def test_statuses_and_failures_are_those_of_direct(runtime: Runtime, site: PagedSite) -> None:
    async def broken(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"content-length": "100"})
        await response.prepare(request)
        await response.write(b"the beginning")
        await site.release.wait()
        assert request.transport is not None
        request.transport.close()
        return response

    async def none(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    async def basic(request: web.Request) -> web.StreamResponse:
        return web.Response(status=404, headers={"www-authenticate": "Basic"}, text="who?")

    site.routes |= {"/broken": broken, "/none": none, "/basic": basic}
    answer, body = await fetched(runtime, Request(url="/nothing"))
    assert (answer.head.status, body) == (404, b"not here")
    assert (await fetched(runtime, Request(url="/basic")))[1] == b"who?"
    async with await runtime.send("wiki", Request(url="/broken")) as answer:
        pieces = answer.pieces()
        assert await anext(pieces) == b"the beginning"
        site.release.set()
        with pytest.raises(Cut):
            await anext(pieces)
    with pytest.raises(MayHaveArrived):
        await runtime.send("wiki", Request(url="/none", method="POST"))


@pytest.mark.parametrize(
    ("request_", "told"),
    [(Request(url="/echo", json=1), "no body with GET"), (Request(url="/echo", method="TRACE"), "can't send TRACE")],
)
async def test_what_a_page_cannot_send_is_said(runtime: Runtime, request_: Request, told: str) -> None:
    with pytest.raises(RequestError, match=told):
        await runtime.send("wiki", request_)


async def test_too_long_an_answer_is_not_held(runtime: Runtime, site: PagedSite) -> None:
    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            while True:
                await response.write(bytes(65536))
        except (asyncio.CancelledError, ConnectionError):
            site.left.set()
            raise

    site.routes["/endless"] = endless
    async with await runtime.send("wiki", Request(url="/endless")) as answer:
        with pytest.raises(Changed, match="longer than"):
            await answer.read(2 * MiB)
    async with asyncio.timeout(10):
        await site.left.wait()


async def test_a_long_answer_is_read_to_its_end(runtime: Runtime, site: PagedSite) -> None:
    async def long(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(30):
            await response.write(bytes(MiB))
        return response

    site.routes["/long"] = long
    size = 0
    async with await runtime.send("wiki", Request(url="/long")) as answer:
        async for piece in answer.pieces():
            size += len(piece)
    assert size == 30 * MiB
