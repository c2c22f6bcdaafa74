"""Sessions are checked by a live page as by `direct`: streams under way hold no check up, and none disturbs them."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import aclosing

import pytest
from aiohttp import web

from doorkey.browser import BrowserPool
from doorkey.engine.answer import Answer
from doorkey.errors import SessionEnded
from doorkey.model.request import Request

from .login_engine import DEAD, VAGUE, Engaged, engaged, page

pytestmark = [pytest.mark.browser, pytest.mark.slow]


async def warm(engine: Engaged) -> None:
    """An accepted write, after which the check is calibrated."""
    await engine.write("warm")
    await engine.settle()


def stream(engine: Engaged, release: asyncio.Event) -> None:
    """POST /stream answers with one event at once, and with another when *release* is set."""

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        await response.write(b"data: 1\n\n")
        await release.wait()
        await response.write(b"data: 2\n\n")
        return response

    engine.site.routes["/stream"] = answer


async def open_stream(engine: Engaged) -> Answer[bytes]:
    request = Request(url="/stream", method="POST", body=b"text=stream")
    deadline = engine.clock.now() + 60
    return await engine.engine.send(engine.target, request, deadline=deadline)  # type: ignore[arg-type]


@pytest.mark.parametrize("form", ["HTTP 401", "the login page, its fields at byte 20,000", "a redirect to the login"])
async def test_fifty_writes_across_a_death_are_each_made_once(browsers: BrowserPool, form: str) -> None:
    async with engaged(pool=browsers) as engine:
        engine.site.dead = DEAD[form]
        await warm(engine)
        engine.site.kill()
        answers = await asyncio.gather(*(engine.write(f"n{number}") for number in range(50)))
        assert {status for status, _, _ in answers} == {302}
        assert Counter(engine.site.notes) == Counter(["warm", *(f"n{number}" for number in range(50))])
        assert engine.target.visits == 2
        assert engine.site.pages <= 4


@pytest.mark.parametrize("streams", [1, 5])
async def test_streams_neither_hold_a_check_up_nor_break(browsers: BrowserPool, streams: int) -> None:
    release = asyncio.Event()
    async with engaged(pool=browsers) as engine:
        stream(engine, release)
        await warm(engine)
        answers = [await open_stream(engine) for _ in range(streams)]
        engine.site.writes["/other"] = lambda request, sid: page("<p>wrong field</p>", 400)
        pages = engine.site.pages
        assert (await engine.write(path="/other"))[:2] == (400, "ok")
        assert engine.site.pages == pages + 1
        engine.site.dead = DEAD["a bare 403"]
        engine.site.kill()
        assert await engine.write("saved") == (302, "ok", 1)
        assert engine.site.notes == ["warm", "saved"]
        release.set()
        for answer in answers:
            async with aclosing(answer.pieces()) as pieces:
                assert b"".join([piece async for piece in pieces]) == b"data: 1\n\ndata: 2\n\n"
            await answer.aclose()


async def test_a_refusal_for_another_reason_costs_a_check_and_no_visit(browsers: BrowserPool) -> None:
    async with engaged(pool=browsers) as engine:
        await warm(engine)
        engine.site.writes["/other"] = lambda request, sid: web.Response(status=403)
        before = engine.site.pages
        answers = await asyncio.gather(*(engine.write(path="/other") for _ in range(10)))
        assert {status for status, _, _ in answers} == {403}
        assert engine.target.visits == 1
        assert engine.site.pages - before <= 2


async def test_what_may_have_been_processed_is_told_and_not_sent_again(browsers: BrowserPool) -> None:
    async with engaged(pool=browsers) as engine:
        engine.site.dead = VAGUE["an empty 500"]
        await warm(engine)
        engine.site.kill()
        with pytest.raises(SessionEnded, match="POST /notes"):
            await engine.write("lost")
        assert await engine.write("next") == (302, "ok", 0)
        assert engine.site.notes == ["warm", "next"]


async def test_a_rotated_cookie_is_the_sessions_from_then_on(browsers: BrowserPool) -> None:
    def rotate(request: web.Request, sid: str) -> web.Response:
        engine.site.notes.append("rotated")
        engine.site.live.discard(sid)
        return web.Response(status=500, headers={"Set-Cookie": f"sid={engine.site.log_in()}; Path=/"})

    async with engaged(pool=browsers) as engine:
        await warm(engine)
        engine.site.writes["/rotate"] = rotate
        assert (await engine.write(path="/rotate"))[0] == 500
        assert await engine.write("next") == (302, "ok", 0)
        assert engine.site.notes == ["warm", "rotated", "next"]
        assert engine.target.visits == 1


async def test_what_a_check_is_given_goes_along_with_nobody(browsers: BrowserPool) -> None:
    """The page of the check sets a cookie that the session does not have."""
    async with engaged(pool=browsers) as engine:
        await warm(engine)
        engine.site.home = {"Set-Cookie": "seen=1; Path=/"}
        engine.site.writes["/other"] = lambda request, sid: web.Response(status=403)
        await engine.write(path="/other")
        await engine.write("next")
        assert engine.site.pages
        assert all("seen" not in cookies for cookies in engine.site.cookies)


async def test_a_logout_is_made_once(browsers: BrowserPool) -> None:
    outs: list[str] = []

    def log_out(request: web.Request, sid: str) -> web.Response:
        outs.append(sid)
        engine.site.live.discard(sid)
        return page("", 302, Location="/login")

    async with engaged(pool=browsers) as engine:
        await warm(engine)
        engine.site.writes["/logout"] = log_out
        assert (await engine.write(path="/logout"))[:2] == (302, "ok")
        assert await engine.write("next") in ((302, "ok", 0), (302, "ok", 1))
        assert (len(outs), engine.site.notes) == (1, ["warm", "next"])
