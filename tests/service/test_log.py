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
from doorkey.service.log_format import JsonFormatter, TextFormatter

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
