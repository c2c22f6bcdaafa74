"""`/mcp` of the service, by the official client of the protocol."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from doorkey.accounts.confirmations import Confirmations
from doorkey.agents.hosting import HostedTools
from doorkey.clock import SystemClock
from doorkey.config.settings import Settings
from doorkey.runtime import Runtime
from doorkey.service.app import build_app, serve

SECRET = "a-secret-cookie-of-the-site"
KEYS = {
    "agent": {"key": "the-agents-key-of-all", "agents": True},
    "reader": {"key": "the-key-of-one-reader", "agents": True, "sites": ["wiki"], "methods": ["GET"]},
    "program": {"key": "the-key-of-a-program"},
}


@pytest.fixture(scope="module")
async def base(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """A service with two sites, whose sessions were pushed in."""
    queue = tmp_path_factory.mktemp("confirmations")

    async def answer(request: web.Request) -> web.Response:
        return web.json_response({"method": request.method, "cookie": request.headers.get("cookie")})

    site = web.Application()
    site.router.add_route("*", "/{tail:.*}", answer)
    async with AsyncExitStack() as exits:
        server = await exits.enter_async_context(TestServer(site, host="127.0.0.1"))
        one = {"provider": "web", "url": str(server.make_url("/")), "agents": {"write": ["POST /x"], "confirm": False}}
        settings = Settings.model_validate(
            {"sites": {"wiki": one, "shop": one}, "store": {"url": "memory://"}, "service": {"keys": KEYS}}
        )
        runtime = await exits.enter_async_context(Runtime(settings))
        jar = f"# Netscape HTTP Cookie File\n127.0.0.1\tFALSE\t/\tFALSE\t0\tsid\t{SECRET}\n"
        for name in ("wiki", "shop"):
            await runtime.logins.import_text(runtime.target(name), jar)
        tools = HostedTools(runtime, lambda: Confirmations(queue, SystemClock()))
        app = build_app(runtime, service=settings.service, key="the-services-key", agents=tools.app_of)
        app.on_cleanup.append(tools.close)
        yield await exits.enter_async_context(serve(app, "127.0.0.1", 0, shutdown=1.0))


async def ask(base: str, key: str, tool: str, **arguments: Any) -> tuple[bool, str]:
    """Return whether the tool failed, and what it told."""
    import httpx2
    from mcp import Client
    from mcp.client.streamable_http import streamable_http_client

    async with (
        httpx2.AsyncClient(headers={"authorization": f"Bearer {key}"}) as http,
        Client(streamable_http_client(f"{base}/mcp", http_client=http)) as client,
    ):
        told = await client.call_tool(tool, arguments)
        return bool(told.is_error), "".join(getattr(part, "text", "") for part in told.content)


async def test_an_agent_calls_a_site_and_sees_no_secret(base: str) -> None:
    failed, told = await ask(base, "the-agents-key-of-all", "call_site", site="wiki", path="/a")
    assert (failed, "HTTP 200" in told, SECRET in told) == (False, True, False), told
    _, sites = await ask(base, "the-agents-key-of-all", "list_sites")
    assert [site["site"] for site in json.loads(sites)["sites"]] == ["wiki", "shop"]


async def test_a_key_reaches_its_sites_and_methods_only(base: str) -> None:
    key = "the-key-of-one-reader"
    _, sites = await ask(base, key, "list_sites")
    assert [site["site"] for site in json.loads(sites)["sites"]] == ["wiki"]
    assert (await ask(base, key, "call_site", site="wiki", path="/a"))[0] is False
    assert (await ask(base, key, "call_site", site="shop", path="/a"))[0] is True
    failed, told = await ask(base, key, "call_site", site="wiki", path="/x", method="POST")
    assert (failed, "may not use the method POST" in told) == (True, True)
    assert (await ask(base, "the-agents-key-of-all", "call_site", site="wiki", path="/x", method="POST"))[0] is False


@pytest.mark.parametrize("path", ["/site/wiki/a", "/api/sites", "/v1/models", "/metrics", "/", "/nothing"])
async def test_an_agents_key_opens_nothing_else(base: str, path: str) -> None:
    headers = {"x-api-key": "the-agents-key-of-all"}
    async with aiohttp.ClientSession(headers=headers) as agent, agent.get(base + path) as answer:
        assert (answer.status, "/mcp" in await answer.text()) == (403, True)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"x-api-key": "the-key-of-a-program"}, 403),
        ({"x-api-key": "the-agents-key-of-all", "origin": "https://evil.example"}, 403),
        ({"x-api-key": "the-agents-key-of-all", "host": "evil.example"}, 403),
        ({"x-api-key": "the-agents-key-of-all"}, 405),
    ],
)
async def test_strangers_are_refused_as_everywhere(base: str, headers: dict[str, str], status: int) -> None:
    async with aiohttp.ClientSession(headers=headers) as stranger:
        call = stranger.get if status == 405 else stranger.post
        async with call(f"{base}/mcp", json={}) as answer:
            assert answer.status == status
