"""The main path: dressed, sent, judged, renewed once for all, sent again, and never twice to the caller."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from doorkey.clock import SystemClock
from doorkey.engine.engine import Engine
from doorkey.errors import Blocked, Changed, Cut, RateLimited, RequestError, SessionRefused, SiteDown, TimeLimit
from doorkey.model.decoders import EventStream
from doorkey.model.events import LEFT, CallRecord, Event, Events
from doorkey.model.request import Head, Reply, Request
from doorkey.model.session import Session
from doorkey.model.verdict import Kind, Verdict
from doorkey.provider import Flow
from doorkey.transport.direct import Limits
from event_lines import site_events

if TYPE_CHECKING:
    from .conftest import TokenSite, TokenTarget


@pytest.fixture
def clock() -> Ahead:
    return Ahead()


def soon(engine: Engine) -> float:
    return asyncio.get_running_loop().time() + 30


async def fetched(engine: Engine, target: TokenTarget, request: Request) -> bytes:
    """The whole body, by a flow: refusals and failures are errors there."""

    def flow(session: Session) -> Flow[Any]:
        reply: Reply = yield request
        return [reply.body]

    answer = await engine.run(target, flow, deadline=soon(engine))  # type: ignore[arg-type]
    return b"".join([piece async for piece in answer])


class Words(EventStream):
    """Events of text, ended by `[DONE]`; an event `stale` says that the token was refused."""

    def event(self, name: str, data: str) -> Sequence[str]:
        if name == "stale":
            self.finish(Verdict(Kind.STALE, "refused in the stream"))
            return ()
        if data == "[DONE]":
            self.finish()
            return ()
        return (data,)


def words(head: Head) -> Words:
    return Words()


async def test_a_request_is_dressed_as_the_sessions_browser(
    engine: Engine, target: TokenTarget, tokens: TokenSite
) -> None:
    body = await fetched(engine, target, Request(url="/api", method="POST", json={"a": 1}, what="the call"))
    headers = tokens.seen[0].headers
    assert body == b"fine /api"
    assert headers["user-agent"] == "TestBrowser/1"
    assert headers["cookie"] == "sid=s1"
    assert headers["origin"] == tokens.url.rstrip("/")
    assert headers["sec-fetch-site"] == "same-origin"
    assert headers["x-token"] == "t1"


@pytest.mark.parametrize("named", [True, False])
async def test_a_hundred_refused_requests_cost_one_visit_and_all_are_answered(
    engine: Engine, target: TokenTarget, tokens: TokenSite, named: bool
) -> None:
    tokens.named = named
    await fetched(engine, target, Request(url="/warm"))
    tokens.token = "t2"
    bodies = await asyncio.gather(*(fetched(engine, target, Request(url=f"/{n}")) for n in range(100)))
    assert bodies == [f"fine /{n}".encode() for n in range(100)]
    assert target.visits == 2
    assert tokens.accepted == 101


async def test_an_unknown_refusal_by_a_fresh_session_is_blocked_and_remembered(
    engine: Engine, target: TokenTarget, tokens: TokenSite
) -> None:
    tokens.named = False

    async def filtered(request: web.Request) -> web.Response:
        return web.Response(text="<html>forbidden words</html>", content_type="text/html", status=403)

    tokens.routes["/bad"] = filtered
    for _ in range(3):
        with pytest.raises(Blocked) as told:
            await fetched(engine, target, Request(url="/bad", method="POST"))
        assert told.value.answer_status == 403
        assert await fetched(engine, target, Request(url="/good")) == b"fine /good"
    assert target.visits == 2  # the first session, and one useless visit


@pytest.mark.parametrize(("status", "verdict"), [(403, Kind.BLOCKED), (404, Kind.OK), (429, Kind.OK), (503, Kind.OK)])
async def test_a_plain_request_gets_the_sites_own_answer(
    engine: Engine, target: TokenTarget, tokens: TokenSite, status: int, verdict: Kind
) -> None:
    async def answered(request: web.Request) -> web.Response:
        return web.Response(text=f"<html>{status}</html>", content_type="text/html", status=status)

    tokens.routes["/x"] = answered
    async with await engine.send(target, Request(url="/x"), deadline=soon(engine)) as answer:  # type: ignore[arg-type]
        assert (answer.head.status, answer.verdict.kind) == (status, verdict)
        assert await answer.read() == f"<html>{status}</html>".encode()
    assert target.visits == (2 if status == 403 else 1)


class Ahead(SystemClock):
    """Runs ahead of the machine's by `by` seconds."""

    by = 0.0

    def now(self) -> float:
        return super().now() + self.by


@dataclass
class Slow:
    """Refuses the first request once it is told to, and answers the next."""

    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    refuse: asyncio.Event = field(default_factory=asyncio.Event)

    async def answer(self, request: web.Request) -> web.Response:
        if self.arrived.is_set():
            return web.Response(text="renewed")
        self.arrived.set()
        await self.refuse.wait()
        return web.Response(status=403)


@pytest.mark.parametrize("status", [429, 503])
async def test_who_says_enough_or_is_down_has_not_accepted_the_session(
    engines: Callable[..., Engine], clock: Ahead, target: TokenTarget, tokens: TokenSite, status: int
) -> None:
    async def busy(request: web.Request) -> web.Response:
        return web.Response(status=status)

    engine, slow = engines(), Slow()
    tokens.routes |= {"/slow": slow.answer, "/busy": busy}
    refused = asyncio.create_task(fetched(engine, target, Request(url="/slow")))
    await slow.arrived.wait()
    clock.by = 5
    async with await engine.send(target, Request(url="/busy"), deadline=clock.now() + 30) as answer:  # type: ignore[arg-type]
        assert answer.head.status == status
    slow.refuse.set()
    assert await refused == b"renewed", "nobody was accepted with that session meanwhile"
    assert target.visits == 2


async def test_another_host_has_not_accepted_the_session(
    engines: Callable[..., Engine], clock: Ahead, target: TokenTarget, tokens: TokenSite
) -> None:
    engine, slow = engines(), Slow()
    tokens.routes["/slow"] = slow.answer
    refused = asyncio.create_task(fetched(engine, target, Request(url="/slow")))
    await slow.arrived.wait()
    clock.by = 5
    elsewhere = tokens.url.replace("127.0.0.1", "localhost")
    assert await fetched(engine, target, Request(url=f"{elsewhere}image", own_host=False)) == b"fine /image"
    slow.refuse.set()
    assert await refused == b"renewed"


async def test_a_renewal_that_helped_is_not_held_against_the_shape(
    engine: Engine, target: TokenTarget, tokens: TokenSite
) -> None:
    tokens.named = False
    for number in range(3):
        tokens.token = f"t{number}"
        assert await fetched(engine, target, Request(url="/x")) == b"fine /x"
    assert target.visits == 3


async def test_a_site_that_refuses_every_session_ends_in_an_error(
    engine: Engine, target: TokenTarget, tokens: TokenSite
) -> None:
    tokens.refuse_all = True
    with pytest.raises(SessionRefused, match="stale"):
        await fetched(engine, target, Request(url="/x"))
    assert target.visits == 3  # the first, and the two renewals a call may have


async def test_a_path_that_is_forbidden_to_all_sessions_soon_costs_no_more_visits(
    engine: Engine, target: TokenTarget, tokens: TokenSite
) -> None:
    async def forbidden(request: web.Request) -> web.Response:
        return web.Response(text="stale token")

    tokens.routes["/secret"] = forbidden
    with pytest.raises(SessionRefused):
        await fetched(engine, target, Request(url="/secret"))
    assert await fetched(engine, target, Request(url="/open")) == b"fine /open"
    visits = target.visits
    for _ in range(3):
        with pytest.raises(Blocked, match="renewing did not help"):
            await fetched(engine, target, Request(url="/secret?again"))
    assert target.visits == visits
    tokens.token = "t2"  # what dies meanwhile is renewed all the same
    assert await fetched(engine, target, Request(url="/open")) == b"fine /open"


async def test_tokens_that_die_under_load_do_not_make_a_path_forbidden(
    engine: Engine, target: TokenTarget, tokens: TokenSite
) -> None:
    async def note(request: web.Request) -> web.Response:
        # Two renewals, as many as a call may have, serve twenty calls at a time.
        if tokens.accepted % 10 == 0:
            tokens.token = f"t{tokens.accepted}"
        return web.Response(text="noted")

    tokens.routes["/notes"] = note
    await fetched(engine, target, Request(url="/notes"))
    for _ in range(4):
        calls = [fetched(engine, target, Request(url="/notes", method="POST")) for _ in range(20)]
        assert await asyncio.gather(*calls) == [b"noted"] * 20


async def test_who_listens_hears_each_verdict(engine: Engine, target: TokenTarget, tokens: TokenSite) -> None:
    steps: list[str] = []
    target.events = site_events(steps)
    await fetched(engine, target, Request(url="/warm", what="the call"))
    tokens.token = "t2"
    await fetched(engine, target, Request(url="/x", what="the call"))
    assert steps == [
        "the call: HTTP 200 by direct, ok",
        "the call: HTTP 200 by direct, stale (the site calls the token stale)",
        "the call: HTTP 200 by direct, ok",
    ]


async def test_a_caller_who_leaves_is_recorded_as_such(engine: Engine, target: TokenTarget, tokens: TokenSite) -> None:
    records: list[Event] = []
    target.events = Events(SystemClock(), [records.append]).of("site")
    asked, leave = asyncio.Event(), asyncio.Event()

    async def slow(request: web.Request) -> web.Response:
        asked.set()
        await leave.wait()
        return web.Response(text="late")

    tokens.routes["/slow"] = slow
    call = asyncio.create_task(fetched(engine, target, Request(url="/slow")))
    await asked.wait()
    call.cancel()
    await asyncio.wait([call])
    leave.set()
    assert [record.error for record in records if isinstance(record, CallRecord)] == [LEFT]


async def test_a_refusal_in_the_body_before_the_first_item_renews_too(
    engine: Engine, target: TokenTarget, tokens: TokenSite
) -> None:
    answers = iter([": comment\n\nevent: stale\ndata: x\n\n", "data: one\n\ndata: two\n\ndata: [DONE]\n\n"])

    async def stream(request: web.Request) -> web.Response:
        return web.Response(text=next(answers), content_type="text/event-stream")

    tokens.routes["/chat"] = stream

    def flow(session: Session) -> Flow[None]:
        yield Request(url="/chat", method="POST", decode=words)

    answer = await engine.run(target, flow, deadline=soon(engine))  # type: ignore[arg-type]
    assert [item async for item in answer] == ["one", "two"]
    assert (answer.renewed, target.visits) == (1, 2)


async def test_nothing_is_sent_again_after_the_first_item(
    engine: Engine, target: TokenTarget, tokens: TokenSite
) -> None:
    go_on = asyncio.Event()

    async def stream(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        await response.write(b"data: one\n\n")
        await go_on.wait()
        await response.write(b"event: stale\ndata: x\n\n")
        return response

    tokens.routes["/chat"] = stream

    def flow(session: Session) -> Flow[None]:
        yield Request(url="/chat", method="POST", decode=words)

    answer = await engine.run(target, flow, deadline=soon(engine))  # type: ignore[arg-type]
    items: list[Any] = []
    with pytest.raises(SessionRefused):
        async for item in answer:
            items.append(item)
            go_on.set()
    assert items == ["one"]
    assert tokens.accepted == 1


async def test_a_stream_without_its_end_mark_was_cut(engine: Engine, target: TokenTarget, tokens: TokenSite) -> None:
    async def stream(request: web.Request) -> web.Response:
        return web.Response(text="data: one\n\n", content_type="text/event-stream")

    tokens.routes["/chat"] = stream

    def flow(session: Session) -> Flow[None]:
        yield Request(url="/chat", method="POST", decode=words)

    answer = await engine.run(target, flow, deadline=soon(engine))  # type: ignore[arg-type]
    with pytest.raises(Cut):
        _ = [item async for item in answer]


def two_steps(first_repeatable: bool) -> Callable[[Session], Flow[Any]]:
    def flow(session: Session) -> Flow[Any]:
        reply: Reply = yield Request(url="/draw", method="POST", repeatable=first_repeatable)
        picture: Reply = yield Request(url="/picture", repeatable=True)
        return [reply.text(), picture.text()]

    return flow


@pytest.mark.parametrize(("repeatable", "drawn"), [(False, 1), (True, 2)])
async def test_what_succeeded_and_may_not_be_repeated_is_not_done_twice(
    engine: Engine, target: TokenTarget, tokens: TokenSite, repeatable: bool, drawn: int
) -> None:
    async def draw(request: web.Request) -> web.Response:
        if target.visits == 1:
            tokens.token = "t2"
        return web.Response(text="drawn")

    tokens.routes["/draw"] = draw
    answer = await engine.run(target, two_steps(repeatable), deadline=soon(engine))  # type: ignore[arg-type]
    assert [item async for item in answer] == ["drawn", "fine /picture"]
    assert [request.path for request in tokens.seen].count("/draw") == drawn
    assert target.visits == 2


@pytest.mark.parametrize(("method", "repeatable", "sent"), [("POST", False, 1), ("GET", True, 3)])
async def test_a_site_that_fails_is_asked_again_only_where_it_does_no_harm(
    engine: Engine, target: TokenTarget, tokens: TokenSite, method: str, repeatable: bool, sent: int
) -> None:
    async def broken(request: web.Request) -> web.Response:
        return web.Response(status=502)

    tokens.routes["/x"] = broken
    with pytest.raises(SiteDown):
        await fetched(engine, target, Request(url="/x", method=method, repeatable=repeatable))
    assert len(tokens.seen) == sent
    assert target.visits == 1


async def test_a_rate_limit_is_told_with_its_delay_and_never_renewed_for(
    engine: Engine, target: TokenTarget, tokens: TokenSite
) -> None:
    async def enough(request: web.Request) -> web.Response:
        return web.Response(
            status=429,
            headers={"retry-after": "Sat, 21 Nov 2026 10:00:30 GMT", "date": "Sat, 21 Nov 2026 10:00:00 GMT"},
        )

    tokens.routes["/x"] = enough
    with pytest.raises(RateLimited) as told:
        await fetched(engine, target, Request(url="/x"))
    assert told.value.retry_after == 30
    assert target.visits == 1


async def silent(request: web.Request) -> web.StreamResponse:
    await asyncio.Event().wait()
    return web.Response()


async def dripping(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    await response.write(b"first")
    await asyncio.Event().wait()
    return response


@pytest.mark.parametrize(
    ("handler", "limits", "total", "wait"),
    [
        (silent, Limits(first_byte=1.0), 30, "first byte"),
        (dripping, Limits(idle=0.5), 30, "idle"),
        (dripping, Limits(), 0.2, "total"),
        (silent, Limits(), 0.2, "total"),
    ],
)
async def test_each_limit_names_itself(
    engines: Callable[..., Engine],
    target: TokenTarget,
    tokens: TokenSite,
    handler: Any,
    limits: Limits,
    total: float,
    wait: str,
) -> None:
    engine = engines(limits)
    await fetched(engine, target, Request(url="/warm"))
    tokens.routes["/x"] = handler
    with pytest.raises(TimeLimit) as told:
        async with await engine.send(
            target,  # type: ignore[arg-type]
            Request(url="/x"),
            deadline=asyncio.get_running_loop().time() + total,
        ) as answer:
            await answer.read()
    assert told.value.wait == wait
    assert isinstance(told.value, TimeoutError)


async def test_a_caller_that_leaves_ends_the_upstream_request(
    engine: Engine, target: TokenTarget, tokens: TokenSite
) -> None:
    ended = asyncio.Event()

    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            while True:
                await response.write(b"x" * 1000)
                await asyncio.sleep(0)
        finally:
            ended.set()

    tokens.routes["/x"] = endless
    async with await engine.send(target, Request(url="/x"), deadline=soon(engine)) as answer:  # type: ignore[arg-type]
        async for _ in answer:
            break
    await asyncio.wait_for(ended.wait(), 10)


async def test_a_body_past_its_limit_is_not_held(engine: Engine, target: TokenTarget, tokens: TokenSite) -> None:
    async def large(request: web.Request) -> web.Response:
        return web.Response(body=b"x" * 1_000_000)

    tokens.routes["/x"] = large

    def flow(session: Session) -> Flow[Any]:
        yield Request(url="/x", limit=10_000)
        return ["never"]

    with pytest.raises(Changed, match="longer than"):
        await engine.run(target, flow, deadline=soon(engine))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "url", ["//other.example/x", "http://other.example/", "file:///etc/passwd", "/a\r\nX: y", "http://127.0.0.1:1/"]
)
async def test_a_request_can_not_leave_the_site(engine: Engine, target: TokenTarget, url: str) -> None:
    with pytest.raises(RequestError):
        await fetched(engine, target, Request(url=url))


async def test_a_closed_port_is_a_site_that_is_down(engine: Engine, target: TokenTarget) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/"
    target.site = replace(target.site, url=url)
    with pytest.raises(SiteDown) as told:
        await fetched(engine, target, Request(url="/x"))
    assert isinstance(told.value, OSError)
    assert not told.value.arrived


async def test_a_write_waits_for_a_site_that_restarts_and_is_made_once(
    engines: Callable[..., Engine], target: TokenTarget
) -> None:
    wrote: list[str] = []

    async def write(request: web.Request) -> web.Response:
        wrote.append(await request.text())
        return web.Response(text="written")

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    target.site = replace(target.site, url=f"http://127.0.0.1:{port}/")
    engine = engines(away=20.0)
    asked = Request(url="/x", method="POST", body=b"once")
    call = asyncio.create_task(fetched(engine, target, asked))
    seen: list[str] = []
    target.events.events.subscribe(lambda event: seen.append(getattr(event, "detail", "")))
    async with asyncio.timeout(10):
        while not any("limits.away" in line for line in seen):
            await asyncio.sleep(0)
    app = web.Application()
    app.router.add_post("/x", write)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        assert await call == b"written"
    finally:
        await runner.cleanup()
    assert wrote == ["once"]


async def test_a_site_that_stays_away_is_told_with_the_wait_that_ran_out(
    engines: Callable[..., Engine], target: TokenTarget
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        target.site = replace(target.site, url=f"http://127.0.0.1:{free.getsockname()[1]}/")
    with pytest.raises(SiteDown, match=r"waited for, 0\.5 s \(setting: limits\.away\)") as told:
        await fetched(engines(away=0.5), target, Request(url="/x", method="POST", body=b"once"))
    assert (told.value.retry_after, told.value.arrived) == (0.5, False)


@pytest.mark.parametrize("header", ["User-Agent", "cookie", "Sec-Fetch-Mode", "Origin"])
def test_a_request_can_not_set_what_is_the_transports(header: str) -> None:
    with pytest.raises(ValueError, match="transport"):
        Request(url="/", headers={header: "x"})


def test_a_header_can_not_hold_a_line_break() -> None:
    with pytest.raises(ValueError, match="line break"):
        Request(url="/", headers={"x-a": "b\r\nc: d"})
