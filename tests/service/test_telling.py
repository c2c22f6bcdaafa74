"""What the service tells of itself: is it ready, what are its numbers; and how many requests it handles at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from double import DoubleRuntime
from prometheus_client.parser import text_string_to_metric_families

from doorkey.config.settings import ServiceSettings, Settings
from doorkey.errors import RateLimited, SiteDown
from doorkey.service.app import build_app, serve

ASKED = {"model": "aichats/gpt-4", "messages": [{"role": "user", "content": "Hi"}]}


@pytest.fixture
async def client(runtime: DoubleRuntime) -> AsyncIterator[aiohttp.ClientSession]:
    """A client of a service that handles two requests at a time and lets one wait."""
    app = build_app(runtime, service=ServiceSettings(at_once=2, queue=1), key=None)
    async with serve(app, "127.0.0.1", 0, shutdown=1.0) as base, aiohttp.ClientSession(base) as session:
        yield session


async def scrape(client: aiohttp.ClientSession) -> dict[tuple[str, ...], float]:
    """Each number by its name and the values of its labels, in the order of their names."""
    async with client.get("/metrics") as response:
        assert response.status == 200
        assert response.headers["Content-Type"].startswith("text/plain; version=")
        families = text_string_to_metric_families(await response.text())
        return {
            (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
            for family in families
            for sample in family.samples
        }


async def ask(client: aiohttp.ClientSession) -> int:
    async with client.post("/v1/chat/completions", json=ASKED) as response:
        await response.read()
        return response.status


async def test_requests_are_counted_by_route_site_and_status(
    client: aiohttp.ClientSession, runtime: DoubleRuntime
) -> None:
    assert await ask(client) == 200
    runtime.script = [RateLimited("enough", site="aichats")]
    assert await ask(client) == 429
    async with client.get("/nowhere-SECRET"):
        pass
    numbers = await scrape(client)
    route = "/v1/chat/completions"
    assert numbers["doorkey_requests_total", route, "aichats", "200"] == 1
    assert numbers["doorkey_requests_total", route, "aichats", "429"] == 1
    assert numbers["doorkey_requests_total", "-", "", "404"] == 1
    assert numbers["doorkey_request_seconds_count", route] == 2
    assert numbers["doorkey_request_seconds_bucket", "+Inf", route] == 2
    assert numbers["doorkey_site_state", "aichats", "none"] == 1
    assert numbers["doorkey_site_state", "aichats", "fresh"] == 0
    assert numbers["doorkey_requests_under_way",] == 1  # this one
    assert numbers["doorkey_connections",] >= 1
    assert not [key for key in numbers if "SECRET" in "".join(key)]


async def test_the_next_waits_for_a_turn_and_one_more_is_told_to_come_later(
    client: aiohttp.ClientSession, runtime: DoubleRuntime
) -> None:
    gate = asyncio.Event()
    runtime.script = [["Hello"], gate]
    asking = []
    for number in range(3):
        asking.append(asyncio.create_task(ask(client)))
        async with asyncio.timeout(10):
            while (numbers := await scrape(client))["doorkey_requests_under_way",] != number + 2:
                pass
    assert numbers["doorkey_requests_waiting",] == 1
    assert len(runtime.asked) == 2
    async with client.post("/v1/chat/completions", json=ASKED) as response:
        error = (await response.json())["error"]
        assert (response.status, error["code"]) == (429, "queue_full")
        assert 1 <= int(response.headers["Retry-After"]) <= 60
        assert "service.at_once" in error["message"]
    async with client.get("/healthz") as response:
        assert response.status == 200
    async with client.get("/readyz") as response:
        assert (response.status, "service.at_once" in await response.text()) == (503, True)
    gate.set()
    assert await asyncio.gather(*asking) == [200, 200, 200]
    assert len(runtime.asked) == 3


async def test_a_client_that_leaves_the_queue_makes_room(client: aiohttp.ClientSession, runtime: DoubleRuntime) -> None:
    gate = asyncio.Event()
    runtime.script = [["Hello"], gate]
    asking = [asyncio.create_task(ask(client)) for _ in range(3)]
    async with asyncio.timeout(10):
        while (await scrape(client))["doorkey_requests_waiting",] != 1:
            pass
        asking.pop().cancel()
        while (await scrape(client))["doorkey_requests_waiting",] != 0:
            pass
    asking.append(asyncio.create_task(ask(client)))
    gate.set()
    assert await asyncio.gather(*asking) == [200, 200, 200]


@pytest.fixture
def chromium(tmp_path: Path) -> Path:
    path = tmp_path / "chromium"
    path.write_text("#!/bin/sh\necho Chromium 140.0.1.2\n")
    path.chmod(0o755)
    return path


async def ready(client: aiohttp.ClientSession) -> tuple[int, list[str]]:
    async with client.get("/readyz") as response:
        return response.status, (await response.json()).get("problems", [])


async def test_a_service_that_can_serve_is_ready(
    client: aiohttp.ClientSession, runtime: DoubleRuntime, chromium: Path
) -> None:
    runtime.settings = Settings.model_validate({"browser": {"executable": chromium}})
    assert await ready(client) == (200, [])


async def test_what_is_missing_is_told(client: aiohttp.ClientSession, runtime: DoubleRuntime) -> None:
    class Unreadable(DoubleRuntime):
        async def known(self) -> list[object]:
            raise SiteDown("the store does not answer")

    broken = Unreadable(settings=Settings.model_validate({"browser": {"executable": "/no/chromium"}}), sites={})
    async with (
        serve(build_app(broken, service=ServiceSettings(), key=None), "127.0.0.1", 0) as base,
        aiohttp.ClientSession(base) as other,
    ):
        status, problems = await ready(other)
    assert status == 503
    assert [bool(word in told) for word, told in zip(("no site", "store", "browser"), problems, strict=True)] == [
        True
    ] * 3
