"""The log: its two forms, the request's id in each line, and nothing secret."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import aiohttp
import pytest
from double import DoubleRuntime

from doorkey.config.settings import ServiceSettings
from doorkey.errors import SiteDown
from doorkey.service.app import build_app, serve
from doorkey.service.log_format import JsonFormatter, TextFormatter, write_path
from entered import EnteredRuntime, TokenSite

SERVICE = ServiceSettings.model_validate({"keys": {"phone": {"key": "key-SECRET"}}})


@pytest.fixture(params=[TextFormatter, JsonFormatter])
def log(request: pytest.FixtureRequest) -> Iterator[io.StringIO]:
    """What is logged in one of the forms."""
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(request.param())
    logger = logging.getLogger("doorkey")
    before = logger.level
    logger.setLevel(logging.DEBUG)
    logger.addHandler(handler)
    yield written
    logger.removeHandler(handler)
    logger.setLevel(before)


async def test_each_line_of_a_request_has_its_id_and_no_secret(log: io.StringIO, runtime: DoubleRuntime) -> None:
    runtime.script = [SiteDown("the site is down", site="aichats")]
    body = {"model": "aichats/gpt-4", "messages": [{"role": "user", "content": "prompt-SECRET"}]}
    headers = {"x-api-key": "key-SECRET", "x-request-id": "my-id"}
    async with (
        serve(build_app(runtime, service=SERVICE, key="full-SECRET"), "127.0.0.1", 0) as base,
        aiohttp.ClientSession(base, headers=headers) as client,
    ):
        async with client.post("/v1/chat/completions?a=query-SECRET", json=body) as response:
            assert (response.status, response.headers["x-request-id"]) == (503, "my-id")
        async with client.get("/path-SECRET") as response:
            assert response.status == 404
    lines = log.getvalue().splitlines()
    assert len(lines) >= 3
    assert [line for line in lines if "my-id" not in line] == []
    assert "SECRET" not in log.getvalue()
    if lines[0].startswith("{"):
        told = [json.loads(line) for line in lines]
        assert {"time", "level", "logger", "message", "request"} <= set(told[0])
        chat = next(each for each in told if each.get("route") == "/v1/chat/completions")
        assert (chat["method"], chat["status"], chat["site"], chat["key"]) == ("POST", 503, "aichats", "phone")


@pytest.mark.parametrize(
    ("tail", "written"),
    [
        ("wiki/api/items", "wiki/api/items"),
        ("wiki/reset/Kq83hdN2la9xB7hfT5gQ", "wiki/reset/•••"),
        ("wiki/eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln/x", "wiki/•••/x"),
        ("wiki/a\nWARNING forged\x1b[2J", "wiki/a?WARNING forged?[2J"),
        ("wiki/" + "a/" * 200, "wiki/" + "a/" * 97 + "a…"),
    ],
)
def test_a_path_is_one_line_without_what_looks_like_a_token(tail: str, written: str) -> None:
    assert write_path(tail) == written


async def test_a_call_of_a_site_is_logged_with_site_and_path(log: io.StringIO, site: TokenSite) -> None:
    async with (
        EnteredRuntime(site) as runtime,
        serve(build_app(runtime, service=SERVICE, key="full-SECRET"), "127.0.0.1", 0) as base,
        aiohttp.ClientSession(base, headers={"x-api-key": "full-SECRET"}) as client,
        client.get("/site/wiki/page?q=query-SECRET") as response,
    ):
        await response.read()
    assert "/site/wiki/page" in log.getvalue()
    assert "SECRET" not in log.getvalue()
