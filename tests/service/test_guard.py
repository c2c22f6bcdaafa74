from __future__ import annotations

import asyncio
from urllib.parse import urlsplit

import aiohttp
import pytest

MODELS = "/v1/models"
KEY = "schlüssel-für-alle"


async def raw(base: str, request: bytes) -> bytes:
    parts = urlsplit(base)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    writer.write(request)
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer


@pytest.mark.parametrize("header", ["Authorization", "x-api-key"])
async def test_the_key_comes_in_either_header(base: str, header: str) -> None:
    value = f"Bearer {KEY}" if header == "Authorization" else KEY
    async with aiohttp.ClientSession(base) as session, session.get(MODELS, headers={header: value}) as response:
        assert response.status == 200


@pytest.mark.parametrize("shown", ["", "wrong", "schlüssel", "ключ", "schl\udcfcssel"])
async def test_a_missing_or_wrong_key_is_401_before_anything_else(base: str, shown: str) -> None:
    header = b"Authorization: Bearer " + shown.encode("utf-8", "surrogateescape") + b"\r\n" if shown else b""
    for path in (b"/v1/models", b"/nowhere"):
        answer = await raw(
            base, b"GET " + path + b" HTTP/1.1\r\nHost: localhost\r\n" + header + b"Connection: close\r\n\r\n"
        )
        assert answer.startswith(b"HTTP/1.1 401")
        assert b'"code": "invalid_api_key"' in answer


async def test_health_needs_no_key(base: str) -> None:
    async with aiohttp.ClientSession(base) as session, session.get("/healthz") as response:
        assert (response.status, await response.json()) == (200, {"status": "ok"})


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:9", "[::1]:8787", "DOORKEY:8787"])
async def test_loopback_and_configured_hosts_come_in(client: aiohttp.ClientSession, host: str) -> None:
    async with client.get(MODELS, headers={"Host": host}) as response:
        assert response.status == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil", "10.0.0.1", "localhost@evil"]
)
async def test_a_foreign_host_is_403_and_told_the_setting(client: aiohttp.ClientSession, host: str) -> None:
    async with client.get("/nowhere", headers={"Host": host}) as response:
        assert response.status == 403
        assert "[service] hosts = " in (await response.json())["error"]["message"]


@pytest.mark.parametrize("hosts", [b"", b"Host: localhost\r\nHost: localhost\r\n"])
async def test_one_host_header_is_asked_for(base: str, hosts: bytes) -> None:
    answer = await raw(base, b"GET /healthz HTTP/1.1\r\n" + hosts + b"Connection: close\r\n\r\n")
    assert answer.split()[1] == b"400"


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:1"])
async def test_a_web_page_of_another_origin_is_403(client: aiohttp.ClientSession, origin: str) -> None:
    async with client.get(MODELS, headers={"Origin": origin}) as response:
        assert response.status == 403
        assert "Access-Control-Allow-Origin" not in response.headers


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
@pytest.mark.parametrize("mode", ["no-cors", "navigate"])
async def test_what_a_web_page_of_another_origin_leads_to_is_403_without_an_origin_too(
    client: aiohttp.ClientSession, site: str, mode: str
) -> None:
    async with client.get(MODELS, headers={"Sec-Fetch-Site": site, "Sec-Fetch-Mode": mode}) as response:
        error = (await response.json())["error"]
        assert (response.status, error["code"]) == (403, "origin_not_allowed")
        assert "type the address" in error["message"]


@pytest.mark.parametrize("site", ["none", "same-origin"])
async def test_a_typed_address_and_our_own_pages_come_in(client: aiohttp.ClientSession, site: str) -> None:
    async with client.get(MODELS, headers={"Sec-Fetch-Site": site, "Sec-Fetch-Mode": "navigate"}) as response:
        assert response.status == 200


async def test_a_configured_page_may_read_all_that_an_answer_says(client: aiohttp.ClientSession) -> None:
    async with client.get(MODELS, headers={"Origin": "https://my.example"}) as response:
        shown = response.headers["Access-Control-Expose-Headers"].split(", ")
    assert {"retry-after", "x-should-retry", "x-doorkey-verdict", "x-doorkey-renewed"} <= set(shown)


async def test_a_configured_origin_s_preflight_is_answered_before_the_key_is_asked(base: str) -> None:
    headers = {
        "Origin": "https://my.example",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization, content-type",
        "Access-Control-Request-Private-Network": "true",
    }
    async with aiohttp.ClientSession(base) as session:
        for path in ("/v1/chat/completions", "/v1/messages", "/responses", "/site/aichats/x", "/nowhere"):
            async with session.options(path, headers=headers) as response:
                assert response.status == 204
                assert response.headers["Access-Control-Allow-Headers"] == "authorization, content-type"
                assert response.headers["Access-Control-Allow-Private-Network"] == "true"
                assert "POST" in response.headers["Access-Control-Allow-Methods"]
                assert "Origin" in response.headers["Vary"]
        async with session.options("/v1/chat/completions", headers=headers) as response:
            assert response.status == 204
            assert response.headers["Access-Control-Allow-Origin"] == "https://my.example"
        async with session.get(MODELS, headers=headers) as response:
            assert response.status == 401
            assert response.headers["Access-Control-Allow-Origin"] == "https://my.example"
