"""A write that may have arrived is told so, in every way in; one that never arrived may be repeated."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from double import DoubleRuntime

from doorkey.config.settings import ServiceSettings
from doorkey.errors import MayHaveArrived, SessionEnded, SiteDown
from doorkey.service.app import build_app, serve
from doorkey.transport.direct import Limits

sys.path.insert(0, str(Path(__file__).parents[1]))
from entered import EnteredRuntime, TokenSite, until

MODEL = "aichats/gpt-4"
WAYS = {
    "/v1/chat/completions": {"model": MODEL, "messages": [{"role": "user", "content": "Hi"}]},
    "/v1/completions": {"model": MODEL, "prompt": "Hi"},
    "/v1/responses": {"model": MODEL, "input": "Hi"},
    "/v1/messages": {"model": MODEL, "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}]},
    "/v1/images/generations": {"model": "aichats/dalle", "prompt": "Hi"},
}


@pytest.mark.parametrize("kind", [MayHaveArrived, SessionEnded])
@pytest.mark.parametrize("path", WAYS)
@pytest.mark.parametrize("stream", [True, False])
async def test_what_may_have_been_done_is_not_to_be_repeated(
    client: aiohttp.ClientSession, runtime: DoubleRuntime, kind: Any, path: str, stream: bool
) -> None:
    runtime.script = (kind("it may have arrived", site="aichats", retry_after=7.0),)
    body = WAYS[path] if path.endswith("generations") else {**WAYS[path], "stream": stream}
    async with client.post(path, json=body) as response:
        assert response.status == 502
        assert response.headers["x-should-retry"] == "false"
        assert "retry-after" not in response.headers
        assert (await response.json())["error"]["code"] == kind.code


@pytest.mark.parametrize("path", WAYS)
async def test_what_never_arrived_may_be_repeated(
    client: aiohttp.ClientSession, runtime: DoubleRuntime, path: str
) -> None:
    runtime.script = (SiteDown("the site can't be reached", site="aichats", arrived=False),)
    async with client.post(path, json=WAYS[path]) as response:
        assert (response.status, response.headers["retry-after"]) == (503, "5")
        assert ("x-should-retry" in response.headers) == path.endswith("generations")


@pytest.fixture
async def door(site: TokenSite) -> AsyncIterator[aiohttp.ClientSession]:
    async with (
        EnteredRuntime(site, Limits(first_byte=1.5, idle=0.5)) as runtime,
        serve(build_app(runtime, service=ServiceSettings(), key=None), "127.0.0.1", 0, shutdown=0.2) as url,
        aiohttp.ClientSession(f"{url}/site/wiki/") as session,
    ):
        yield session


async def lose(request: web.Request) -> web.StreamResponse:
    await request.read()
    assert request.transport is not None
    request.transport.abort()
    raise ConnectionResetError


async def keep_silent(request: web.Request) -> web.StreamResponse:
    await request.read()
    await until(lambda: request.transport is None or request.transport.is_closing())
    raise ConnectionResetError


@pytest.mark.parametrize("lost", [lose, keep_silent])
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
async def test_a_write_through_the_door_whose_answer_was_lost_says_so(
    door: aiohttp.ClientSession, site: TokenSite, method: str, lost: Any
) -> None:
    site.routes["/write"] = lost
    async with door.request(method, "write", data=b"once") as answer:
        error = (await answer.json())["error"]
        assert (answer.status, error["code"]) == (502, "may_have_arrived")
        assert answer.headers["x-should-retry"] == "false"
        assert "retry-after" not in answer.headers
    assert [request.method for request in site.seen].count(method) == 1
