"""One unlucky refusal must not make a process refuse everything: sequences that did so, each with its right end."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

import entered
from doorkey.clock import SystemClock
from doorkey.engine.answer import Answer
from doorkey.engine.engine import Engine
from doorkey.engine.refusal_memory import RefusalMemory
from doorkey.errors import DoorkeyError, MayHaveArrived, SiteDown
from doorkey.model.request import Reply, Request
from doorkey.model.session import Session
from doorkey.model.site import Site
from doorkey.provider import Flow
from doorkey.sessions.keeper import Keeper
from doorkey.sessions.memory import MemoryStore
from doorkey.transport.direct import Direct, Limits
from doorkey.transport.selector import TransportSelector
from doorkey.transport.stream import Stream

if TYPE_CHECKING:
    from collections.abc import Awaitable


@dataclass
class Refuser(entered.TokenSite):
    """Refuses with a bare 403. A session serves `uses` times, where that is set; "bad" prompts are always refused."""

    uses: int | None = None
    used: int = 0

    def kill(self) -> None:
        self.token, self.used = f"t{int(self.token[1:]) + 1}", 0

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.seen.append(request)
        body = await request.read()
        if not self.accepts(request) or b"bad" in body:
            return web.Response(status=403)
        if self.uses is not None and self.used >= self.uses:
            return web.Response(status=403)
        self.used += 1
        self.accepted += 1
        return web.Response(text="fine")


@dataclass
class Visitor(entered.TokenTarget):
    """A visit of a site that counts uses gets a token of its own."""

    server: Refuser = field(default_factory=Refuser)

    async def make(self, reason: Any, journal: Any) -> Session:
        if self.server.uses is not None:
            self.server.kill()
        await asyncio.sleep(0)
        return await super().make(reason, journal)


class CountingTransport:
    """The direct transport, and how often it was asked to send."""

    def __init__(self, direct: Direct) -> None:
        self._direct, self.opened = direct, 0

    async def open(self, request: Request, session: Session, site: Site, **more: Any) -> Stream:
        self.opened += 1
        return await self._direct.open(request, session, site, **more)


@dataclass
class Process:
    """One process over the shared store."""

    transport: CountingTransport
    target: Visitor
    engine: Engine
    clock: SystemClock

    async def ask(self, text: str, **more: Any) -> bytes:
        request = Request(url="/chat", method="POST", body=text.encode(), **more)

        def flow(session: Session) -> Flow[Any]:
            reply: Reply = yield request
            return [reply.body]

        answer: Answer[Any] = await self.engine.run(self.target, flow, deadline=self.clock.now() + 30)  # type: ignore[arg-type]
        return b"".join([piece async for piece in answer])

    async def succeeds(self, text: str) -> bool:
        try:
            return await self.ask(text) == b"fine"
        except DoorkeyError:
            return False


@pytest.fixture
async def processes() -> AsyncIterator[Callable[..., Process]]:
    clock = SystemClock()
    store, server = MemoryStore(clock), Refuser()
    closing: list[Callable[[], Awaitable[None]]] = []

    def start(**options: Any) -> Process:
        limits = Limits(first_byte=options.pop("first_byte", 60.0))
        direct = Direct(clock=clock, limits=limits)
        transport = CountingTransport(direct)
        keeper = Keeper(store, private=MemoryStore(clock), clock=clock, pause=0.01)
        closing.extend((keeper.close, direct.close))
        site = Site(name="tokens", url=server.url)
        engine = Engine(
            keeper=keeper,
            selector=TransportSelector(transport, clock=clock),
            refusals=RefusalMemory(clock),
            clock=clock,
            **options,
        )
        return Process(transport, Visitor(site, entered.TokenProvider(site), server), engine, clock)

    async with entered.serving(server):
        yield start
        for close in closing:
            await close()


async def test_a_session_that_another_process_made_and_that_died_is_renewed(
    processes: Callable[..., Process],
) -> None:
    first, second = processes(), processes()
    server = first.target.server
    assert await first.succeeds("one")
    assert await second.succeeds("two")
    server.kill()
    assert await first.succeeds("renewed")
    server.kill()
    assert await second.succeeds("takes the first one's session, and visits")
    assert (first.target.visits, second.target.visits) == (2, 1)


async def test_a_death_after_a_filtered_prompt_is_renewed_at_once(processes: Callable[..., Process]) -> None:
    process = processes()
    assert await process.succeeds("good")
    assert not await process.succeeds("a bad prompt")
    process.target.server.kill()
    assert await process.succeeds("good again")
    assert await process.succeeds("and again")
    assert not await process.succeeds("a bad prompt")


async def test_filtered_prompts_cost_few_visits(processes: Callable[..., Process]) -> None:
    process = processes()
    for number in range(40):
        assert await process.succeeds(f"good {number}")
        assert not await process.succeeds(f"bad {number}")
    assert process.target.visits <= 4
    visits = process.target.visits
    for _ in range(20):
        assert not await process.succeeds("bad 1")
    assert process.target.visits == visits, "the same prompt is not tried anew"


async def test_a_hundred_callers_on_sessions_of_twenty_uses_recover_by_themselves(
    processes: Callable[..., Process],
) -> None:
    process = processes()
    process.target.server.uses = 20
    served = await asyncio.gather(*(process.succeeds(f"n{number}") for number in range(100)))
    assert sum(served) >= 60, "each of three sessions serves twenty"
    assert [await process.succeeds(f"later {number}") for number in range(30)] == [True] * 30


async def test_a_session_that_dies_soon_after_trouble_is_renewed(processes: Callable[..., Process]) -> None:
    process = processes()
    server = process.target.server
    for number in range(5):
        assert not await process.succeeds(f"bad {number}")
        assert await process.succeeds("good")
        server.kill()
        assert await process.succeeds("good")


@pytest.mark.parametrize(("attempts", "sent"), [(1, 1), (2, 2), (3, 3)])
async def test_attempts_says_how_often_a_request_is_sent(
    processes: Callable[..., Process], attempts: int, sent: int
) -> None:
    process = processes(attempts=attempts, away=0.0)
    assert await process.succeeds("warm")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        process.target.site = replace(process.target.site, url=f"http://127.0.0.1:{free.getsockname()[1]}/")
    before = process.transport.opened
    with pytest.raises(SiteDown) as told:
        await process.ask("again", repeatable=True)
    assert (process.transport.opened - before, told.value.arrived) == (sent, False)


async def hang_up(request: web.Request) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.close()
    return web.Response()


async def keep_silent(request: web.Request) -> web.StreamResponse:
    await asyncio.Event().wait()
    return web.Response()


@pytest.mark.parametrize("handler", [hang_up, keep_silent])
@pytest.mark.parametrize("plain", [True, False])
async def test_a_write_that_may_have_arrived_is_told_and_not_sent_again(
    processes: Callable[..., Process], handler: Any, plain: bool
) -> None:
    process = processes(first_byte=0.5)
    server, received = process.target.server, 0
    assert await process.succeeds("warm")
    usual = server.handle

    async def handle(request: web.Request) -> web.StreamResponse:
        nonlocal received
        if request.path != "/lost":
            return await usual(request)
        received += 1
        return await handler(request)  # type: ignore[no-any-return]

    async with entered.serving(site := Front(handle)):
        process.target.site = replace(process.target.site, url=site.url)
        request = Request(url="/lost", method="POST", body=b"x")
        deadline = process.clock.now() + 30

        def flow(session: Session) -> Flow[Any]:
            yield request
            return []

        with pytest.raises(MayHaveArrived, match="may have processed it"):
            if plain:
                await process.engine.send(process.target, request, deadline=deadline)  # type: ignore[arg-type]
            else:
                await process.engine.run(process.target, flow, deadline=deadline)  # type: ignore[arg-type]
        assert received == 1


class Front(entered.TokenSite):
    """A site of one handler."""

    def __init__(self, handle: Any) -> None:
        super().__init__()
        self._handle = handle

    async def handle(self, request: web.Request) -> web.StreamResponse:
        return await self._handle(request)  # type: ignore[no-any-return]
