"""What a request says of sampling goes to the site as it is, or is refused by name: never dropped in silence."""

from __future__ import annotations

import json

import aiohttp
import pytest
from double import DoubleRuntime

PLACES = ("temperature", "top_p", "presence_penalty", "frequency_penalty")


async def ask(client: aiohttp.ClientSession, given: str) -> tuple[int, str | None, str]:
    """The status, the parameter at fault and the message; *given* is a piece of JSON."""
    question = json.dumps({"model": "aichats/gpt-4", "messages": [{"role": "user", "content": "Hello"}]})
    body, kind = f"{question[:-1]}, {given}}}", {"Content-Type": "application/json"}
    async with client.post("/v1/chat/completions", data=body, headers=kind) as response:
        told = (await response.json()).get("error", {})
        return response.status, told.get("param"), told.get("message", "")


@pytest.mark.parametrize("value", ['"0.7"', "true", "[1]", "{}", "1e999", "-1e999"])
@pytest.mark.parametrize("name", [*PLACES, "seed"])
async def test_what_is_no_number_is_refused_by_name(client: aiohttp.ClientSession, name: str, value: str) -> None:
    status, param, message = await ask(client, f'"{name}": {value}')
    assert (status, param) == (400, name)
    assert f"{name} must be a " in message


@pytest.mark.parametrize(
    ("value", "status"), [("5", 200), ("5.0", 200), ("null", 200), ("5.5", 400), ("0", 400), ("true", 400)]
)
@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
async def test_a_number_of_tokens_is_whole_and_positive(
    client: aiohttp.ClientSession, name: str, value: str, status: int
) -> None:
    came, param, _ = await ask(client, f'"{name}": {value}')
    assert (came, param) == (status, None if status == 200 else name)


async def test_a_seed_is_whole(client: aiohttp.ClientSession) -> None:
    assert await ask(client, '"seed": 1.5') == (400, "seed", "seed must be a whole number, not a number")


async def test_numbers_arrive_as_they_are_and_nothing_is_nothing(
    client: aiohttp.ClientSession, runtime: DoubleRuntime
) -> None:
    await ask(client, '"temperature": 0.7, "top_p": 1, "seed": 12345678901234567890, "presence_penalty": null')
    assert runtime.asked[0].options == {"temperature": 0.7, "top_p": 1, "seed": 12345678901234567890}


@pytest.mark.parametrize("name", ["size", "quality", "style"])
async def test_so_are_the_looks_of_an_image(client: aiohttp.ClientSession, name: str) -> None:
    order = {"model": "aichats/dalle", "prompt": "a cat", name: 512}
    async with client.post("/v1/images/generations", json=order) as response:
        assert (response.status, (await response.json())["error"]["param"]) == (400, name)
