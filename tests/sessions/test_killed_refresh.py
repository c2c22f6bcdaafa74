"""A refresh token that serves once outlives `kill -9` between the token endpoint's answer and the new session."""

from __future__ import annotations

import asyncio
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from aiohttp import web

from token_endpoint_site import PASSWORD, TokenEndpointSite, page, serving

pytestmark = pytest.mark.slow

PROGRAM = """
import asyncio, sys
import doorkey

async def main():
    settings = doorkey.Settings.load(sys.argv[1])
    async with doorkey.Runtime(settings) as runtime, doorkey.client("api", runtime=runtime) as client:
        print((await client.post("/api/items", json={})).status)

asyncio.run(main())
"""
SETTINGS = """
[browser]
executable = "/nowhere/chromium"
[sites.api]
provider = "web"
url = "URL"
tokens.access = "json:data.access_token"
tokens.refresh = "json:data.refresh_token"
tokens.csrf = "meta[name=csrf]@content"
send.header.Authorization = "Bearer {access}"
send.header.X-CSRF = "{csrf}"
login.request = { path = "/auth/login", json = { user = "ada", password = "env:API_PASSWORD" } }
renew.request = { path = "/auth/refresh", json = { refresh_token = "{refresh}" } }
"""


@dataclass
class HeldPage(TokenEndpointSite):
    """The page after the token endpoint is answered only while it is `open`; `waits` is set when one asks for it."""

    open: asyncio.Event = field(default_factory=asyncio.Event)
    waits: asyncio.Event = field(default_factory=asyncio.Event)

    async def home(self, request: web.Request) -> web.Response:
        self.waits.set()
        await self.open.wait()
        return page('<meta name=csrf content="c1">')


async def test_the_successor_is_stored_before_anything_else_is_asked_for(tmp_path: Path) -> None:
    async with serving(HeldPage()) as site:
        settings = tmp_path / "doorkey.toml"
        settings.write_text(SETTINGS.replace("URL", site.url))
        homes = {f"XDG_{kind}_HOME": str(tmp_path / kind) for kind in ("DATA", "CONFIG", "STATE", "CACHE")}
        environment = {**os.environ, **homes, "API_PASSWORD": PASSWORD}

        async def start() -> asyncio.subprocess.Process:
            return await asyncio.create_subprocess_exec(
                sys.executable, "-c", PROGRAM, str(settings), env=environment, stdout=asyncio.subprocess.PIPE
            )

        async def ask() -> str:
            async with asyncio.timeout(60):
                out, _ = await (await start()).communicate()
            return out.decode().strip()

        site.open.set()
        assert await ask() == "200"
        site.die()
        site.open.clear()
        site.waits.clear()
        killed = await start()
        async with asyncio.timeout(60):
            await site.waits.wait()
        killed.kill()
        await killed.wait()
        assert site.used == {"refresh-token-0001"}
        site.die()
        site.open.set()
        assert await ask() == "200"
        assert (site.used, site.stolen) == ({"refresh-token-0001", "refresh-token-0002"}, False)
        assert (len(site.logins), site.renewals) == (1, 2)
