"""Malformed and smuggling requests, after the rules of RFC 9112: each ends in one clean error, and leaves no byte."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from doorkey.config.settings import ServiceSettings
from doorkey.service.app import build_app, serve

sys.path.insert(0, str(Path(__file__).parents[1]))
from wire import exchange

from entered import EnteredRuntime, TokenSite

KEY = "the-key-of-the-tests"
HOST = b"Host: localhost\r\n"
OURS = HOST + b"x-api-key: " + KEY.encode() + b"\r\n"
SECRET = b"SECRETVALUE"
SMUGGLED = b"GET /site/wiki/smuggled HTTP/1.1\r\n" + OURS + b"\r\n"
GET = b"GET /site/wiki/x HTTP/1.1\r\n"
POST = b"POST /site/wiki/x HTTP/1.1\r\n" + OURS
JSON = b"POST /v1/chat/completions HTTP/1.1\r\n" + OURS + b"Content-Type: application/json\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"


def line(text: bytes) -> bytes:
    """A request that begins with *text*."""
    return text + b"\r\n" + OURS + b"Connection: close\r\n\r\n"


def header(text: bytes) -> bytes:
    """A request with the header *text*."""
    return GET + OURS + text + b"\r\nConnection: close\r\n\r\n"


MALFORMED: dict[str, tuple[bytes, tuple[int, ...]]] = {
    # section 3: the request line
    "no version": (line(b"GET /SECRETVALUE"), (505,)),
    "HTTP/0.9": (line(b"GET /SECRETVALUE HTTP/0.9"), (505,)),
    "HTTP/1.2": (line(b"GET /SECRETVALUE HTTP/1.2"), (400,)),
    "HTTP/2.0": (line(b"GET /SECRETVALUE HTTP/2.0"), (505,)),
    "HTTP/11": (line(b"GET /SECRETVALUE HTTP/11"), (400,)),
    "http in lower case": (line(b"GET /SECRETVALUE http/1.1"), (400,)),
    "another protocol": (line(b"GET /SECRETVALUE ICY/1.1"), (400,)),
    "text behind the version": (line(b"GET / HTTP/1.1 SECRETVALUE"), (400,)),
    "two blanks": (line(b"GET  /nowhere HTTP/1.1"), (400, 404)),  # section 3 lets a server take them
    "a tab": (line(b"GET\t/SECRETVALUE HTTP/1.1"), (400,)),
    "a blank in the path": (line(b"GET /a SECRETVALUE HTTP/1.1"), (400,)),
    "a blank before the method": (line(b" GET /SECRETVALUE HTTP/1.1"), (400,)),
    "a method in lower case": (line(b"get /SECRETVALUE HTTP/1.1"), (400,)),
    "an unknown method": (line(b"SECRETVALUE / HTTP/1.1"), (400,)),
    "a method with a bracket": (line(b"GE(T /SECRETVALUE HTTP/1.1"), (400,)),
    "no path": (line(b"GET HTTP/1.1"), (400,)),
    "a path without a slash": (line(b"GET SECRETVALUE HTTP/1.1"), (400,)),
    "an asterisk for GET": (line(b"GET * HTTP/1.1"), (400,)),
    "NUL in the path": (line(b"GET /a\x00SECRETVALUE HTTP/1.1"), (400,)),
    "DEL in the path": (line(b"GET /a\x7fSECRETVALUE HTTP/1.1"), (400,)),
    "CR in the path": (line(b"GET /a\rSECRETVALUE HTTP/1.1"), (400,)),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03SECRETVALUE\r\n\r\n", (400,)),
    "HTTP/2's preface": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", (400,)),
    "an answer": (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", (400,)),
    "a PROXY line": (b"PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\n" + GET + OURS + b"\r\n", (400,)),
    "garbage": (bytes(range(128, 256)) + SECRET + b"\r\n\r\n", (400,)),
    "an absolute URL of another host": (line(b"GET http://other.host/v1/models HTTP/1.1"), (403,)),
    "an absolute URL without a host": (line(b"GET http:///SECRETVALUE HTTP/1.1"), (400,)),
    "CONNECT": (line(b"CONNECT other.host:443 HTTP/1.1"), (400, 404, 405)),
    "CONNECT without a port": (line(b"CONNECT /SECRETVALUE HTTP/1.1"), (400, 404, 405)),
    "TRACE": (line(b"TRACE /site/wiki/x HTTP/1.1"), (405,)),
    "a URL too long": (line(b"GET /site/wiki/" + SECRET * 7000 + b" HTTP/1.1"), (414,)),
    # section 3.2: Host
    "no Host": (GET + b"x-api-key: SECRETVALUE\r\n\r\n", (400,)),
    "two Hosts": (GET + HOST + OURS + b"\r\n", (400,)),
    "two Hosts, one foreign": (GET + OURS + b"Host: other.host\r\n\r\n", (400,)),
    "an empty Host": (GET + b"Host:\r\nx-api-key: SECRETVALUE\r\nConnection: close\r\n\r\n", (400, 403)),
    "a Host with a path": (GET + b"Host: localhost/SECRETVALUE\r\nConnection: close\r\n\r\n", (400, 403)),
    "a Host with a user": (GET + b"Host: SECRETVALUE@localhost\r\nConnection: close\r\n\r\n", (400, 403)),
    "a list of Hosts": (GET + b"Host: localhost, other.host\r\nConnection: close\r\n\r\n", (400, 403)),
    # section 5: headers
    "a blank before the colon": (header(b"X-A : SECRETVALUE"), (400,)),
    "a tab before the colon": (header(b"X-A\t: SECRETVALUE"), (400,)),
    "no colon": (header(b"SECRETVALUE"), (400,)),
    "no name": (header(b": SECRETVALUE"), (400,)),
    "a folded header": (header(b"X-A: a\r\n SECRETVALUE"), (400,)),
    "a folded first header": (GET + b" X-A: SECRETVALUE\r\n" + OURS + b"\r\n", (400,)),
    "NUL in a value": (header(b"X-A: SECRET\x00VALUE"), (400,)),
    "NUL behind the key": (GET + HOST + b"x-api-key: SECRETVALUE\x00\r\n\r\n", (400,)),
    "NUL in a name": (header(b"X-\x00A: SECRETVALUE"), (400,)),
    "a control character in a value": (header(b"X-A: SECRET\x01VALUE"), (400,)),
    "CR in a value": (header(b"X-A: SECRET\rVALUE"), (400,)),
    "CR CR LF": (header(b"X-A: SECRETVALUE\r"), (400,)),
    "a line feed alone": (GET.replace(b"\r", b"") + OURS.replace(b"\r", b"") + b"\n", (400,)),
    "a name with a slash": (header(b"X/A: SECRETVALUE"), (400,)),
    "a name in another charset": (header(b"X-\xe9: SECRETVALUE"), (400,)),
    "a header too long": (header(b"X-A: " + SECRET * 7000), (431,)),
    "a name too long": (header(b"X" * 70_000 + b": SECRETVALUE"), (431,)),
    "too many headers": (header(b"\r\n".join(b"X-%d: SECRETVALUE" % n for n in range(200))), (400, 431)),
    "two Content-Types": (JSON + b"Content-Type: text/plain\r\nContent-Length: 2\r\n\r\n{}", (400,)),
    "an old WebSocket": (header(b"Sec-WebSocket-Key1: SECRETVALUE"), (400,)),
    # section 6: how long a body is
    "both lengths": (POST + b"Content-Length: 4\r\n" + CHUNKED + b"\r\n0\r\n\r\n" + SMUGGLED, (400,)),
    "both, the other way": (POST + CHUNKED + b"Content-Length: 0\r\n\r\n1\r\nh\r\n0\r\n\r\n" + SMUGGLED, (400,)),
    "two lengths": (POST + b"Content-Length: 0\r\nContent-Length: 5\r\n\r\n" + SMUGGLED, (400,)),
    "two lengths alike": (POST + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello" + SMUGGLED, (400,)),
    "a list of lengths": (POST + b"Content-Length: 5, 5\r\n\r\nhello" + SMUGGLED, (400,)),
    "a negative length": (POST + b"Content-Length: -1\r\n\r\n" + SMUGGLED, (400,)),
    "a length with a plus": (POST + b"Content-Length: +5\r\n\r\nhello" + SMUGGLED, (400,)),
    "a length in hexadecimal": (POST + b"Content-Length: 0x5\r\n\r\nhello" + SMUGGLED, (400,)),
    "a length with a blank": (POST + b"Content-Length: 5 5\r\n\r\nhello" + SMUGGLED, (400,)),
    "a length with a point": (POST + b"Content-Length: 5.0\r\n\r\nhello" + SMUGGLED, (400,)),
    "an empty length": (POST + b"Content-Length:\r\n\r\n" + SMUGGLED, (400,)),
    "a length past 64 bits": (POST + b"Content-Length: 99999999999999999999\r\n\r\n" + SMUGGLED, (400,)),
    "a length in other digits": (POST + "Content-Length: ٥\r\n\r\nhello".encode() + SMUGGLED, (400,)),
    "chunked twice": (POST + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n" + SMUGGLED, (400,)),
    "two Transfer-Encodings": (POST + CHUNKED + CHUNKED + b"\r\n0\r\n\r\n" + SMUGGLED, (400,)),
    "chunked, then identity": (POST + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n" + SMUGGLED, (400,)),
    "identity": (POST + b"Transfer-Encoding: identity\r\n\r\n" + SMUGGLED, (400,)),
    "gzip alone": (POST + b"Transfer-Encoding: gzip\r\n\r\n" + SMUGGLED, (400,)),
    "gzip under chunked": (POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n" + SMUGGLED, (501,)),
    "identity under chunked": (POST + b"Transfer-Encoding: identity,chunked\r\n\r\n0\r\n\r\n" + SMUGGLED, (501,)),
    "an unknown coding": (POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + SMUGGLED, (400,)),
    "a quoted coding": (POST + b'Transfer-Encoding: "chunked"\r\n\r\n0\r\n\r\n' + SMUGGLED, (400,)),
    "a vertical tab in the coding": (POST + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n" + SMUGGLED, (400,)),
    "a blank behind Transfer-Encoding": (POST + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n" + SMUGGLED, (400,)),
    "a folded Transfer-Encoding": (POST + b"Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n" + SMUGGLED, (400,)),
    # section 7: chunks
    "a size that is no number": (JSON + CHUNKED + b"\r\nSECRETVALUE\r\nhello\r\n0\r\n\r\n" + SMUGGLED, (400,)),
    "a negative size": (JSON + CHUNKED + b"\r\n-5\r\nhello\r\n0\r\n\r\n" + SMUGGLED, (400,)),
    "a size with 0x": (JSON + CHUNKED + b"\r\n0x5\r\nhello\r\n0\r\n\r\n" + SMUGGLED, (400,)),
    "a size past 64 bits": (JSON + CHUNKED + b"\r\n" + b"f" * 17 + b"\r\nhello\r\n0\r\n\r\n" + SMUGGLED, (400,)),
    "an empty size": (JSON + CHUNKED + b"\r\n\r\nhello\r\n0\r\n\r\n" + SMUGGLED, (400,)),
    "a size with a blank": (JSON + CHUNKED + b"\r\n5 \r\nhello\r\n0\r\n\r\n" + SMUGGLED, (400,)),
    "a chunk that is longer": (JSON + CHUNKED + b"\r\n3\r\nSECRETVALUE\r\n0\r\n\r\n" + SMUGGLED, (400,)),
    "a size ended by a line feed": (JSON + CHUNKED + b"\r\n5\nhello\r\n0\r\n\r\n" + SMUGGLED, (400,)),
    "a chunk ended by a line feed": (JSON + CHUNKED + b"\r\n5\r\nhello\n0\r\n\r\n" + SMUGGLED, (400,)),
    "a line feed in an extension": (JSON + CHUNKED + b"\r\n5;a\nb\r\nhello\r\n0\r\n\r\n" + SMUGGLED, (400,)),
    "a malformed trailer": (JSON + CHUNKED + b"\r\n0\r\nSECRETVALUE\r\n\r\n" + SMUGGLED, (400,)),
    "a bad chunk through the door": (POST + CHUNKED + b"\r\n5\r\nhello\r\nSECRETVALUE\r\n" + SMUGGLED, (400,)),
    "chunks in HTTP/1.0": (
        b"POST /site/wiki/x HTTP/1.0\r\n" + OURS + CHUNKED + b"\r\n0\r\n\r\n" + SMUGGLED,
        (200, 400),
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
async def site() -> AsyncIterator[TokenSite]:
    from entered import token_site

    async with token_site() as made:
        yield made


@pytest.fixture(scope="module")
async def base(site: TokenSite) -> AsyncIterator[str]:
    async with (
        EnteredRuntime(site) as runtime,
        serve(build_app(runtime, service=ServiceSettings(), key=KEY), "127.0.0.1", 0, shutdown=1.0) as url,
    ):
        yield url


def test_there_are_enough() -> None:
    assert len(MALFORMED) >= 60


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("name", MALFORMED)
async def test_a_malformed_request_ends_in_one_clean_error(
    name: str, base: str, site: TokenSite, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    data, statuses = MALFORMED[name]
    came = await exchange(base, data)
    assert came.status in statuses, came.data[:300]
    assert len(re.findall(rb"HTTP/1\.[01] [0-9]{3} ", came.data)) == 1, came.data
    if came.status != 200:
        assert set(came.error()) == {"message", "type", "param", "code"}
        assert came.header("x-request-id")
        assert came.header("content-type") == b"application/json"
    logged = caplog.text.replace("\\x00", "")
    for text in (SECRET, b"SECRET\x00", b"SECRET\xe9", KEY.encode()):
        assert text not in came.data
        assert text.decode("latin-1") not in logged
    assert "Traceback" not in logged
    assert [request.path for request in site.seen if "smuggled" in request.path] == []
