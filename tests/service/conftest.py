"""A service on a free port over the double, and a client that has its key."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from doorkey.config.settings import ServiceSettings
from doorkey.service.app import build_app, serve

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1]))
from double import DoubleRuntime

from entered import TokenSite, token_site

KEY = "schlüssel-für-alle"


@pytest.fixture
async def site() -> AsyncIterator[TokenSite]:
    async with token_site() as made:
        yield made


@pytest.fixture
def runtime() -> DoubleRuntime:
    return DoubleRuntime()


@pytest.fixture
async def base(runtime: DoubleRuntime) -> AsyncIterator[str]:
    service = ServiceSettings(hosts=("doorkey",), origins=("https://my.example",))
    async with serve(build_app(runtime, service=service, key=KEY), "127.0.0.1", 0) as url:
        yield url


@pytest.fixture
async def client(base: str) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(base, headers={"x-api-key": KEY}) as session:
        yield session
