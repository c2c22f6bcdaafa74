"""The provider of docs/providers.md, installed as anyone's would be, takes a question to a real page."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

pytestmark = pytest.mark.browser

DOCUMENT = Path(__file__).parents[2] / "docs" / "providers.md"
PAGE = """<!doctype html><title>my site</title><p>Welcome</p><script>
setTimeout(() => {
  const tag = document.createElement("meta");
  tag.name = "csrf-token"; tag.content = "SECRET"; document.head.append(tag);
}, 50);
</script>"""


@dataclass
class Site:
    url: str = ""
    prompts: list[str] = field(default_factory=list)

    async def page(self, request: web.Request) -> web.Response:
        return web.Response(text=PAGE.replace("SECRET", "token-1"), content_type="text/html")

    async def chat(self, request: web.Request) -> web.Response:
        if request.headers.get("x-csrf-token") != "token-1":
            raise web.HTTPForbidden
        self.prompts.append((await request.json())["prompt"])
        return web.Response(text="data: Hello \n\ndata: you\n\ndata: [DONE]\n\n", content_type="text/event-stream")


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    site = Site()
    app = web.Application()
    app.router.add_get("/", site.page)
    app.router.add_post("/api/chat", site.chat)
    async with TestServer(app, host="127.0.0.1") as server:
        site.url = str(server.make_url("/"))
        yield site


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """A folder with the page's provider and the metadata that an installation of it would have."""
    (code,) = re.findall(r"```python\n(from doorkey import ChatProvider.*?)```", DOCUMENT.read_text("utf-8"), re.S)
    (tmp_path / "their_module.py").write_text(code)
    metadata = tmp_path / "their_site-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: their-site\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[doorkey.providers]\nmysite = their_module:MySite\n")
    return tmp_path


@pytest.mark.slow
async def test_the_provider_of_the_page_answers_from_the_command_line(site: Site, installed: Path) -> None:
    environment = {
        **os.environ,
        "PYTHONPATH": str(installed),
        "HOME": str(installed / "home"),
        "XDG_DATA_HOME": str(installed / "data"),
        "DOORKEY_SITES__MYSITE__URL": site.url,
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "doorkey", "ask", "-m", "mysite", "Who is there?",
        env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, cwd=installed,
    )  # fmt: skip
    async with asyncio.timeout(60):
        out, err = await process.communicate()
    assert (out.decode(), process.returncode, err.decode()) == ("Hello you\n", 0, "")
    assert site.prompts == ["Who is there?"]
