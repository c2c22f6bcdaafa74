"""The OpenAPI document: made from what checks the requests, complete, and shown to people without outside resources."""

from __future__ import annotations

import json
import re
from typing import Any

import aiohttp
import pytest
from double import DoubleRuntime

from doorkey.config.settings import ServiceSettings
from doorkey.service.app import build_app
from doorkey.service.openapi import BODIES, build_document


def references(value: Any) -> set[str]:
    """Every `$ref` in a document."""
    return set(re.findall(r'"\$ref": "([^"]+)"', json.dumps(value)))


async def test_the_document_is_complete(client: aiohttp.ClientSession) -> None:
    async with client.get("/openapi.json") as response:
        document = await response.json()
    assert document["openapi"] == "3.1.0"
    for reference in references(document):
        found = document
        for part in reference.removeprefix("#/").split("/"):
            found = found[part]
    names = [each["operationId"] for path in document["paths"].values() for each in path.values()]
    assert len(set(names)) == len(names)


def test_every_route_is_in_the_document() -> None:
    app = build_app(DoubleRuntime(), service=ServiceSettings(), key="k")
    paths = build_document()["paths"]
    for route in app.router.routes():
        assert route.resource is not None
        path = route.resource.canonical.replace("/site/{tail}", "/site/{name}/{path}")
        if f"/v1{path}" in paths or path in ("/", "/mcp") or path.startswith("/dashboard/"):
            continue
        methods = {method.upper() for method in paths[path]}
        assert route.method in {*methods, "HEAD"} or route.method == "*", (route.method, path)


@pytest.mark.parametrize("path", BODIES)
async def test_what_the_document_requires_is_required(client: aiohttp.ClientSession, path: str) -> None:
    """Without each required field the request is refused by its name, with all of them it is taken."""
    body = {
        "model": "aichats/dalle" if "images" in path else "aichats/gpt-4",
        "messages": [{"role": "user", "content": "Hi"}],
        "prompt": "Hi",
        "input": "Hi",
        "max_tokens": 9,
    }
    schema = build_document()["components"]["schemas"][BODIES[path][0].__name__]
    needed = {name: body[name] for name in schema["required"]}
    for name in needed:
        async with client.post(path, json={key: value for key, value in needed.items() if key != name}) as response:
            assert (response.status, (await response.json())["error"]["param"]) == (400, name)
    async with client.post(path, json=needed) as response:
        assert response.status in (200, 502)  # 502: the double draws nothing


async def test_the_page_for_people_needs_nothing_from_outside(client: aiohttp.ClientSession) -> None:
    async with client.get("/docs") as response:
        page = await response.text()
        assert response.headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert re.findall(r"(?:src|href)=(\S+?)[ >]", page) == ["openapi.json"]
    assert all(path in page for path in BODIES)
    assert "temperature" in page


async def test_a_browser_asks_a_person_for_the_key(base: str) -> None:
    async with aiohttp.ClientSession(base) as client:
        for headers, scheme in (({"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Site": "none"}, "Basic"), ({}, "Bearer")):
            async with client.get("/docs", headers=headers) as response:
                assert response.status == 401
                assert response.headers["WWW-Authenticate"].startswith(scheme)
