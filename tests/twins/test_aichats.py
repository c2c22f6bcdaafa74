"""The twin of AiChats: Yii2's signed cookies, a stream of bare lines, images."""

from __future__ import annotations

import json
import re
import struct
import zlib
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import pytest
from yarl import URL

from doorkey_providers.twins.aichats import AiChatsTwin
from doorkey_providers.twins.picture import png

if TYPE_CHECKING:
    from .conftest import Visit, Visitor


@pytest.fixture
async def twin() -> AsyncIterator[AiChatsTwin]:
    async with AiChatsTwin() as twin:
        yield twin


async def picture_of(visitor: Visitor) -> str:
    status, _, body = await visitor.ask("a cat", type="image")
    assert status == 200
    url: str = json.loads(body)["data"][0]["url"]
    return url


async def test_the_server_sets_a_session_and_a_signed_csrf_cookie(twin: AiChatsTwin, visit: Visit) -> None:
    cookies = (await visit(twin)).session.cookie_jar.filter_cookies(URL(twin.origin))
    assert sorted(cookies) == ["_csrf-front", "ai-chat-front", "muVyak", "muVyak_hits"]
    value = unquote(cookies["_csrf-front"].value)
    assert re.fullmatch(r'[0-9a-f]{64}a:2:\{i:0;s:11:"_csrf-front";i:1;s:32:"[\w-]{32}";\}', value)


@pytest.mark.parametrize(
    ("name", "reason"),
    [("ai-chat-front", "session"), ("_csrf-front", "csrf"), ("muVyak", "cookie"), ("muVyak_hits", "cookie")],
)
async def test_without_any_one_of_its_cookies_the_answer_is_yiis_400(
    twin: AiChatsTwin, visit: Visit, name: str, reason: str
) -> None:
    visitor = await visit(twin)
    visitor.session.cookie_jar.update_cookies({name: "forged"}, URL(twin.origin))
    status, _, body = await visitor.ask()
    assert status == 400
    assert b"Unable to verify your data submission." in body
    assert dict(twin.counts.refused_by) == {reason: 1}


async def test_a_second_page_load_keeps_the_session(twin: AiChatsTwin, visit: Visit) -> None:
    visitor = await visit(twin)
    before = visitor.session.cookie_jar.filter_cookies(URL(twin.origin))["ai-chat-front"].value
    await visitor.load()
    assert visitor.session.cookie_jar.filter_cookies(URL(twin.origin))["ai-chat-front"].value == before


async def test_each_data_line_is_a_piece_of_the_answer(twin: AiChatsTwin, visit: Visit) -> None:
    status, media_type, body = await (await visit(twin)).ask("Grüße 😀,\nwie geht's?")
    assert (status, media_type) == (200, "text/event-stream")
    pieces = [line[6:] for line in re.split(r"\r?\n", body.decode()) if line.startswith("data: ")]
    assert "".join(pieces) == "aichats heard: Grüße 😀, wie geht's?"
    assert len(pieces) > 3


async def test_an_image_lies_behind_the_sites_cookies(twin: AiChatsTwin, visit: Visit) -> None:
    visitor = await visit(twin)
    url = await picture_of(visitor)
    assert url.startswith(twin.origin + "/images/")
    async with visitor.session.get(url) as response:
        assert response.content_type == "image/png"
        assert (await response.read()).startswith(b"\x89PNG\r\n\x1a\n")
    twin.expire_cookies()
    async with visitor.session.get(url) as response:
        assert response.status == 403
    assert twin.counts.images == 1
    assert [fetch.accepted for fetch in twin.fetches] == [True, False]


async def test_an_image_may_lie_elsewhere(twin: AiChatsTwin, visit: Visit) -> None:
    twin.switch(image_elsewhere=True)
    visitor = await visit(twin)
    url = await picture_of(visitor)
    assert urlsplit(url).hostname != urlsplit(twin.origin).hostname
    async with visitor.session.get(url) as response:
        assert response.status == 200
    assert not twin.fetches[0].cookies


async def test_quota_and_backend_failure_are_plain_statuses(twin: AiChatsTwin, visit: Visit) -> None:
    visitor = await visit(twin)
    twin.switch(quota=True)
    assert (await visitor.ask())[0] == 429
    twin.switch(quota=False, backend_failure=True)
    assert (await visitor.ask())[:2] == (500, "text/html")


def test_a_picture_is_a_valid_png() -> None:
    data, at, names, pixels = png("a cat", size=8), 8, [], b""
    while at < len(data):
        size, name = struct.unpack(">I4s", data[at : at + 8])
        body = data[at + 8 : at + 8 + size]
        assert struct.unpack(">I", data[at + 8 + size : at + 12 + size])[0] == zlib.crc32(name + body)
        names.append(name)
        pixels += body if name == b"IDAT" else b""
        at += 12 + size
    assert names == [b"IHDR", b"IDAT", b"IEND"]
    assert len(zlib.decompress(pixels)) == 8 * (1 + 8 * 3)
    assert png("a cat") == png("a cat") != png("a dog")
