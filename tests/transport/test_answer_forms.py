"""One answer in each form it may come in has the same verdict and bytes, by both transports and every way in."""

from __future__ import annotations

import gzip
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import web

from doorkey import Runtime
from doorkey.browser import BrowserPool
from doorkey.clients.aio import client
from doorkey.config.settings import ServiceSettings
from doorkey.service import door_headers
from doorkey.service.app import build_app, serve
from doorkey.transport import compression, direct

from .paged import PagedSite, runtime_for, serving

pytestmark = [pytest.mark.browser, pytest.mark.slow]
FILLING = "<p>" + "Grüße aus dem Wiki. " * 200
FINE = f"<!doctype html>{FILLING}<p>saved".encode()
DEAD = f"<!doctype html>{FILLING}<p>Your session has expired.".encode()
"""A refusal that only its text tells, past the first 4 KiB."""
CODINGS: dict[str, Callable[[bytes], bytes]] = {"identity": bytes, "gzip": gzip.compress}
if compression.BROTLI is not None:
    CODINGS["br"] = compression.BROTLI.compress


class FormSite(PagedSite):
    """Answers /save in the coding of its query, if the request accepts it, one byte a chunk.

    Only the newest session is alive; `end` ends it. `codings` are those of the answers.
    """

    alive_from = 1
    codings: list[str]

    def end(self) -> None:
        self.alive_from = self.loads + 1

    async def save(self, request: web.Request) -> web.StreamResponse:
        await request.read()
        alive = int(request.cookies["sid"].removeprefix("s")) >= self.alive_from
        coding = request.query["coding"]
        if coding not in request.headers.get("accept-encoding", ""):
            coding = "identity"
        self.codings.append(coding)
        response = web.StreamResponse(headers={"content-type": "text/html; charset=utf-8"})
        if coding != "identity":
            response.headers["content-encoding"] = coding
        await response.prepare(request)
        packed = CODINGS[coding](FINE if alive else DEAD)
        for at in range(len(packed)):
            await response.write(packed[at : at + 1])
        return response


async def read_by_client(runtime: Runtime, path: str) -> tuple[int, bytes, int]:
    async with client("wiki", runtime=runtime) as wiki, wiki.post(path, data=b"x") as answer:
        return answer.status, await answer.read(), answer.renewed


async def read_as_fetch_does(runtime: Runtime, path: str) -> tuple[int, bytes, int]:
    async with client("wiki", runtime=runtime) as wiki, wiki.post(path, data=b"x") as answer:
        return answer.status, b"".join([piece async for piece in answer.content.iter_any()]), answer.renewed


async def read_by_door(runtime: Runtime, path: str) -> tuple[int, bytes, int]:
    app = build_app(runtime, service=ServiceSettings(), key=None)
    async with (
        serve(app, "127.0.0.1", 0) as base,
        aiohttp.ClientSession(base) as outside,
        outside.post(f"/site/wiki{path}", data=b"x") as answer,
    ):
        return answer.status, await answer.read(), int(answer.headers["x-doorkey-renewed"])


WAYS: dict[str, Callable[[Runtime, str], Awaitable[tuple[int, bytes, int]]]] = {
    "client": read_by_client,
    "fetch": read_as_fetch_does,
    "door": read_by_door,
}


@asynccontextmanager
async def entered(transport: str, browsers: BrowserPool) -> AsyncIterator[tuple[FormSite, Runtime]]:
    site = FormSite()
    site.codings = []
    site.routes["/save"] = site.save
    more = {"transport": transport, "stale": ["body:session has expired"], "manners": {"rate": 100.0}}
    more |= {"tokens": {}, "send": {}}
    async with serving(site), runtime_for(site, pool=browsers, **more) as runtime:
        yield site, runtime


@pytest.fixture(params=["br installed", "br missing"])
def has_brotli(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[bool]:
    missing = request.param == "br missing"
    if missing:
        monkeypatch.delitem(compression.DECOMPRESSORS, "br", raising=False)
        monkeypatch.setattr(direct, "ACCEPTED", "gzip, deflate")
    door_headers.readable_codings.cache_clear()
    yield "br" in CODINGS and not missing
    door_headers.readable_codings.cache_clear()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("transport", ["direct", "page"])
async def test_each_form_has_the_same_verdict_and_bytes(
    transport: str, way: str, has_brotli: bool, browsers: BrowserPool
) -> None:
    async with entered(transport, browsers) as (site, runtime):
        for coding in CODINGS:
            for renewed in (0, 1):
                if renewed:
                    site.end()
                status, body, told = await WAYS[way](runtime, f"/save?coding={coding}")
                assert (coding, status, body == FINE) == (coding, 200, True)
                assert told <= 1  # a session check, which loads the page, makes a session of its own there
    assert ("br" in site.codings) is ("br" in CODINGS and (has_brotli or transport == "page"))
    assert {"identity", "gzip"} <= set(site.codings)
