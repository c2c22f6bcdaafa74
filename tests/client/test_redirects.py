"""What a client takes along when a site sends it on: its own headers to the site alone, and one deadline for all."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

import doorkey
from doorkey.clock import SystemClock
from doorkey.engine.answer import Answer
from doorkey.model.request import Request
from doorkey.model.site import Site

sys.path.insert(0, str(Path(__file__).parents[1]))
from entered import EnteredRuntime, TokenSite, token_site

OWN = {"Authorization": "Bearer mine", "X-Api-Key": "mine", "X-Mine": "mine", "Range": "bytes=0-", "If-Match": '"1"'}


class LateClock(SystemClock):
    late = 0.0

    def now(self) -> float:
        return super().now() + self.late


class SlowRuntime(EnteredRuntime):
    """Each request takes 40 seconds of its clock; `left` is what each was given."""

    def __init__(self, server: TokenSite) -> None:
        super().__init__(server)
        self.clock = self.slow = LateClock()
        self.left: list[float] = []

    async def send(self, site: str, request: Request, *, timeout: float | None = None) -> Answer[bytes]:
        assert timeout is not None
        self.left.append(timeout)
        self.slow.late += 40
        return await super().send(site, request)


@pytest.fixture
async def site() -> AsyncIterator[TokenSite]:
    async with token_site() as made:
        yield made


@pytest.fixture
async def other() -> AsyncIterator[TokenSite]:
    async with token_site() as made:
        yield made


def leads(site: TokenSite, path: str, to: str, status: int = 307) -> None:
    async def moved(request: web.Request) -> web.Response:
        return web.Response(status=status, headers={"location": to})

    site.routes[path] = moved


async def test_another_host_gets_none_of_the_callers_own_headers_but_harmless_ones(
    site: TokenSite, other: TokenSite
) -> None:
    leads(site, "/export", f"{other.url}file")
    async with EnteredRuntime(site) as runtime, doorkey.client("wiki", runtime=runtime) as wiki:
        headers = {**OWN, "Referer": f"{site.url}secret", "Content-Type": "x/y", "Accept": "text/csv"}
        await wiki.get("/export", headers=headers, json={"key": "mine"})
    came = other.seen[0]
    assert "mine" not in " ".join(came.headers.values())
    assert (came.headers["range"], came.headers["if-match"], came.headers["accept"]) == ("bytes=0-", '"1"', "text/csv")
    assert "secret" not in came.headers.get("referer", "")
    assert "content-type" not in came.headers
    assert not came.body_exists


async def test_the_site_itself_gets_all_of_them_again(site: TokenSite) -> None:
    leads(site, "/export", "/file")
    async with EnteredRuntime(site) as runtime, doorkey.client("wiki", runtime=runtime) as wiki:
        await wiki.get("/export", headers=OWN)
    assert site.seen[-1].path == "/file"
    assert site.seen[-1].headers["authorization"] == "Bearer mine"


async def test_one_deadline_holds_for_all_redirects(site: TokenSite) -> None:
    leads(site, "/a", "/b")
    leads(site, "/b", "/c")
    async with SlowRuntime(site) as runtime, doorkey.client("wiki", runtime=runtime) as wiki:
        await wiki.get("/a", timeout=500)
        first, second, third = runtime.left
        assert first - second > 39
        assert second - third > 39


async def test_a_place_that_is_no_url_is_the_callers_to_see(site: TokenSite) -> None:
    leads(site, "/a", "http://[none")
    async with EnteredRuntime(site) as runtime, doorkey.client("wiki", runtime=runtime) as wiki:
        assert (await wiki.get("/a")).status == 307


async def test_the_sites_own_host_is_known_in_any_spelling(site: TokenSite) -> None:
    leads(site, "/a", f"{site.url.replace('http', 'HTTP')}b")
    async with EnteredRuntime(site) as runtime, doorkey.client("wiki", runtime=runtime) as wiki:
        assert await (await wiki.get("/a")).text() == "GET /b"


async def test_a_body_that_a_redirect_leaves_behind_is_read_no_further(site: TokenSite) -> None:
    ended = asyncio.Event()

    async def endless() -> AsyncIterator[bytes]:
        try:
            yield b"x"
            await asyncio.Event().wait()
        finally:
            ended.set()

    leads(site, "/save", "/saved", 303)
    async with EnteredRuntime(site) as runtime, doorkey.client("wiki", runtime=runtime) as wiki:
        async with asyncio.timeout(10):
            assert await (await wiki.post("/save", data=endless())).text() == "GET /saved"
        assert ended.is_set()


async def test_another_configured_site_on_the_same_host_gets_none_of_this_ones_cookies(
    site: TokenSite, other: TokenSite
) -> None:
    leads(site, "/export", f"{other.url}file", 302)

    async with EnteredRuntime(site) as runtime, doorkey.client("wiki", runtime=runtime) as wiki:
        runtime.sites["other"] = Site(name="other", url=other.url)
        await wiki.get("/export")
    assert "cookie" in site.seen[-1].headers
    assert "cookie" not in other.seen[-1].headers


async def test_what_params_add_stands_in_the_answers_url(site: TokenSite) -> None:
    async with EnteredRuntime(site) as runtime, doorkey.client("wiki", runtime=runtime) as wiki:
        assert (await wiki.get("/x", params={"page": 2})).url == f"{site.url}x?page=2"
