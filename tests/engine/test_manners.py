"""Calls keep to a site's pace: one turn each, given back when the answer has ended, however it ends."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Generator
from email.utils import formatdate
from typing import Any

import pytest
from aiohttp import web

from doorkey.clock import SystemClock
from doorkey.engine.answer import Answer
from doorkey.engine.engine import Engine
from doorkey.errors import Blocked, DoorkeyError, RateLimited, TimeLimit
from doorkey.model.request import Reply, Request
from doorkey.model.session import Session
from doorkey.rate.limiter import RateLimiter, RateStatus
from doorkey.rate.limits import RateLimiters, RateLimits
from event_lines import site_events

from .conftest import TokenSite, TokenTarget

GET = Request(url="/item", repeatable=True)
FAST = 1000.0


@pytest.fixture
def paced(engines: Callable[..., Engine], clock: SystemClock, target: TokenTarget) -> Callable[..., Any]:
    """Makes an engine with manners, and tells the pace of its site."""

    def make(**manners: Any) -> tuple[Engine, RateLimiter]:
        limiters = RateLimiters(lambda key: RateLimits(**{"rate": FAST, **manners}), clock)
        pace = limiters.of(target.key)
        assert pace is not None
        return engines(limiters=limiters), pace

    return make


def send(engine: Engine, target: TokenTarget, request: Request = GET, seconds: float = 20) -> Any:
    return engine.send(target, request, deadline=SystemClock().now() + seconds)  # type: ignore[arg-type]  # keeps its contract


def free(status: RateStatus) -> bool:
    return (status.under_way, status.queue) == (0, ())


class Gated:
    """A route whose answers begin and then wait."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.inside = self.most = 0

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        self.inside += 1
        self.most = max(self.most, self.inside)
        try:
            response = web.StreamResponse()
            await response.prepare(request)
            await response.write(b"begun ")
            await self.gate.wait()
            await response.write(b"ended")
            await response.write_eof()
            return response
        finally:
            self.inside -= 1


@pytest.fixture
def gated(tokens: TokenSite) -> Gated:
    tokens.routes["/slow"] = route = Gated()
    return route


SLOW = Request(url="/slow", repeatable=True)


async def test_two_at_a_time_and_the_place_is_kept_until_the_body_has_ended(
    paced: Callable[..., Any], target: TokenTarget, gated: Gated
) -> None:
    engine, pace = paced()

    async def call() -> bytes:
        async with await send(engine, target, SLOW) as answer:
            return await answer.read()

    calls = [asyncio.create_task(call()) for _ in range(6)]
    async with asyncio.timeout(10):
        while gated.inside < 2 or len(pace.status().queue) < 4:
            await asyncio.sleep(0)
    gated.gate.set()
    assert await asyncio.gather(*calls) == [b"begun ended"] * 6
    assert gated.most == 2
    assert free(pace.status())


async def test_an_answer_that_has_come_whole_holds_no_place(paced: Callable[..., Any], target: TokenTarget) -> None:
    engine, pace = paced(at_once=1)
    answers: list[Answer[bytes]] = [await send(engine, target) for _ in range(3)]
    assert free(pace.status())
    assert [await answer.read() for answer in answers] == [b"fine /item"] * 3


async def test_pieces_read_to_their_end_give_the_place_back(
    paced: Callable[..., Any], target: TokenTarget, gated: Gated
) -> None:
    engine, pace = paced(at_once=1)
    answer = await send(engine, target, SLOW)
    gated.gate.set()
    assert b"".join([piece async for piece in answer.pieces()]) == b"begun ended"
    assert free(pace.status())


async def test_an_answer_left_midway_gives_its_place_back(
    paced: Callable[..., Any], target: TokenTarget, gated: Gated
) -> None:
    engine, pace = paced(at_once=1)
    answer = await send(engine, target, SLOW)
    assert pace.status().under_way == 1
    await answer.aclose()
    assert free(pace.status())


async def test_a_caller_who_leaves_gives_the_place_back(
    paced: Callable[..., Any], target: TokenTarget, tokens: TokenSite
) -> None:
    engine, pace = paced(at_once=1)
    arrived = asyncio.Event()

    async def never(request: web.Request) -> web.Response:
        arrived.set()
        await asyncio.Event().wait()
        raise AssertionError

    tokens.routes["/never"] = never
    call = asyncio.create_task(send(engine, target, Request(url="/never")))
    await arrived.wait()
    call.cancel()
    await asyncio.wait([call])
    assert free(pace.status())


async def test_a_call_that_fails_gives_the_place_back(
    paced: Callable[..., Any], target: TokenTarget, tokens: TokenSite
) -> None:
    engine, pace = paced()
    tokens.refuse_all, tokens.named = True, False
    assert not (await send(engine, target)).verdict
    assert free(pace.status())

    def start(session: Session) -> Generator[Request, Reply, list[str]]:
        yield GET
        return ["never"]

    with pytest.raises(Blocked):
        await engine.run(target, start, deadline=SystemClock().now() + 20)
    assert free(pace.status())


async def test_a_flow_takes_one_turn_for_all_its_requests_and_its_renewal(
    paced: Callable[..., Any], target: TokenTarget, tokens: TokenSite
) -> None:
    engine, pace = paced(rate=0.001)  # a second turn would come in a quarter of an hour

    def start(session: Session) -> Generator[Request, Reply, list[str]]:
        yield GET
        tokens.token = "t2"
        yield GET
        return ["done"]

    answer = await engine.run(target, start, deadline=SystemClock().now() + 20)
    assert [item async for item in answer] == ["done"]
    assert (tokens.accepted, tokens.refused, answer.renewed, answer.waited) == (3, 1, 1, 0.0)
    assert free(pace.status())


async def test_waiting_has_the_callers_own_limit(
    paced: Callable[..., Any], target: TokenTarget, tokens: TokenSite
) -> None:
    engine, pace = paced(rate=0.001)
    await send(engine, target)
    with pytest.raises(TimeLimit, match="tokens: limit reached: total, while waiting for a turn at the site"):
        await send(engine, target, seconds=0.05)
    assert (tokens.accepted, free(pace.status())) == (1, True)


async def test_the_wait_is_said_and_counted(paced: Callable[..., Any], target: TokenTarget, tokens: TokenSite) -> None:
    said: list[str] = []
    target.events = site_events(said)
    engine, _ = paced(rate=20.0)
    answers = await asyncio.gather(send(engine, target), send(engine, target))
    assert "waiting for a turn: place 1, about 0 s" in said
    assert [0.0 < answer.waited < 5 for answer in answers] == [False, True]


@pytest.mark.parametrize("told", ["seconds", "date"])
async def test_a_rate_limit_is_given_once_as_the_site_said_it_then_told_without_asking_again(
    paced: Callable[..., Any], target: TokenTarget, tokens: TokenSite, told: str
) -> None:
    engine, _ = paced()
    after = "240" if told == "seconds" else formatdate(time.time() + 240, usegmt=True)

    async def enough(request: web.Request) -> web.Response:
        return web.Response(status=429, headers={"Retry-After": after})

    tokens.routes["/item"] = enough
    assert (await send(engine, target)).head.status == 429
    with pytest.raises(RateLimited) as refused:
        await send(engine, target)
    assert refused.value.retry_after == pytest.approx(240, abs=60)
    assert (tokens.accepted, target.visits) == (1, 1)


async def test_nginx_that_says_503_and_no_more_is_backed_off_from_and_never_visited_for(
    paced: Callable[..., Any], clock: SystemClock, target: TokenTarget, tokens: TokenSite
) -> None:
    engine, pace = paced(patience=1.0)
    began = clock.now()
    page = (
        "<html>\r\n<head><title>503 Service Temporarily Unavailable</title></head>\r\n<body>\r\n<center>"
        "<h1>503 Service Temporarily Unavailable</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
    )

    async def limit_req(request: web.Request) -> web.Response:
        return web.Response(status=503, text=page, content_type="text/html")

    tokens.routes["/item"] = limit_req
    assert (await send(engine, target)).head.status == 503
    with pytest.raises(RateLimited):
        await send(engine, target)
    assert (tokens.accepted, target.visits) == (1, 1)
    assert 2 - (clock.now() - began) <= (pace.status().rests or 0) <= 2


async def test_a_flow_that_is_told_enough_makes_the_others_wait(
    paced: Callable[..., Any], clock: SystemClock, target: TokenTarget, tokens: TokenSite
) -> None:
    engine, pace = paced()
    began = clock.now()

    async def enough(request: web.Request) -> web.Response:
        return web.Response(status=429, headers={"Retry-After": "30"})

    def start(session: Session) -> Generator[Request, Reply, list[str]]:
        yield GET
        return ["never"]

    tokens.routes["/item"] = enough
    with pytest.raises(DoorkeyError):
        await engine.run(target, start, deadline=SystemClock().now() + 20)
    assert 30 - (clock.now() - began) <= (pace.status().rests or 0) <= 30


async def test_without_manners_nothing_is_counted(engine: Engine, target: TokenTarget) -> None:
    answers = await asyncio.gather(*(send(engine, target) for _ in range(20)))
    assert {answer.waited for answer in answers} == {0.0}
