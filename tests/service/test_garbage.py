from __future__ import annotations

import io

import aiohttp
import pytest

PATH = "/v1/chat/completions"
JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff\xfe{}",
        b"[]",
        b'"text"',
        b'{"model": NaN}',
        b'{"model": "aichats", "messages": [{"role": "user", "content": "\\ud800"}]}',
        b"[" * 20_000 + b"]" * 20_000,
        b'{"model": ' + b'{"a":' * 20_000 + b"1" + b"}" * 20_001,
        b'{"seed": ' + b"9" * 10_000 + b"}",
    ],
    ids=["nothing", "half", "not UTF-8", "list", "text", "NaN", "surrogate", "brackets", "braces", "digits"],
)
async def test_a_body_that_is_no_request_is_400_in_the_error_shape(client: aiohttp.ClientSession, body: bytes) -> None:
    async with client.post(PATH, data=body, headers=JSON) as response:
        assert response.status == 400
        assert set((await response.json())["error"]) == {"message", "type", "param", "code"}


async def test_an_emoji_in_escapes_is_no_lone_surrogate(client: aiohttp.ClientSession) -> None:
    body = b'{"model": "aichats", "messages": [{"role": "user", "content": "\\ud83d\\ude00"}]}'
    async with client.post(PATH, data=body, headers=JSON) as response:
        assert response.status == 200


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nowhere", 404, "not_found"),
        ("POST", "/v1/embeddings", 404, "not_found"),
        ("GET", PATH, 405, "method_not_allowed"),
        ("GET", "/v1/models/aichats/gpt-5", 404, "model_not_found"),
        ("GET", "/api/sites/nobody", 404, "site_not_found"),
    ],
)
async def test_what_is_not_there_says_so_in_the_error_shape(
    client: aiohttp.ClientSession, method: str, path: str, status: int, code: str
) -> None:
    async with client.request(method, path) as response:
        assert response.status == status
        assert (await response.json())["error"]["code"] == code
        assert response.headers["x-request-id"]


async def test_another_content_type_is_415(client: aiohttp.ClientSession) -> None:
    async with client.post(PATH, data=b"{}", headers={"Content-Type": "text/plain"}) as response:
        assert response.status == 415
        assert (await response.json())["error"]["code"] == "unsupported_media_type"


async def test_a_prompt_of_seven_megabytes_is_taken_and_one_of_nine_is_413(client: aiohttp.ClientSession) -> None:
    for size, status in ((7, 200), (9, 413)):
        body = b'{"model": "aichats", "messages": [{"role": "user", "content": "' + b"a" * (size << 20) + b'"}]}'
        async with client.post(PATH, data=io.BytesIO(body), headers=JSON) as response:
            assert response.status == status
            if status == 413:
                assert (await response.json())["error"]["code"] == "too_large"


async def test_a_plain_request_id_of_the_client_is_kept(client: aiohttp.ClientSession) -> None:
    async with client.get("/healthz", headers={"x-request-id": "mine-1"}) as response:
        assert response.headers["x-request-id"] == "mine-1"
    async with client.get("/healthz", headers={"x-request-id": "not mine"}) as response:
        assert response.headers["x-request-id"] != "not mine"
