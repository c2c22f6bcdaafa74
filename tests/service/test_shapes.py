"""Answers against OpenAI's own description of its API, where that lies beside the checkout."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from double import DoubleRuntime

from doorkey.model.chat import Image

DESCRIPTION = Path(__file__).parents[3] / "shared" / "openai-openapi.json"
QUESTION = {"model": "aichats/gpt-4", "messages": [{"role": "user", "content": "Hello"}]}
KINDS: dict[str, type | tuple[type, ...]] = {
    "object": dict,
    "array": list,
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "null": type(None),
}

pytestmark = pytest.mark.skipif(not DESCRIPTION.exists(), reason="OpenAI's description of its API is not at hand")


@functools.cache
def schemas() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(DESCRIPTION.read_text())["components"]["schemas"]
    return found


def faults(value: Any, schema: dict[str, Any], at: str = "") -> list[str]:
    """Where *value* breaks *schema*: types, required names, enums and alternatives, and `nullable: true`."""
    if "$ref" in schema:
        return faults(value, schemas()[schema["$ref"].rpartition("/")[2]], at)
    if value is None and schema.get("nullable"):
        return []
    for alternatives in (schema.get("anyOf"), schema.get("oneOf")):
        if alternatives and all(faults(value, one, at) for one in alternatives):
            return [f"{at}: none of the alternatives"]
    found = [fault for part in schema.get("allOf", ()) for fault in faults(value, part, at)]
    kinds = [schema["type"]] if isinstance(schema.get("type"), str) else schema.get("type", [])
    if kinds and not any(isinstance(value, KINDS[kind]) for kind in kinds):
        return [*found, f"{at}: {type(value).__name__} where {kinds} belongs"]
    if "enum" in schema and value not in schema["enum"]:
        found.append(f"{at}: {value!r} is none of {schema['enum']}")
    if isinstance(value, dict):
        found += [f"{at}.{name} is missing" for name in schema.get("required", ()) if name not in value]
        for name, part in schema.get("properties", {}).items():
            found += faults(value[name], part, f"{at}.{name}") if name in value else []
    if isinstance(value, list) and "items" in schema:
        found += [fault for n, item in enumerate(value) for fault in faults(item, schema["items"], f"{at}[{n}]")]
    return found


def test_the_check_can_fail() -> None:
    assert faults({"object": "list"}, schemas()["ListModelsResponse"])
    assert faults({"object": "list", "data": [{"id": 7}]}, schemas()["ListModelsResponse"])


async def test_models_are_of_the_described_shape(client: aiohttp.ClientSession) -> None:
    async with client.get("/v1/models") as response:
        assert not faults(await response.json(), schemas()["ListModelsResponse"])


async def test_whole_answers_are_of_the_described_shape(client: aiohttp.ClientSession) -> None:
    async with client.post("/v1/chat/completions", json=QUESTION) as response:
        assert not faults(await response.json(), schemas()["CreateChatCompletionResponse"])


async def test_chunks_are_of_the_described_shape(client: aiohttp.ClientSession) -> None:
    body = {**QUESTION, "stream": True, "stream_options": {"include_usage": True}}
    async with client.post("/v1/chat/completions", json=body) as response:
        lines = [line[6:] for line in (await response.text()).split("\n\n") if line.startswith("data: {")]
    shape = schemas()["CreateChatCompletionStreamResponse"]
    # The description calls `usage` an object, its own text says that it is null before the last chunk.
    events = [{name: value for name, value in json.loads(line).items() if value is not None} for line in lines]
    assert len(events) == 5
    assert [fault for event in events for fault in faults(event, shape)] == []


async def test_images_are_of_the_described_shape(client: aiohttp.ClientSession, runtime: DoubleRuntime) -> None:
    runtime.script = ([Image(data=b"x", media_type="image/png")],)
    async with client.post("/v1/images/generations", json={"model": "aichats/dalle", "prompt": "cat"}) as response:
        assert not faults(await response.json(), schemas()["ImagesResponse"])


@pytest.mark.parametrize("path", ["/nowhere", "/v1/chat/completions"])
async def test_errors_are_of_the_described_shape(client: aiohttp.ClientSession, path: str) -> None:
    async with client.get(path) as response:
        assert not faults(await response.json(), schemas()["ErrorResponse"])
