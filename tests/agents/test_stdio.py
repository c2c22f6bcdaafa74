"""`doorkey mcp` as an agent's program starts it, and `doorkey confirm` as the user answers."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

pytestmark = pytest.mark.slow

LIMIT = 120
DOORKEY = str(Path(sys.executable).with_name("doorkey"))


async def test_an_agent_reads_and_its_write_waits_for_the_user(tmp_path: Path) -> None:
    from mcp import Client, StdioServerParameters

    seen: list[tuple[str, str]] = []

    async def answer(request: web.Request) -> web.Response:
        seen.append((request.method, await request.text()))
        response = web.Response(text=f"<h1>Items</h1> {request.headers.get('cookie')}", content_type="text/html")
        response.set_cookie("sid", "a-secret-cookie")
        return response

    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", answer)
    async with TestServer(app, host="127.0.0.1") as server, asyncio.timeout(LIMIT):
        config = tmp_path / "doorkey.toml"
        config.write_text(
            f'[sites.wiki]\nprovider = "web"\nurl = "{server.make_url("/")}"\nagents.write = ["POST /items"]\n'
            '[store]\nurl = "memory://"\n'
        )
        env = {**os.environ, "HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)}

        async def doorkey(*arguments: str) -> str:
            process = await asyncio.create_subprocess_exec(DOORKEY, *arguments, env=env, stdout=asyncio.subprocess.PIPE)
            out, _ = await process.communicate()
            assert process.returncode == 0
            return out.decode()

        parameters = StdioServerParameters(command=DOORKEY, args=["mcp", "--config", str(config)], env=env)
        async with Client(parameters) as client:
            names = {tool.name for tool in (await client.list_tools()).tools}
            assert names == {"list_sites", "site_status", "call_site", "ask_site", "ask_person"}
            writing = asyncio.create_task(
                client.call_tool("call_site", {"site": "wiki", "path": "/items", "method": "POST", "body": "{}"})
            )
            while not (waiting := json.loads(await doorkey("confirm", "--json"))):
                assert not writing.done()
            assert [method for method, _ in seen if method == "POST"] == []
            assert "POST /items" in await doorkey("confirm")
            assert "{}" in await doorkey("confirm", "show", waiting[0]["id"])
            await doorkey("confirm", "allow", waiting[0]["id"])
            text = (await writing).content[0].text
        assert ("POST", "{}") in seen
        assert ("HTTP 200" in text, "<h1>Items</h1>" in text, "secret-cookie" in text) == (True, True, False)


async def test_a_site_that_cannot_be_used_stops_no_other(tmp_path: Path) -> None:
    from mcp import Client, StdioServerParameters

    async def answer(_: web.Request) -> web.Response:
        return web.Response(text="<h1>Items</h1>", content_type="text/html")

    app = web.Application()
    app.router.add_get("/{tail:.*}", answer)
    async with TestServer(app, host="127.0.0.1") as server, asyncio.timeout(LIMIT):
        config = tmp_path / "doorkey.toml"
        config.write_text(
            f'[sites.wiki]\nprovider = "web"\nurl = "{server.make_url("/")}"\n[store]\nurl = "memory://"\n'
            '[sites.odd]\nprovider = "nonsense"\nurl = "http://127.0.0.1:9/"\n'
        )
        env = {**os.environ, "HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)}
        parameters = StdioServerParameters(command=DOORKEY, args=["mcp", "--config", str(config)], env=env)
        async with Client(parameters) as client:
            called = await client.call_tool("call_site", {"site": "wiki", "path": "/items"})
            assert "<h1>Items</h1>" in called.content[0].text
            assert "odd" not in (await client.call_tool("list_sites", {})).content[0].text
