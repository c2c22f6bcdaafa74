"""Where requests may go, and aiohttp's errors in our words."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from doorkey.clock import SystemClock
from doorkey.errors import Changed, DoorkeyError, RequestError, SiteDown
from doorkey.model.request import Request
from doorkey.model.session import Key, Session
from doorkey.model.site import Site
from doorkey.model.urls import join_location
from doorkey.network.url_policy import PublicResolver, is_public, request_url
from doorkey.transport.direct import Direct
from doorkey.transport.stream import translated

PUBLIC = Site(name="wiki", url="https://wiki.example/app/")
PRIVATE = Site(name="home", url="http://127.0.0.1:8000/")


@pytest.mark.parametrize(
    ("url", "absolute"),
    [
        ("/", "https://wiki.example/"),
        ("/api/x?y=1", "https://wiki.example/api/x?y=1"),
        ("x", "https://wiki.example/app/x"),
        ("https://wiki.example/z", "https://wiki.example/z"),
        ("/a b", "https://wiki.example/a%20b"),
        ("a b?q=x y", "https://wiki.example/app/a%20b?q=x%20y"),
        ("/M\u00fcnchen?q=\u044f#part", "https://wiki.example/M%C3%BCnchen?q=%D1%8F"),
        ("/100%25;v=1?x=a%2Fb+c&t[]={1}", "https://wiki.example/100%25;v=1?x=a%2Fb+c&t[]={1}"),
        ("/x?", "https://wiki.example/x?"),
        ("x?", "https://wiki.example/app/x?"),
        ("https://wiki.example/x?", "https://wiki.example/x?"),
        ("https://WIKI.example:443/\u00fc", "https://wiki.example/%C3%BC"),
    ],
)
def test_a_path_is_one_of_the_sites_origin(url: str, absolute: str) -> None:
    assert request_url(Request(url=url), PUBLIC) == absolute


@pytest.mark.parametrize(
    "url",
    [
        "//other.example/", "/\\other.example/", "\\\\other.example", "https://wiki.example.evil/",
        "http://wiki.example/",
        "https://wiki.example:8443/", "https://wiki.example@evil.example/", "ftp://wiki.example/",
        "javascript:alert(1)", "/a\nb", "https://", "///evil.example",
    ],
)  # fmt: skip
def test_what_leaves_the_site_is_refused(url: str) -> None:
    with pytest.raises(RequestError):
        request_url(Request(url=url), PUBLIC)


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "10.0.0.1", "[::1]", "169.254.169.254", "localhost", "[::ffff:10.0.0.1]", "2130706433", "0x7f.1"],
)
def test_a_site_can_not_send_us_to_a_private_address(host: str) -> None:
    with pytest.raises(Changed, match="private"):
        request_url(Request(url=f"http://{host}/x.png", own_host=False), PUBLIC)
    assert request_url(Request(url="http://127.0.0.1:9/x.png", own_host=False), PRIVATE)


@pytest.mark.parametrize(
    ("address", "public"),
    [("8.8.8.8", True), ("2606:4700::1", True), ("192.168.1.1", False), ("fe80::1%eth0", False), ("224.0.0.1", False)],
)
def test_which_addresses_are_public(address: str, public: bool) -> None:
    assert is_public(address) is public


@pytest.mark.parametrize(
    ("url", "query", "absolute"),
    [
        ("/x", {"q": "a b&c"}, "https://wiki.example/x?q=a+b%26c"),
        ("/x?a=%2F", [("b", "1"), ("b", "2")], "https://wiki.example/x?a=%2F&b=1&b=2"),
        ("/x?", {"q": "1"}, "https://wiki.example/x?q=1"),
        ("/x?", {}, "https://wiki.example/x?"),
    ],
)
def test_a_query_is_added_to_what_the_url_has(url: str, query: object, absolute: str) -> None:
    assert request_url(Request(url=url, query=query), PUBLIC) == absolute  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("location", "absolute"),
    [
        ("/caf\udce9/x y", "https://wiki.example/caf%E9/x%20y"),
        ("caf\u00e9?q=\u00e9", "https://wiki.example/app/caf%C3%A9?q=%C3%A9"),
        (" /\tx\n ", "https://wiki.example/x"),
        ("\\\\other.example\\x", "https://other.example/x"),
        ("?", "https://wiki.example/app/?"),
        ("x?#y", "https://wiki.example/app/x?"),
        ('/<"a">?b=<', "https://wiki.example/%3C%22a%22%3E?b=%3C"),
        ("HTTPS://Other.example:443", "https://other.example"),
        ("https://wiki.example/../../x?y=/../z", "https://wiki.example/x?y=/../z"),
        ("%2e%2E/.%2e/x", "https://wiki.example/x"),
        ("https://wiki.example//../x", "https://wiki.example/x"),
    ],
)
def test_a_location_is_read_as_browsers_read_it(location: str, absolute: str) -> None:
    assert join_location(PUBLIC.url, location) == absolute


@pytest.mark.parametrize("body", [None, b"x", b"x" * 100_000])
async def test_header_bytes_that_are_no_utf8_arrive_as_they_came(body: bytes | None) -> None:
    came: list[bytes] = []

    async def answer(request: web.Request) -> web.Response:
        came.append(dict(request.raw_headers)[b"x-file"])
        return web.Response(body=await request.read())

    app = web.Application()
    app.router.add_post("/", answer)
    async with TestServer(app, host="127.0.0.1") as server, Direct(clock=SystemClock()) as direct:
        site = Site(name="home", url=str(server.make_url("/")))
        nobody = Session(key=Key("home", site.url), gen=0, url=site.url, born=0, soft=0, hard=0)
        for _ in range(2):
            sent = Request(url="/", method="POST", body=body, headers={"X-File": "\udcdcbersicht.pdf"})
            assert await (await direct.open(sent, nobody, site)).read(200_000) == (body or b"")
    assert came == [b"\xdcbersicht.pdf"] * 2


@pytest.mark.parametrize("path", ["/x?", "/x?a=", "/x?a=%2f+[]{}'", "/%e9;v=1?a=b?c"])
async def test_what_is_ascii_arrives_byte_for_byte(path: str) -> None:
    came: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        came.append(request.raw_path)
        return web.Response()

    app = web.Application()
    app.router.add_get("/{rest:.*}", answer)
    async with TestServer(app, host="127.0.0.1") as server, Direct(clock=SystemClock()) as direct:
        site = Site(name="home", url=str(server.make_url("/")))
        nobody = Session(key=Key("home", site.url), gen=0, url=site.url, born=0, soft=0, hard=0)
        (await direct.open(Request(url=path), nobody, site)).close()
    assert came == [path]


async def test_a_name_that_resolves_to_this_machine_is_refused() -> None:
    connector = aiohttp.TCPConnector(resolver=PublicResolver())
    async with aiohttp.ClientSession(connector=connector) as client:
        with pytest.raises(aiohttp.ClientConnectorError) as raised:
            await client.get("http://localhost:9/")
    ours = translated(raised.value)
    assert isinstance(ours, Changed)
    assert str(ours) == "localhost has a private address: refused, as the site is not configured on one"


async def test_redirects_are_followed_only_as_far_as_asked_and_never_out_of_the_site() -> None:
    async def hop(request: web.Request) -> web.Response:
        left = int(request.match_info["left"])
        raise web.HTTPFound(f"/hop/{left - 1}" if left else "http://other.example/")

    app = web.Application()
    app.router.add_get("/hop/{left}", hop)
    async with TestServer(app, host="127.0.0.1") as server, Direct(clock=SystemClock()) as direct:
        site = Site(name="home", url=str(server.make_url("/")))
        nobody = Session(key=Key("home", site.url), gen=0, url=site.url, born=0, soft=0, hard=0)
        stream = await direct.open(Request(url="/hop/2"), nobody, site)
        assert stream.head.status == 302
        stream.close()
        with pytest.raises(Changed, match="more than 1"):
            await direct.open(Request(url="/hop/5", follow=1), nobody, site)
        with pytest.raises(Changed, match="may not go"):
            await direct.open(Request(url="/hop/1", follow=3), nobody, site)


def _errors() -> Iterator[type[Exception]]:
    for _, found in inspect.getmembers(aiohttp, inspect.isclass):
        if issubclass(found, Exception) and not issubclass(found, Warning | StopAsyncIteration):
            yield found


def _made(kind: type[Exception]) -> Exception:
    info = aiohttp.RequestInfo(URL("http://x/?secret=1"), "GET", CIMultiDictProxy(CIMultiDict()), URL("http://x/"))
    error = kind.__new__(kind)
    for name, value in {
        "request_info": info,
        "status": 407,
        "os_error": OSError(111, "refused"),
        "message": "",
    }.items():
        try:
            setattr(error, f"_{name}" if isinstance(getattr(kind, name, None), property) else name, value)
        except AttributeError:
            continue
    return error


@pytest.mark.parametrize("kind", sorted(set(_errors()), key=lambda kind: kind.__name__))
def test_each_of_aiohttps_errors_is_one_of_ours(kind: type[Exception]) -> None:
    ours = translated(_made(kind))
    assert isinstance(ours, DoorkeyError)
    assert "secret" not in str(ours)


def test_what_never_arrived_is_known() -> None:
    assert translated(_made(aiohttp.ClientConnectorError)).arrived is False  # type: ignore[attr-defined]
    assert isinstance(translated(aiohttp.ServerDisconnectedError()), SiteDown)
    assert translated(aiohttp.ServerDisconnectedError()).arrived is True  # type: ignore[attr-defined]
