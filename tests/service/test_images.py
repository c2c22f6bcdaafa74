from __future__ import annotations

import base64
from typing import Any

import aiohttp
import pytest
from double import DoubleRuntime

from doorkey.errors import SiteDown
from doorkey.model.chat import Image

CAT = Image(url="http://127.0.0.1:1/cat.png", data=b"\x89PNG", media_type="image/png")


async def draw(client: aiohttp.ClientSession, **more: Any) -> tuple[int, Any, Any]:
    body = {"model": "aichats/dalle", "prompt": "a cat", **more}
    async with client.post("/v1/images/generations", json=body) as response:
        return response.status, response.headers, await response.json()


@pytest.fixture(autouse=True)
def cat(runtime: DoubleRuntime) -> None:
    runtime.script = ([CAT],)


async def test_an_image_comes_itself(client: aiohttp.ClientSession, runtime: DoubleRuntime) -> None:
    status, _, body = await draw(client)
    assert status == 200
    assert base64.b64decode(body["data"][0]["b64_json"]) == CAT.data
    assert runtime.asked[0].kind == "image"


async def test_an_image_s_address_comes_on_request(client: aiohttp.ClientSession) -> None:
    _, _, body = await draw(client, response_format="url")
    assert body["data"] == [{"url": CAT.url}]


@pytest.mark.parametrize(
    ("more", "param"),
    [
        ({"n": 2}, "n"),
        ({"prompt": " "}, "prompt"),
        ({"response_format": "gif"}, "response_format"),
        ({"stream": True}, "stream"),
    ],
)
async def test_what_can_t_be_drawn_is_refused_by_name(
    client: aiohttp.ClientSession, more: dict[str, Any], param: str
) -> None:
    status, _, body = await draw(client, **more)
    assert (status, body["error"]["param"]) == (400, param)


async def test_words_in_place_of_an_image_are_a_failure(client: aiohttp.ClientSession, runtime: DoubleRuntime) -> None:
    runtime.script = (["I can't draw"],)
    status, headers, body = await draw(client)
    assert (status, body["error"]["code"], headers["x-should-retry"]) == (502, "site_changed", "false")


async def test_an_image_that_failed_is_not_to_be_asked_for_again_by_itself(
    client: aiohttp.ClientSession, runtime: DoubleRuntime
) -> None:
    runtime.script = (SiteDown("down", retry_after=3),)
    status, headers, _ = await draw(client)
    assert (status, headers["x-should-retry"]) == (503, "false")


@pytest.mark.parametrize(("model", "told"), [("aichats/dalle", "false"), ("aichats/gpt-4", None)])
async def test_nor_is_one_that_a_chat_asked_for(
    client: aiohttp.ClientSession, runtime: DoubleRuntime, model: str, told: str | None
) -> None:
    runtime.script = (SiteDown("down", retry_after=3),)
    question = {"model": model, "messages": [{"role": "user", "content": "a cat"}]}
    async with client.post("/v1/chat/completions", json=question) as response:
        assert (response.status, response.headers.get("x-should-retry")) == (503, told)
