"""JupyterLab's terminal, a WebSocket application that none of us wrote: through the door, and over a killed session."""

from __future__ import annotations

import asyncio
import json
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import pytest

import doorkey
from doorkey import Runtime, Settings
from doorkey.browser import BrowserPool
from doorkey.config.settings import ServiceSettings
from doorkey.service.app import build_app, serve

sys.path.insert(0, str(Path(__file__).parent))
from software.application import Application
from software.jupyter import jupyter
from software.packages import Packages, Unavailable

RECIPE = Path(__file__).parents[2] / "docs" / "recipes" / "jupyter.toml"

pytestmark = [pytest.mark.browser, pytest.mark.real("jupyter")]


@pytest.fixture
def lab(packages: Packages, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Application]:
    try:
        with jupyter(packages, tmp_path) as running:
            for name, value in running.environment.items():
                monkeypatch.setenv(name, value)
            yield running
    except Unavailable as unavailable:
        pytest.skip(f"jupyter can't be had here: {unavailable}")


async def shell(socket: aiohttp.ClientWebSocketResponse, number: int) -> None:
    """Let the terminal reckon, and wait for what it says."""
    await socket.send_str(json.dumps(["stdin", f"echo sum-$(({number} + 1))\r"]))
    shown = ""
    async with asyncio.timeout(30):
        while f"sum-{number + 1}" not in shown:
            kind, *rest = await socket.receive_json()
            shown += rest[0] if kind == "stdout" else ""


async def test_a_terminal_is_used_through_the_door_and_again_when_the_session_was_killed(
    lab: Application, browsers: BrowserPool
) -> None:
    (site,) = tomllib.loads(RECIPE.read_text())["sites"]
    place = urlsplit(lab.url)
    settings = Settings.model_validate(
        tomllib.loads(RECIPE.read_text().replace("https://jupyter.example", f"{place.scheme}://{place.netloc}"))
        | {"store": {"url": "memory://"}, "limits": {"visit": 90}}
    )
    async with (
        Runtime(settings, pool=browsers) as runtime,
        doorkey.client(site, runtime=runtime) as client,
        serve(build_app(runtime, service=ServiceSettings(), key="k"), "127.0.0.1", 0) as base,
        aiohttp.ClientSession(headers={"x-api-key": "k"}) as program,
    ):
        async with client.post("/api/terminals") as answer:
            name = (await answer.json())["name"]
        path = f"/terminals/websocket/{name}"
        async with program.ws_connect(f"{base}/site/{site}{path}") as socket:
            await shell(socket, 41)
        await asyncio.to_thread(lab.kill_sessions)
        async with program.ws_connect(f"{base}/site/{site}{path}") as socket:
            await shell(socket, 70)
    assert next(iter(runtime.status())).visits == 2
