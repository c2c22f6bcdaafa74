"""Callers who wait for a site's pace: they can ask for their place, are told how long they waited, or to come later."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from doorkey.config.settings import ServiceSettings
from doorkey.rate.limits import RateLimits
from doorkey.service.app import build_app, serve

sys.path.insert(0, str(Path(__file__).parents[1]))
from entered import EnteredRuntime, TokenSite


@pytest.fixture
async def client(site: TokenSite) -> AsyncIterator[aiohttp.ClientSession]:
    """A client of a service whose site takes one call at a time and lets two wait."""
    async with (
        EnteredRuntime(site, manners=RateLimits(at_once=1, rate=50.0, queue=2)) as runtime,
        serve(build_app(runtime, service=ServiceSettings(), key=None), "127.0.0.1", 0) as url,
        aiohttp.ClientSession(url) as session,
    ):
        yield session


@pytest.fixture
def gate(site: TokenSite) -> asyncio.Event:
    """Opened, it lets answers of /slow go."""
    gate = asyncio.Event()

    async def slow(request: web.Request) -> web.Response:
        await gate.wait()
        return web.Response(text="at last")

    site.routes["/slow"] = slow
    return gate


async def call(client: aiohttp.ClientSession, name: str) -> tuple[int, str, str]:
    async with client.get("/site/wiki/slow", headers={"x-request-id": name}) as response:
        return response.status, await response.text(), response.headers.get("x-doorkey-waited", "")


async def pace(client: aiohttp.ClientSession, waiting: int) -> dict[str, Any]:
    """The pace of the site, once so many wait there."""
    async with asyncio.timeout(10):
        while True:
            async with client.get("/api/sites/wiki") as response:
                status: dict[str, Any] = await response.json()
            if status["pace"]["under_way"] == 1 and len(status["pace"]["queue"]) == waiting:
                return status["pace"]  # type: ignore[no-any-return]  # plain JSON


async def test_a_caller_finds_its_place_by_its_request_id(client: aiohttp.ClientSession, gate: asyncio.Event) -> None:
    calls = []
    for number, name in enumerate(("first", "second", "third")):
        calls.append(asyncio.create_task(call(client, name)))
        found = await pace(client, waiting=number)
    assert [(each["caller"], each["place"]) for each in found["queue"]] == [("second", 1), ("third", 2)]
    assert (found["at_once"], found["rate"]) == (1, 50.0)
    gate.set()
    answers = await asyncio.gather(*calls)
    assert [answer[:2] for answer in answers] == [(200, "at last")] * 3
    assert [bool(waited) for _, _, waited in answers] == [False, True, True]


async def test_a_full_queue_is_429_with_retry_after(client: aiohttp.ClientSession, gate: asyncio.Event) -> None:
    calls = []
    for number in range(3):
        calls.append(asyncio.create_task(call(client, f"call-{number}")))
        await pace(client, waiting=number)
    async with client.get("/site/wiki/slow") as response:
        error = (await response.json())["error"]
        assert (response.status, error["code"], error["type"]) == (429, "queue_full", "rate_limit_error")
        assert int(response.headers["Retry-After"]) >= 1
        assert "manners.queue" in error["message"]
    gate.set()
    await asyncio.gather(*calls)


async def test_a_client_that_leaves_the_queue_makes_room(client: aiohttp.ClientSession, gate: asyncio.Event) -> None:
    staying = asyncio.create_task(call(client, "staying"))
    await pace(client, waiting=0)
    leaving = asyncio.create_task(call(client, "leaving"))
    await pace(client, waiting=1)
    leaving.cancel()
    await pace(client, waiting=0)
    gate.set()
    assert (await staying)[0] == 200


async def test_a_site_that_says_enough_is_not_asked_again_before_its_time(
    client: aiohttp.ClientSession, site: TokenSite
) -> None:
    async def enough(request: web.Request) -> web.Response:
        return web.Response(status=429, headers={"Retry-After": "3600"})

    site.routes["/enough"] = enough
    for code in (None, "rate_limited"):
        async with client.get("/site/wiki/enough") as response:
            assert (response.status, response.headers["Retry-After"]) == (429, "3600")
            assert code is None or (await response.json())["error"]["code"] == code
    assert [request.path for request in site.seen].count("/enough") == 1
