"""What one worker of `doorkey serve --workers 2` knows, another tells: the state of sites, and the live view."""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from .conftest import LIMIT, Doorkey
from .test_workers import KEY, start, worker_of

sys.path.insert(0, str(Path(__file__).parents[1]))
from person_site import PersonSite

SETTINGS = f"""
[service]
key = "{KEY}"
[sites.chat]
provider = "aichats"
url = "URL"
"""
GATED = f"""
[service]
key = "{KEY}"
[sites.wiki]
provider = "web"
url = "URL"
ready = "#out"
tokens.csrf = "meta[name=csrf]@content"
"""
SIZE = {"width": 640, "height": 480}


@pytest.fixture
async def exits() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


@asynccontextmanager
async def chat_site() -> AsyncIterator[str]:
    """A chat whose session is its cookies, which a request gets."""

    async def page(request: web.Request) -> web.Response:
        await asyncio.sleep(0.05)
        response = web.Response(text="<title>A chat</title>", content_type="text/html")
        for name in ("ai-chat-front", "_csrf-front", "muVyak"):
            response.set_cookie(name, "x" * 40)
        return response

    app = web.Application()
    app.router.add_get("/chat/", page)
    async with TestServer(app, host="127.0.0.1") as server:
        yield str(server.make_url("/chat/"))


@pytest.mark.slow
async def test_a_site_is_told_of_as_it_is_whichever_worker_is_asked(doorkey: Doorkey, exits: AsyncExitStack) -> None:
    url = await exits.enter_async_context(chat_site())
    (doorkey.folder / "doorkey.toml").write_text(SETTINGS.replace("URL", url))
    service = await start(doorkey, exits, "--config", "doorkey.toml")
    clients = await service.clients_of_both()
    told: dict[object, object] = {}
    for number in range(6):
        visitor, other = clients[number % 2], clients[1 - number % 2]
        renewing = asyncio.create_task(renew(visitor))
        while not renewing.done():
            site = await state(other)
            assert site["state"] == "visiting" or told.setdefault(site["gen"], site["visits"]) == site["visits"], site
        assert await renewing == 200
        for client in (other, visitor):
            site = await state(client)
            assert (site["state"], site["visits"], float(str(site["age"])) < 5) == ("fresh", number + 1, True), site
            told[site["gen"]] = site["visits"]
    assert len(told.keys() - {-1}) == 6


async def renew(client: aiohttp.ClientSession) -> int:
    async with client.post("/api/sites/chat/renew") as answer:
        return answer.status


async def state(client: aiohttp.ClientSession) -> dict[str, object]:
    async with client.get("/api/sites/chat") as answer:
        told: dict[str, object] = await answer.json()
    return told


@pytest.mark.browser
@pytest.mark.slow
async def test_a_person_finishes_a_visit_through_the_worker_that_does_not_have_it(
    doorkey: Doorkey, exits: AsyncExitStack
) -> None:
    site = PersonSite(gate=True)
    server = await exits.enter_async_context(TestServer(site.app(), host="127.0.0.1"))
    site.url = str(server.make_url("/"))
    (doorkey.folder / "doorkey.toml").write_text(GATED.replace("URL", site.url))
    service = await start(doorkey, exits, "--config", "doorkey.toml")
    caller, other = await service.clients_of_both()
    call = asyncio.create_task(items(caller))
    async with other.post("/api/dashboard/links") as made:
        link = (await made.json())["path"]
    guest = await service.client(**{"accept": "text/html"})
    async with guest.get(link, allow_redirects=False) as answer:
        cookie = next(iter(answer.cookies.values())).OutputString().partition(";")[0]
    path = await until_offered(guest, cookie)
    while await worker_of(guest := await service.client(**{"accept": "text/html"})) != await worker_of(other):
        pass  # its connection lasts: each request of it comes to that worker
    async with guest.get(path, headers={"cookie": cookie}) as shown:
        assert (shown.status, "wiki" in await shown.text()) == (200, True)
    assert not call.done()
    headers = {"cookie": cookie}
    async with guest.ws_connect(f"{path}/socket", origin=service.base, headers=headers) as socket:
        await socket.send_json({"type": "size", **SIZE})
        await site.until_told(f"size {SIZE['width']}")
        async with asyncio.timeout(LIMIT):
            while (await socket.receive()).type is not aiohttp.WSMsgType.BINARY:
                pass  # a picture comes after the texts
        at = {"x": 0.05, "y": 0.05}  # in the box, on a picture from before the page got its size, too
        for event, buttons in (("down", 1), ("up", 0)):
            pointer = {"type": "pointer", "event": event, **at, "button": 0, "buttons": buttons, "clicks": 1}
            await socket.send_json(pointer)
        async with asyncio.timeout(LIMIT):
            async for message in socket:
                assert message.type is not aiohttp.WSMsgType.ERROR
            assert await call == 200
    async with guest.get(path, headers=headers) as gone:
        assert gone.status == 404


async def items(client: aiohttp.ClientSession) -> int:
    async with client.get("/site/wiki/api/items") as answer:
        return answer.status


async def until_offered(guest: aiohttp.ClientSession, cookie: str) -> str:
    """Return the path of the live view, once the dashboard shows it."""
    async with asyncio.timeout(LIMIT), guest.get("/dashboard/events", headers={"cookie": cookie}) as events:
        async for line in events.content:
            if found := re.search(rb'href=\\"(/dashboard/live/[^"\\]+)', line):
                return found[1].decode()
    raise AssertionError("the stream of the dashboard ended")
