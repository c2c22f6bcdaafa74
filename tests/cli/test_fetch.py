"""`doorkey fetch`: one request with the session, by curl's letters."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from .conftest import Done, Doorkey

SIZE = 30_000_000


class Wiki:
    """Hands out a token on its page, and tells back what it was sent with it."""

    def __init__(self) -> None:
        self.token = "t1"
        self.url = ""
        self.loads = 0

    async def page(self, request: web.Request) -> web.Response:
        self.loads += 1
        return web.Response(text=f'<meta name=csrf content="{self.token}">', content_type="text/html")

    async def api(self, request: web.Request) -> web.Response:
        body = await request.read()
        if request.headers.get("x-csrf") != self.token:
            return web.Response(text="<html>no</html>", content_type="text/html", status=403)
        sent = {"method": request.method, "path": request.raw_path, "kind": request.headers.get("content-type", "")}
        text = body[:1000].decode(errors="replace")
        return web.json_response({**sent, "length": len(body), "body": text, "mine": request.headers.get("x-mine")})

    async def big(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"content-length": str(SIZE), "set-cookie": "sid=secret"})
        await response.prepare(request)
        if request.method == "HEAD":
            return response
        for _ in range(SIZE // 1_000_000):
            await response.write(b"x" * 1_000_000)
        return response

    async def named(self, request: web.Request) -> web.Response:
        """Answer with a header that is no UTF-8."""
        assert request.transport is not None
        request.transport.write(b"HTTP/1.1 200 OK\r\nX-Name: \xdcbersicht\r\nConnection: close\r\n\r\nx")
        request.transport.close()
        raise ConnectionResetError

    async def never(self, request: web.Request) -> web.Response:
        return web.Response(text="you may not", status=403)


@pytest.fixture(scope="module")
def wiki(elsewhere: Any) -> Iterator[Wiki]:
    site = Wiki()
    app = web.Application(client_max_size=2 * SIZE)
    app.router.add_get("/", site.page)
    app.router.add_get("/big", site.big)
    app.router.add_get("/named", site.named)
    app.router.add_get("/never", site.never)
    app.router.add_route("*", "/api/{tail:.*}", site.api)
    with elsewhere(TestServer(app, host="127.0.0.1")) as server:
        site.url = str(server.make_url("/"))
        yield site


@pytest.fixture(scope="module")
def lines(wiki: Wiki, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The settings file: one store for all tests, so that only the first command that comes visits."""
    store = tmp_path_factory.mktemp("wiki") / "sessions.db"
    return "\n".join([
        "[sites.wiki]", 'provider = "web"', f'url = "{wiki.url}"', 'tokens.csrf = "meta[name=csrf]@content"',
        'send.header.X-CSRF = "{csrf}"', "[store]", f'url = "sqlite://{store}"',
    ])  # fmt: skip


@pytest.fixture
def fetch(quick: Callable[..., Done], home: Path, lines: str) -> Callable[..., Done]:
    """The command in this process."""
    (home / "doorkey.toml").write_text(lines)
    return lambda *arguments: quick("fetch", "wiki", *arguments)


@pytest.fixture
def process(doorkey: Doorkey, lines: str) -> Doorkey:
    (doorkey.folder / "doorkey.toml").write_text(lines)
    return doorkey


@pytest.mark.browser
@pytest.mark.slow
def test_each_letter_sends_what_curl_would(wiki: Wiki, fetch: Callable[..., Done]) -> None:
    Path("body.txt").write_bytes(b"a=1\n&b=2\n")
    form, js = "application/x-www-form-urlencoded", "application/json"
    expected = {
        ("/api/x",): ("GET", "/api/x", "", ""),
        ("/api/x", "-d", "a=1", "-d", "b=2"): ("POST", "/api/x", form, "a=1&b=2"),
        ("/api/x", "-d", "@body.txt"): ("POST", "/api/x", form, "a=1&b=2"),
        ("/api/x", "--data-binary", "@body.txt"): ("POST", "/api/x", form, "a=1\n&b=2\n"),
        ("/api/x", "--json", '{"a": 1}'): ("POST", "/api/x", js, '{"a": 1}'),
        ("/api/x?q=%2F", "-G", "-d", "a=1"): ("GET", "/api/x?q=%2F&a=1", "", ""),
        ("/api/x", "-X", "patch", "-d", "raw", "-H", "Content-Type: a/b"): ("PATCH", "/api/x", "a/b", "raw"),
        ("/api/x", "-T", "body.txt"): ("PUT", "/api/x", "", "a=1\n&b=2\n"),
    }  # fmt: skip
    assert fetch("/api/x").code == 0
    loads = wiki.loads
    for arguments, (method, path, kind, body) in expected.items():
        done = fetch(*arguments, "-H", "X-Mine: yes")
        assert (done.code, done.err) == (0, ""), arguments
        said = json.loads(done.out)
        assert said == {
            "method": method, "path": path, "kind": kind, "body": body, "length": len(body), "mine": "yes"
        }  # fmt: skip
    assert wiki.loads == loads


@pytest.mark.browser
@pytest.mark.slow
def test_verbose_says_how_it_was_judged_and_where_the_token_went(fetch: Callable[..., Done], wiki: Wiki) -> None:
    assert fetch("/api/x").code == 0
    done = fetch("/api/x", "-d", "a=1", "-v")
    assert json.loads(done.out)["body"] == "a=1"
    assert "  POST /api/x: HTTP 200 by direct, ok\n" in done.err
    assert "  token csrf was sent in the header X-CSRF\n" in done.err
    refused = fetch("/never", "-v")
    assert "GET /never: HTTP 403 by direct, " in refused.err
    assert wiki.token not in done.err + refused.err


@pytest.mark.browser
@pytest.mark.slow
async def test_a_form_with_files_and_a_pipe_are_sent_and_a_dead_session_is_renewed(
    wiki: Wiki, process: Doorkey
) -> None:
    (process.folder / "photo.png").write_bytes(b"\x89PNG")
    assert (await process("fetch", "wiki", "/api/x")).code == 0
    loads = wiki.loads
    wiki.token += "+"
    done = await process("fetch", "wiki", "/api/up", "-F", "file=@photo.png", "-F", "title=Key")
    said = json.loads(done.out)
    assert said["kind"].startswith("multipart/form-data; boundary=")
    assert 'name="file"; filename="photo.png"\r\nContent-Type: image/png\r\n\r\n' in said["body"]
    piped = await process("fetch", "wiki", "/api/up", "-T", "-", stdin=b"x" * SIZE)
    assert json.loads(piped.out)["length"] == SIZE
    assert wiki.loads == loads + 1


@pytest.mark.browser
@pytest.mark.slow
def test_an_answer_goes_to_a_file_a_head_to_the_terminal_and_a_status_to_the_exit_code(
    fetch: Callable[..., Done],
) -> None:
    assert fetch("/big", "-o", "big.bin").code == 0
    assert Path("big.bin").stat().st_size == SIZE
    head = fetch("/big", "-I")
    assert head.out.startswith("HTTP/1.1 200\r\n")
    assert f"Content-Length: {SIZE}" in head.out
    assert "secret" not in head.out
    assert fetch("/named", "-i", "-o", "named").code == 0
    assert b"\r\nX-Name: \xdcbersicht\r\n" in Path("named").read_bytes()
    missing = fetch("/nothing")
    assert (missing.code, missing.out) == (0, "404: Not Found")
    failed = fetch("/nothing", "-f")
    assert (failed.code, failed.out) == (1, "")
    assert "HTTP 404" in failed.err


@pytest.mark.browser
@pytest.mark.slow
async def test_a_refusal_is_the_sites_own_answer_and_an_exit_code(process: Doorkey) -> None:
    refused = await process("fetch", "wiki", "/never")
    assert (refused.code, refused.out) == (1, "you may not")
    assert "the site refused this request" in refused.err


@pytest.mark.browser
@pytest.mark.slow
async def test_a_reader_who_leaves_ends_it(process: Doorkey) -> None:
    fetching = await process.start("fetch", "wiki", "/big")
    assert fetching.stdout is not None
    assert await fetching.stdout.read(10) == b"x" * 10
    fetching.stdout._transport.close()  # type: ignore[attr-defined]  # as a pipe's reader leaves
    async with asyncio.timeout(30):
        assert await fetching.wait() == 141
        assert fetching.stderr is not None
        assert await fetching.stderr.read() == b""


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("nowhere", "/"), "no site is called 'nowhere'"),
        (("wiki", "//other.host/x"), "can be requested"),
        (("wiki", "https://other.host/x"), "outside of wiki"),
        (("wiki", "/", "-H", "Cookie: a=b"), "is set by the session"),
        (("wiki", "/", "-H", "nothing"), "Name: value"),
        (("wiki", "/", "-H", "a: b\r\nc: d"), "on one line"),
        (("wiki", "/", "-d", "a", "-F", "b=c"), "-d and -F exclude each other"),
        (("wiki", "/", "-X", "A B"), "expected a method"),
        (("wiki", "/", "-F", "nothing"), "NAME=CONTENT"),
        (("wiki", "/", "-d", "@nofile"), "nofile can't be read"),
        (("wiki", "/", "-T", "nofile"), "nofile can't be read"),
    ],
)
def test_what_can_not_be_sent_is_one_message_and_code_2(
    arguments: tuple[str, ...], told: str, quick: Callable[..., Any], tmp_path: Path
) -> None:
    settings = {"DOORKEY_SITES__WIKI__PROVIDER": "chatgptfree", "DOORKEY_SITES__WIKI__URL": "http://127.0.0.1:9/"}
    done = quick("fetch", *arguments, settings=settings)
    assert (done.code, done.out) == (2, "")
    assert told in done.err
