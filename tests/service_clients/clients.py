"""The clients under test: where their packages come from, and the processes that drive them."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "real"))
from software.packages import Packages

DRIVERS = Path(__file__).parent / "drivers"
LIMIT = 60.0
LINE = 64 * 1024 * 1024
NEWEST = ("openai>=3", "anthropic>=1", "langchain-openai", "llm", "pydantic-ai-slim[openai]", "openai-agents")
OLDEST = ("openai==1.0.0", "httpx<0.28")
JAVASCRIPT = ("openai@7", "ai@7", "@ai-sdk/openai@4", "@ai-sdk/openai-compatible@3")


@dataclass(frozen=True, slots=True)
class Client:
    """`driver` is its script, with arguments. `tells_code`: it reads the code of an error.
    `tells_last`: it tells the message of an error that ends a stream. `repeats`: it repeats requests by itself, and
    can't be told not to. `heeds`: it reads `x-should-retry`. `more`: what it can do beside chats.
    """

    name: str
    driver: Sequence[str]
    requirements: Sequence[str] = NEWEST
    tells_code: bool = True
    tells_last: bool = True
    repeats: bool = False
    heeds: bool = True
    more: Sequence[str] = ()


OPENAI = ("models", "image", "completion")
CLIENTS = (
    Client("openai-py-1.0", ("openai_sdk.py",), OLDEST, tells_code=False, tells_last=False, more=OPENAI),
    Client("openai-py", ("openai_sdk.py",), more=OPENAI),
    Client("openai-py-responses", ("responses_sdk.py",)),
    Client("anthropic", ("anthropic_sdk.py",), more=("models",)),
    Client("langchain", ("langchain_sdk.py",)),
    Client("llm", ("llm_tool.py",), repeats=True),
    Client("pydantic-ai-chat", ("pydantic_ai_agent.py",)),
    Client("pydantic-ai-responses", ("pydantic_ai_agent.py", "responses")),
    Client("openai-agents", ("openai_agents.py",)),
    Client("openai-js", ("openai_sdk.mjs",), JAVASCRIPT, more=("models", "image")),
    Client("ai-sdk", ("ai_sdk.mjs",), JAVASCRIPT, tells_last=False, heeds=False, more=("image",)),
    Client("ai-sdk-responses", ("ai_sdk.mjs", "responses"), JAVASCRIPT, tells_last=False, heeds=False, more=("image",)),
)


class Driver:
    """A running client. It obeys one order at a time."""

    def __init__(self, process: asyncio.subprocess.Process, client: Client) -> None:
        self._process = process
        self.client = client

    async def order(self, verb: str, **values: Any) -> dict[str, Any]:
        """Return what the client made of the service's answer: its text, usage and so on, or its `error`."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"verb": verb, **values}).encode() + b"\n")
        return await read_line(self._process)


async def read_line(process: asyncio.subprocess.Process) -> dict[str, Any]:
    assert process.stdout is not None
    line = await asyncio.wait_for(process.stdout.readline(), LIMIT)
    assert line, f"the client's process ended with {await process.wait()}"
    told: dict[str, Any] = json.loads(line)
    return told


@asynccontextmanager
async def driving(client: Client, packages: Packages, folder: Path) -> AsyncIterator[Driver]:
    """Run *client*. Raises Unavailable if its packages can't be had."""
    command, environment = make_command(client, packages, folder)
    process = await asyncio.create_subprocess_exec(
        *command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=LINE, env=environment, cwd=folder
    )
    try:
        verbs = (await read_line(process))["verbs"]
        assert {"models", "image", "completion"}.intersection(verbs) == set(client.more), verbs
        yield Driver(process, client)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def make_command(client: Client, packages: Packages, folder: Path) -> tuple[list[str], dict[str, str]]:
    script, *arguments = client.driver
    environment = {**os.environ, "HOME": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    if client.requirements is JAVASCRIPT:
        modules = packages.javascript("service-clients", JAVASCRIPT) / "node_modules"
        copied = shutil.copytree(DRIVERS, folder / "drivers", ignore=shutil.ignore_patterns("*.py", "__pycache__"))
        (copied / "node_modules").symlink_to(modules)  # a module's packages are looked for beside it
        return ["node", str(copied / script), *arguments], environment
    name = "service-clients" if client.requirements is NEWEST else "service-clients-oldest"
    python = packages.python(name, client.requirements)
    return [str(python), str(DRIVERS / script), *arguments], environment
