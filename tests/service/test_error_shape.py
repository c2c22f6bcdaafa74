"""Refusals before any handler, in the shape that the clients of each API read."""

from __future__ import annotations

import io

import aiohttp
import pytest

from doorkey.model.request import MiB

PATHS = ("/v1/messages", "/messages", "/v1/messages/count_tokens", "/v1/messages/batches/x", "/v1/messages/")
FOREIGN = {"Host": "evil.example"}, {"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}


async def read_type(response: aiohttp.ClientResponse) -> tuple[int, str]:
    assert "x-request-id" in response.headers
    body = await response.json()
    assert body["type"] == "error"
    assert body["error"]["message"]
    return response.status, body["error"]["type"]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("headers", [{}, {"x-api-key": "wrong"}, {"Authorization": "Bearer wrong"}])
async def test_a_missing_or_wrong_key_is_anthropic_s_authentication_error(
    base: str, path: str, headers: dict[str, str]
) -> None:
    async with aiohttp.ClientSession(base) as session, session.post(path, headers=headers, json={}) as response:
        assert await read_type(response) == (401, "authentication_error")


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("headers", FOREIGN)
async def test_a_foreign_host_or_origin_is_anthropic_s_permission_error(
    client: aiohttp.ClientSession, path: str, headers: dict[str, str]
) -> None:
    async with client.post(path, headers=headers, json={}) as response:
        assert await read_type(response) == (403, "permission_error")


async def test_other_refusals_of_messages_are_anthropic_s_too(client: aiohttp.ClientSession) -> None:
    async with client.post("/v1/messages/count_tokens", json={}) as response:
        assert await read_type(response) == (404, "not_found_error")
    async with client.get("/v1/messages") as response:
        assert await read_type(response) == (405, "invalid_request_error")
    async with client.post("/v1/messages", data=b"x", headers={"Content-Type": "text/plain"}) as response:
        assert await read_type(response) == (415, "invalid_request_error")
    body = io.BytesIO(b" " * (8 * MiB + 1))
    async with client.post("/messages", data=body, headers={"Content-Type": "application/json"}) as response:
        assert await read_type(response) == (413, "request_too_large")


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messagesx", "/site/aichats/v1/messages"])
async def test_other_paths_keep_openai_s_shape(base: str, path: str) -> None:
    async with aiohttp.ClientSession(base) as session, session.post(path, json={}) as response:
        body = await response.json()
        assert (response.status, set(body)) == (401, {"error"})
