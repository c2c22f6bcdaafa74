"""The inspector of the Model Context Protocol, by its command line, against both doors for agents."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from software.packages import Packages, Unavailable

from doorkey.accounts.confirmations import Confirmations
from doorkey.agents.hosting import HostedTools
from doorkey.config.settings import Settings
from doorkey.runtime import Runtime
from doorkey.service.app import build_app, serve

pytestmark = pytest.mark.real("clients")

KEY = "a-long-random-text-for-an-agent"
DOORKEY = str(Path(sys.executable).with_name("doorkey"))
TOOLS = {"list_sites", "site_status", "call_site", "ask_site", "ask_person"}
LIMIT = 60.0


@pytest.fixture(scope="module")
def inspector(packages: Packages, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Its command. It reads its name out of a file that the package does not hold by itself."""
    try:
        modules = packages.javascript("inspector", ["@modelcontextprotocol/inspector-cli@^0.17"]) / "node_modules"
    except Unavailable as unavailable:
        pytest.skip(f"the inspector can't be had here: {unavailable}")
    folder = tmp_path_factory.mktemp("inspector")
    shutil.copytree(modules / "@modelcontextprotocol" / "inspector-cli", folder / "cli")
    (folder / "package.json").write_text('{"name": "inspector", "version": "0.17.0"}')
    (folder / "node_modules").symlink_to(modules)
    return ["node", str(folder / "cli" / "build" / "index.js")]


async def inspect(command: Sequence[str], environment: dict[str, str] | None = None) -> tuple[int, str]:
    """The exit code of *command*, and what it says."""
    process = await asyncio.create_subprocess_exec(
        *command, env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    async with asyncio.timeout(LIMIT):
        said, _ = await process.communicate()
    return process.returncode or 0, said.decode()


def tools_of(said: str) -> set[str]:
    return {tool["name"] for tool in json.loads(said)["tools"]}


def sites_of(said: str) -> list[str]:
    told: dict[str, Any] = json.loads(json.loads(said)["content"][0]["text"])
    return [site["site"] for site in told["sites"]]


async def test_it_lists_and_calls_tools_over_standard_streams(inspector: list[str], tmp_path: Path) -> None:
    (tmp_path / "doorkey").mkdir()
    settings = '[sites.wiki]\nprovider = "web"\nurl = "http://127.0.0.1:9/"\n[store]\nurl = "memory://"\n'
    (tmp_path / "doorkey" / "doorkey.toml").write_text(settings)
    env = {**os.environ, "HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)}
    code, said = await inspect([*inspector, DOORKEY, "mcp", "--method", "tools/list"], env)
    assert (code, tools_of(said)) == (0, TOOLS), said
    call = ["--method", "tools/call", "--tool-name", "list_sites"]
    code, said = await inspect([*inspector, DOORKEY, "mcp", *call], env)
    assert (code, sites_of(said)) == (0, ["wiki"]), said


async def test_it_lists_and_calls_tools_over_http_with_a_key(inspector: list[str], tmp_path: Path) -> None:
    settings = Settings.model_validate(
        {
            "sites": {"wiki": {"provider": "web", "url": "http://127.0.0.1:9/"}},
            "store": {"url": "memory://"},
            "service": {"keys": {"agent": {"key": KEY, "agents": True}}},
        }
    )
    async with Runtime(settings) as runtime:
        tools = HostedTools(runtime, lambda: Confirmations(tmp_path, runtime.clock))
        app = build_app(runtime, service=settings.service, key="the-key-of-the-service", agents=tools.app_of)
        app.on_cleanup.append(tools.close)
        async with serve(app, "127.0.0.1", 0, shutdown=1.0) as base:
            way = [*inspector, f"{base}/mcp", "--transport", "http", "--header"]
            code, said = await inspect([*way, f"Authorization: Bearer {KEY}", "--method", "tools/list"])
            assert (code, tools_of(said)) == (0, TOOLS), said
            call = ["--method", "tools/call", "--tool-name", "list_sites"]
            code, said = await inspect([*way, f"Authorization: Bearer {KEY}", *call])
            assert (code, sites_of(said)) == (0, ["wiki"]), said
            code, said = await inspect([*way, "Authorization: Bearer wrong", "--method", "tools/list"])
            assert (code != 0, "invalid_api_key" in said) == (True, True), said
