"""An answer that is read: what fails on the way is ended on the site's side too."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from doorkey.clock import SystemClock
from doorkey.errors import Changed, TimeLimit
from doorkey.model.request import Request
from doorkey.model.session import Key, Session
from doorkey.model.site import Site
from doorkey.transport.direct import Direct, Limits
from doorkey.transport.stream import Stream, whole

Reading = Callable[[Stream], Awaitable[object]]
READINGS: tuple[Reading, ...] = (lambda stream: stream.read(99), lambda stream: stream.hold(99), lambda s: whole(s, 99))
NAMES = ("read", "hold", "whole")


class SlowSite:
    """Sends a first piece, and no more; knows when its client has left."""

    def __init__(self) -> None:
        self.url = ""
        self.left = asyncio.Event()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"first")
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.left.set()
            raise
        return response


@pytest.fixture
async def site() -> AsyncIterator[SlowSite]:
    slow = SlowSite()
    app = web.Application()
    app.router.add_get("/", slow.answer)
    async with TestServer(app, host="127.0.0.1", handler_cancellation=True) as server:
        slow.url = str(server.make_url("/"))
        yield slow


async def opened(site: SlowSite, direct: Direct) -> Stream:
    nobody = Session(key=Key("slow", site.url), gen=0, url=site.url, born=0, soft=0, hard=0)
    return await direct.open(Request(url="/"), nobody, Site(name="slow", url=site.url))


@pytest.mark.parametrize("reading", READINGS, ids=NAMES)
async def test_an_answer_that_stops_coming_is_ended_at_the_site(site: SlowSite, reading: Reading) -> None:
    async with Direct(clock=SystemClock(), limits=Limits(idle=0.01)) as direct:
        stream = await opened(site, direct)
        with pytest.raises(TimeLimit, match="idle"):
            await reading(stream)
        async with asyncio.timeout(5):
            await site.left.wait()


@pytest.mark.parametrize("reading", READINGS, ids=NAMES)
async def test_a_reader_who_leaves_ends_the_answer_at_the_site(site: SlowSite, reading: Reading) -> None:
    async def read(stream: Stream) -> None:
        await reading(stream)

    async with Direct(clock=SystemClock()) as direct:
        stream = await opened(site, direct)
        task = asyncio.create_task(read(stream))
        await asyncio.sleep(0)
        task.cancel()
        async with asyncio.timeout(5):
            await site.left.wait()


async def test_what_was_held_is_given_again_up_to_the_limit(site: SlowSite) -> None:
    async with Direct(clock=SystemClock()) as direct:
        stream = await opened(site, direct)
        assert await stream.hold(5) is False
        with pytest.raises(Changed, match="longer than 4 bytes"):
            await stream.read(4)
        async with asyncio.timeout(5):
            await site.left.wait()
