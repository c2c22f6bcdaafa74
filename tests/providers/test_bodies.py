"""Tokens go into bodies of every kind, and the rest of a body stays as its caller wrote it."""

from __future__ import annotations

import gzip
import json
import threading
import zlib
from collections.abc import AsyncIterator, Callable

import pytest

from doorkey.errors import RequestError, TooLarge, UnsupportedBody
from doorkey.model.request import LARGE, Request, is_large
from doorkey.model.session import Session
from doorkey.model.upload import Upload
from doorkey.provider import Provider
from doorkey_providers.web.bodies import with_form, with_json
from doorkey_providers.web.content_coding import LARGEST
from entered import EnteredRuntime, token_site

FORM = {"content-type": "application/x-www-form-urlencoded"}
MULTIPART = {"content-type": "multipart/form-data; boundary=B"}
JSON = {"Content-Type": "application/json"}
PART = b'--B\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--B--\r\n'


def post(body: bytes | Upload, headers: dict[str, str], coding: str = "") -> Request:
    coded = {"Content-Encoding": coding} if coding else {}
    return Request(url="/a", method="POST", headers={**headers, **coded}, body=body)


def changed(request: Request) -> bytes:
    into = with_json if request.is_json else with_form
    body = into(request, {"t": "new"}).body
    assert isinstance(body, bytes)
    return body


def test_numbers_and_order_of_json_stay() -> None:
    assert changed(post(b'{"z": 1e400, "a":1.10}', JSON)) == b'{"z": 1e400, "a":1.10,"t":"new"}'


@pytest.mark.parametrize("media_type", ["application/vnd.api+json", "application/ld+json; charset=utf-8", "text/json"])
def test_every_type_of_json_is_json(media_type: str) -> None:
    assert changed(post(b"{}", {"content-type": media_type})) == b'{"t":"new"}'


@pytest.mark.parametrize("media_type", ["application/json-seq", "application/x-ndjson", "text/plain", "notjson"])
def test_what_is_no_json_document_is_left_alone(media_type: str) -> None:
    request = post(b"{}", {"content-type": media_type})
    assert with_json(request, {"t": "new"}) is request


@pytest.mark.parametrize("body", [b"[1]", b"7", b"{", b'{"a":1}\n{"a":2}', b"\xff\xfe"])
def test_what_is_no_object_is_for_the_site_to_judge(body: bytes) -> None:
    assert changed(post(body, JSON)) == body


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-16", "utf-32"])
def test_json_in_another_encoding_is_told(encoding: str) -> None:
    with pytest.raises(UnsupportedBody, match="send it in UTF-8"):
        changed(post('{"a":1}'.encode(encoding), JSON))


@pytest.mark.parametrize(
    ("coding", "pack", "unpack"),
    [
        ("gzip", gzip.compress, gzip.decompress),
        ("X-GZIP", gzip.compress, gzip.decompress),
        ("deflate", zlib.compress, zlib.decompress),
        ("identity", bytes, bytes),
    ],
)
def test_a_compressed_body_is_packed_again(
    coding: str, pack: Callable[[bytes], bytes], unpack: Callable[[bytes], bytes]
) -> None:
    assert unpack(changed(post(pack(b"a=1"), FORM, coding))) == b"a=1&t=new"
    assert unpack(changed(post(pack(b'{"a":1}'), JSON, coding))) == b'{"a":1,"t":"new"}'
    assert PART in unpack(changed(post(pack(PART), MULTIPART, coding)))


def test_a_gzip_body_may_have_several_members() -> None:
    assert (
        gzip.decompress(changed(post(gzip.compress(b"a=1", mtime=0) + gzip.compress(b"&b=2"), FORM, "gzip")))
        == b"a=1&b=2&t=new"
    )


@pytest.mark.parametrize("coding", ["br", "zstd", "gzip, br", "aes128gcm"])
def test_a_coding_that_can_not_be_undone_is_told(coding: str) -> None:
    with pytest.raises(UnsupportedBody, match="send it plain") as caught:
        changed(post(b"a=1", FORM, coding))
    assert (caught.value.status, caught.value.code) == (415, "unsupported_media_type")


@pytest.mark.parametrize(
    "body", [b"a=1", gzip.compress(b"a=1" * 99, mtime=0)[:20], gzip.compress(b"a=1", mtime=0) + b"rest"]
)
def test_a_body_that_is_not_in_its_coding_is_told(body: bytes) -> None:
    with pytest.raises(RequestError, match="as its Content-Encoding says"):
        changed(post(body, FORM, "gzip"))


def test_a_bomb_is_not_unpacked() -> None:
    with pytest.raises(TooLarge, match="at most"):
        changed(post(gzip.compress(b"a=" + bytes(LARGEST)), FORM, "gzip"))


def test_a_compressed_body_that_gets_no_token_stays() -> None:
    request = post(b"\x00br", {"content-type": "application/octet-stream"}, "br")
    assert with_form(request, {"t": "new"}) is request
    assert with_json(request, {"t": "new"}) is request


async def pieces(body: bytes) -> AsyncIterator[bytes]:
    yield body


def test_a_compressed_body_that_is_sent_while_it_is_read_takes_no_token() -> None:
    for headers in (FORM, MULTIPART):
        with pytest.raises(UnsupportedBody, match="while it is read"):
            with_form(post(Upload(pieces(b"")), headers, "gzip"), {"t": "new"})


def test_a_checksum_of_the_old_body_is_left_out() -> None:
    headers = {"Content-MD5": "x", "Content-Digest": "sha-256=:x:", "X-Mine": "kept", **FORM}
    assert with_form(post(b"a=1", headers), {"t": "new"}).headers == {"X-Mine": "kept", **FORM}


def test_a_large_or_compressed_body_is_large() -> None:
    assert is_large(post(bytes(LARGE + 1), {}))
    assert is_large(post(b"", {}, "gzip"))
    assert not is_large(post(b"a=1", FORM))
    assert not is_large(post(Upload(pieces(b"")), FORM))


async def test_a_large_body_is_changed_off_the_event_loop() -> None:
    class Dressing(Provider):
        threads: list[threading.Thread]

        def dress(self, request: Request, session: Session) -> Request:
            self.threads.append(threading.current_thread())
            return with_json(request, {"t": "new"}).with_headers(**{"x-token": "t1"})

    async with token_site() as site, EnteredRuntime(site) as runtime:
        provider = runtime.target.provider = Dressing(runtime.sites["wiki"])
        provider.threads = []
        for body in (b"{}", json.dumps({"a": "x" * LARGE}).encode()):
            async with await runtime.send("wiki", post(body, JSON)) as answer:
                assert answer.head.status == 200
        assert [thread is threading.main_thread() for thread in provider.threads] == [True, False]
        assert site.bodies[0] == b'{"t":"new"}'
        assert site.bodies[1].endswith(b'x","t":"new"}')
