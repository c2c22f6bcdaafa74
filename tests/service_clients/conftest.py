"""Two services, one over a copy of a site with a real browser, one over the double that fails as a test says."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from pathlib import Path

import platformdirs
import pytest

from doorkey.browser import BrowserPool
from doorkey.config.settings import ServiceSettings, Settings
from doorkey.runtime import Runtime
from doorkey.service.app import build_app, serve
from doorkey_providers.twins.aichats import AiChatsTwin

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "real"))
sys.path.insert(0, str(Path(__file__).parents[1] / "service"))
from clients import Client, Driver, driving
from double import DoubleRuntime
from software.packages import Packages, Unavailable

KEY = "sk-the-key-of-the-clients"


@pytest.fixture(scope="session")
def packages(pytestconfig: pytest.Config) -> Packages:
    terminal = pytestconfig.pluginmanager.getplugin("terminalreporter")
    say = terminal.write_line if terminal is not None else print
    return Packages(platformdirs.user_cache_path("doorkey") / "test-real", lambda line: say(f"test-real: {line}"))


@pytest.fixture(scope="module")
async def driver(
    request: pytest.FixtureRequest, packages: Packages, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Driver]:
    client: Client = request.param
    try:
        async with driving(client, packages, tmp_path_factory.mktemp(client.name)) as running:
            yield running
    except Unavailable as unavailable:
        pytest.skip(f"{client.name} can't be had here: {unavailable}")


@pytest.fixture(scope="module")
async def site() -> AsyncIterator[AiChatsTwin]:
    async with AiChatsTwin() as twin:
        yield twin


@pytest.fixture
def twin(site: AiChatsTwin) -> AiChatsTwin:
    """The site as it is at first: what an earlier test switched is undone."""
    site.switch(reset=True)
    site.stream_gate = None
    return site


@pytest.fixture(scope="module")
async def base(site: AiChatsTwin, browsers: BrowserPool) -> AsyncIterator[str]:
    settings = Settings.model_validate({"sites": {"aichats": {"url": site.url}}, "store": {"url": "memory://"}})
    async with (
        Runtime(settings, pool=browsers) as runtime,
        serve(build_app(runtime, service=settings.service, key=KEY), "127.0.0.1", 0) as url,
    ):
        yield url


@pytest.fixture
def double() -> DoubleRuntime:
    return DoubleRuntime()


@pytest.fixture
async def failing_base(double: DoubleRuntime) -> AsyncIterator[str]:
    async with serve(build_app(double, service=ServiceSettings(), key=KEY), "127.0.0.1", 0) as url:
        yield url
