from __future__ import annotations

import aiohttp
import pytest
from yarl import URL


async def test_models_are_the_configured_ones_and_the_aliases(client: aiohttp.ClientSession) -> None:
    async with client.get("/v1/models") as response:
        body = await response.json()
    assert [model["id"] for model in body["data"]] == ["aichats/gpt-4", "aichats/dalle", "fast"]
    assert [model["owned_by"] for model in body["data"]] == ["aichats", "aichats", "doorkey"]


@pytest.mark.parametrize("path", ["/v1/models/aichats/gpt-4", "/v1/models/aichats%2Fgpt-4"])
async def test_a_model_s_slash_may_be_raw_or_escaped(base: str, client: aiohttp.ClientSession, path: str) -> None:
    async with client.get(URL(base + path, encoded=True)) as response:
        assert (response.status, (await response.json())["id"]) == (200, "aichats/gpt-4")


async def test_sites_tell_how_they_stand(client: aiohttp.ClientSession) -> None:
    async with client.get("/api/sites") as response:
        (site,) = (await response.json())["sites"]
    async with client.get("/api/sites/aichats") as response:
        assert await response.json() == site
    assert (site["name"], site["state"], site["gen"]) == ("aichats", "none", -1)


async def test_a_path_that_is_none_is_told_all_that_there_are(client: aiohttp.ClientSession) -> None:
    async with client.get("/v2/models") as response:
        error = (await response.json())["error"]
    assert (response.status, error["code"]) == (404, "not_found")
    assert "/v1/models, " in error["message"]
    assert "/site/NAME/…" in error["message"]
