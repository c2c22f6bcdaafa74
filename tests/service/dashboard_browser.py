"""How a test's browser comes in to the dashboard, as a person's does by a one-time link."""

from __future__ import annotations

import re

import aiohttp

PAGE = {"Accept": "text/html"}


async def make_link(browser: aiohttp.ClientSession, key: str) -> str:
    """Return the path of a new link with the rights of *key*."""
    async with browser.post("/api/dashboard/links", headers={"x-api-key": key}) as made:
        return str((await made.json())["path"])


async def come_in(browser: aiohttp.ClientSession, key: str) -> str:
    """Open a new link with the rights of *key*, and return the page that it leads to."""
    async with browser.get(await make_link(browser, key), headers=PAGE) as response:
        assert response.status == 200
        return await response.text()


def token_in(page: str) -> str:
    """Return the token of the forms of *page*."""
    found = re.search(r'data-form-token="([^"]+)"', page)
    assert found is not None
    return found[1]
