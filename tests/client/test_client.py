"""A program's own client into a site: aiohttp's manners and requests' manners, one session for both."""

from __future__ import annotations

import asyncio
import gzip
import io
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

import doorkey
from doorkey.clients.aio import Client
from doorkey.clients.response import Response
from doorkey.clients.sync import SyncClient
from doorkey.errors import Blocked, Changed, RateLimited, RequestError, SiteError, UnknownSite

sys.path.insert(0, str(Path(__file__).parents[1]))
from entered import EnteredRuntime, TokenSite, token_site


@pytest.fixture
async def site() -> AsyncIterator[TokenSite]:
    async with token_site() as made:
        yield made


@pytest.fixture
async def runtime(site: TokenSite) -> AsyncIterator[EnteredRuntime]:
    async with EnteredRuntime(site) as made:
        yield made


@pytest.fixture
async def wiki(runtime: EnteredRuntime) -> AsyncIterator[Client]:
    async with doorkey.client("wiki", runtime=runtime) as made:
        yield made


async def test_a_request_carries_the_session(wiki: Client, site: TokenSite) -> None:
    async with wiki.get("/api/items", params={"page": 2}) as answer:
        assert (answer.status, await answer.text()) == (200, "GET /api/items?page=2")
        assert (answer.ok, answer.content_type, answer.url) == (True, "text/plain", f"{site.url}api/items?page=2")
    assert (site.seen[0].headers["x-token"], site.seen[0].headers["cookie"]) == ("t1", "sid=s1")


async def test_a_call_may_be_awaited_and_its_answer_read_twice(wiki: Client) -> None:
    answer = await wiki.delete("x")
    assert await answer.read() == await answer.read() == b"DELETE /x"


@pytest.mark.parametrize("method", ["get", "options", "post", "put", "patch", "delete"])
async def test_each_verb_is_sent(method: str, wiki: Client) -> None:
    answer = await getattr(wiki, method)("x")
    assert await answer.text() == f"{method.upper()} /x"


async def pieces() -> AsyncIterator[bytes]:
    yield b"ab"
    yield b"cd"


def file(name: str, content: bytes) -> io.BytesIO:
    made = io.BytesIO(content)
    made.name = name
    return made


@pytest.mark.parametrize(
    ("body", "kind", "sent"),
    [
        ({"json": {"ä": 1}}, "application/json", '{"ä":1}'.encode()),
        ({"data": "text"}, "text/plain; charset=utf-8", b"text"),
        ({"data": b"bytes"}, None, b"bytes"),
        ({"data": {"a": "1", "b": 2}}, "application/x-www-form-urlencoded", b"a=1&b=2"),
        ({"data": [("a", "1"), ("a", "2")]}, "application/x-www-form-urlencoded", b"a=1&a=2"),
        ({"data": {"a": ["1", "2"], "b": None}}, "application/x-www-form-urlencoded", b"a=1&a=2"),
        ({"data": file("f", b"of a file")}, None, b"of a file"),
        ({"data": [b"ab", b"cd"]}, None, b"abcd"),
        ({"data": b"{}", "headers": {"Content-Type": "application/x-mine"}}, "application/x-mine", b"{}"),
    ],
)
async def test_each_kind_of_body_arrives(
    body: dict[str, Any], kind: str | None, sent: bytes, wiki: Client, site: TokenSite
) -> None:
    assert (await wiki.post("x", **body)).status == 200
    assert (site.seen[0].headers.get("content-type"), site.bodies[0]) == (kind, sent)


async def test_a_form_with_files_is_multipart(wiki: Client, site: TokenSite) -> None:
    fields: dict[str, tuple[str | None, str, bytes]] = {}

    async def take(request: web.Request) -> web.Response:
        assert request.content_length is not None
        for name, value in (await request.post()).items():
            if isinstance(value, web.FileField):
                fields[name] = (value.filename, value.content_type, value.file.read())
                value.file.close()
            else:
                fields[name] = (None, "", str(value).encode())
        return web.Response()

    site.routes["/up"] = take
    form = {"a": "ä", "b": file("key.png", b"\x89PNG"), "c": ('q"\r\n.bin', b"raw", "x/y")}
    assert (await wiki.post("up", data=form)).status == 200
    assert fields == {
        "a": (None, "", "ä".encode()),
        "b": ("key.png", "image/png", b"\x89PNG"),
        "c": ("q%22%0D%0A.bin", "x/y", b"raw"),
    }


async def test_a_field_with_several_values_is_several_parts_and_none_is_no_part(wiki: Client, site: TokenSite) -> None:
    parts: list[tuple[str, object]] = []

    async def take(request: web.Request) -> web.Response:
        parts.extend((await request.post()).items())
        return web.Response()

    site.routes["/up"] = take
    form = {"tag": ["a", "b"], "gone": None, "f": [("1.txt", b"one"), ("2.txt", b"two")]}
    assert (await wiki.post("up", data=form)).status == 200
    assert parts[:2] == [("tag", "a"), ("tag", "b")]
    assert [name for name, _ in parts[2:]] == ["f", "f"]


async def test_a_text_file_arrives_whole(wiki: Client, site: TokenSite, tmp_path: Path) -> None:
    path = tmp_path / "umlauts.txt"
    path.write_bytes("äöü\r\nende".encode())
    with path.open(encoding="utf-8") as text:
        await wiki.post("x", data=text)
    await wiki.post("x", data=io.StringIO("äöü"))
    await wiki.post("x", data={"f": ("a.txt", io.StringIO("äöü"))})
    assert site.bodies[:2] == ["äöü\nende".encode(), "äöü".encode()]
    assert "äöü".encode() in site.bodies[2]


async def test_an_upload_of_unknown_length_is_sent_again_when_refused(
    wiki: Client, site: TokenSite, runtime: EnteredRuntime
) -> None:
    await wiki.get("x")
    site.token = "t2"
    answer = await wiki.post("x", data=pieces())
    assert (answer.status, answer.renewed, site.bodies[-1]) == (200, 1, b"abcd")
    assert runtime.target.visits == 2


async def test_an_error_in_the_callers_own_iterator_comes_back_as_it_is(wiki: Client) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"x"
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        await wiki.post("x", data=broken())


async def test_an_answer_streams_in_pieces_and_lines(wiki: Client, site: TokenSite) -> None:
    async def lines(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for piece in (b"one\ntw", b"o\nth", b"ree"):
            await response.write(piece)
        return response

    site.routes["/lines"] = lines
    async with wiki.get("lines") as answer:
        assert [line async for line in answer.content] == [b"one\n", b"two\n", b"three"]
    async with wiki.get("lines") as answer:
        chunks = [chunk async for chunk in answer.content.iter_chunked(4)]
        assert max(map(len, chunks)) <= 4
        assert b"".join(chunks) == b"one\ntwo\nthree"


async def test_leaving_an_answer_ends_it_at_the_site(wiki: Client, site: TokenSite) -> None:
    ended = asyncio.Event()

    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            while True:
                await response.write(b"x" * 10_000)
        finally:
            ended.set()

    site.routes["/endless"] = endless
    async with wiki.get("endless") as answer:
        async for _ in answer.content.iter_any():
            break
    async with asyncio.timeout(10):
        await ended.wait()


async def test_redirects_are_followed_unless_they_lead_to_a_login_page(
    wiki: Client, site: TokenSite, runtime: EnteredRuntime
) -> None:
    async def on(request: web.Request) -> web.Response:
        return web.Response(status=302, headers={"location": "/there?x=1#y"})

    async def login(request: web.Request) -> web.Response:
        return web.Response(status=302, headers={"location": "/login"})

    site.routes |= {"/on": on, "/private": login}
    answer = await wiki.post("on", data={"a": "b"})
    assert (await answer.text(), answer.url) == ("GET /there?x=1", f"{site.url}there?x=1")
    assert (await wiki.get("on", allow_redirects=False)).status == 302
    answer = await wiki.get("private")
    assert (answer.status, answer.refused, runtime.target.visits) == (302, True, 2)


async def test_only_the_sites_own_origin_is_reached(wiki: Client, site: TokenSite) -> None:
    for url in ("http://other.host/x", "//other.host/x", "file:///etc/passwd", "/\\other.host", "/a\r\nX: y"):
        with pytest.raises(RequestError):
            await wiki.get(url)
    with pytest.raises(ValueError, match="line break"):
        await wiki.get("x", headers={"a": "b\r\nc: d"})
    with pytest.raises(ValueError, match="cookie"):
        await wiki.get("x", headers={"Cookie": "a=b"})
    assert site.seen == []


@pytest.mark.parametrize(("status", "error"), [(404, SiteError), (403, Blocked), (429, RateLimited), (500, SiteError)])
async def test_raise_for_status_has_an_error_for_each(
    status: int, error: type[Exception], wiki: Client, site: TokenSite
) -> None:
    async def answer(request: web.Request) -> web.Response:
        return web.json_response({"status": status}, status=status)

    site.routes["/x"] = answer
    answered = await wiki.get("x")
    assert await answered.json() == {"status": status}
    with pytest.raises(error, match=str(status)):
        answered.raise_for_status()


async def test_what_is_no_json_is_told(wiki: Client) -> None:
    with pytest.raises(Changed, match="JSON"):
        await (await wiki.get("x")).json()


async def test_a_site_that_is_not_configured_is_told_when_the_client_is_opened(tmp_path: Path) -> None:
    with pytest.raises(UnknownSite):
        async with doorkey.client("nowhere"):
            pass


@pytest.fixture
def blocking(site: TokenSite) -> Iterator[SyncClient]:
    """Its runtime lives on the client's own loop; the site on the test's."""
    with SyncClient("wiki", EnteredRuntime(site)) as made:
        yield made
        made.wait(made._client._given.close())  # type: ignore[union-attr]


async def test_the_blocking_client_speaks_as_requests_does(blocking: SyncClient, site: TokenSite) -> None:
    def program() -> None:
        answer = blocking.post("/api", params={"a": "1"}, json={"b": 2}, headers={"Accept": "application/json"})
        answer.raise_for_status()
        assert (answer.status_code, answer.ok, answer.text) == (200, True, "POST /api?a=1")
        assert answer.headers["Content-Type"].startswith("text/plain")
        assert blocking.post("/up", files={"f": ("a.txt", io.BytesIO(b"hi"))}, data={"x": "y"}).content == b"POST /up"
        with blocking.get("/big", stream=True) as big:
            assert sum(len(piece) for piece in big.iter_content(1000)) == 300_000
        with blocking.get("/big", stream=True) as big:
            assert next(big.iter_content(10)) == b"x" * 10
        assert list(blocking.get("/lines", stream=True).iter_lines()) == [b"a", b"b"]
        assert blocking.put("/gen", data=(b"%d" % n for n in range(3))).status_code == 200

    async def big(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(300):
            await response.write(b"x" * 1000)
            await asyncio.sleep(0)
        return response

    async def lines(request: web.Request) -> web.Response:
        return web.Response(body=b"a\r\nb\n")

    site.routes |= {"/big": big, "/lines": lines}
    await asyncio.to_thread(program)
    assert site.bodies[-1] == b"012"


def test_a_blocking_client_that_was_not_opened_says_so() -> None:
    with pytest.raises(RuntimeError, match="with"):
        SyncClient("wiki").get("/")


async def test_a_body_is_held_only_so_far(wiki: Client, site: TokenSite) -> None:
    async def bomb(request: web.Request) -> web.Response:
        packed = gzip.compress(bytes(70 * 1024 * 1024))
        return web.Response(body=packed, headers={"content-encoding": "gzip"})

    site.routes["/bomb"] = bomb
    for read in (Response.read, Response.text, Response.json):
        with pytest.raises(
            Changed, match="longer than 67108864 bytes; pass a higher `limit`, or iterate over `content`"
        ):
            await read(await wiki.get("/bomb"))
    assert len(await (await wiki.get("/bomb")).read(limit=None)) == 70 * 1024 * 1024
    with pytest.raises(Changed, match="longer than 4 bytes"):
        await (await wiki.get("/")).read(limit=4)
    assert sum([len(piece) async for piece in (await wiki.get("/bomb")).content.iter_any()]) == 70 * 1024 * 1024


async def test_a_body_that_was_read_outlives_the_blocking_client(site: TokenSite) -> None:
    def work() -> tuple[bytes, str]:
        runtime = EnteredRuntime(site)
        with SyncClient("wiki", runtime) as made:
            with made.get("/x") as answer:
                pass
            with pytest.raises(Changed, match="pass a higher `limit`"):
                made.get("/x", limit=4)
            made.wait(runtime.close())
        return answer.content, answer.text

    assert await asyncio.to_thread(work) == (b"GET /x", "GET /x")
