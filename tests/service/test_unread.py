"""A client that stops reading is given up, and with it its call to the site, whose place others wait for."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import pytest
from aiohttp import web

from doorkey.config.settings import ServiceSettings
from doorkey.rate.limits import RateLimits
from doorkey.service.app import build_app, serve

sys.path.insert(0, str(Path(__file__).parents[1]))
from entered import EnteredRuntime, TokenSite


@pytest.fixture
async def base(site: TokenSite) -> AsyncIterator[str]:
    """A service that waits a moment for its readers, and whose site takes one call at a time."""
    async with EnteredRuntime(site, manners=RateLimits(at_once=1, rate=50.0)) as runtime:
        app = build_app(runtime, service=ServiceSettings(), key=None, unread=0.2)
        async with serve(app, "127.0.0.1", 0) as url:
            yield url


@pytest.mark.parametrize("size", [1_000, 100_000])
async def test_a_client_of_the_door_that_stops_reading_gives_its_place_at_the_site_back(
    base: str, site: TokenSite, caplog: pytest.LogCaptureFixture, size: int
) -> None:
    caplog.set_level("INFO", "doorkey.service")

    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while request.transport is not None and not request.transport.is_closing():
            await response.write(b"x" * size)
        return response

    site.routes["/endless"] = endless
    parts = urlsplit(base)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port, limit=1000)
    writer.write(f"GET /site/wiki/endless HTTP/1.1\r\nHost: {parts.netloc}\r\n\r\n".encode())
    assert b" 200 " in await reader.readline()
    async with asyncio.timeout(20), aiohttp.ClientSession(base) as client, client.get("/site/wiki/x") as answer:
        assert (answer.status, await answer.text()) == (200, "GET /x")
    writer.close()
    assert [line.split()[3] for line in caplog.messages if "GET /site/" in line] == ["left", "200"]
