"""A site whose tokens serve once, each answer bringing the next: requests take turns, and nobody is refused."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import AsyncIterator, Callable

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from doorkey.clock import SystemClock
from doorkey.engine.engine import Engine
from doorkey.errors import TimeLimit
from doorkey.model.request import Head, Reply, Request
from doorkey.model.session import Tokens
from doorkey.model.site import Site

from .conftest import TokenProvider, TokenSite, TokenTarget

WRITE = Request(url="/write", method="POST")
READ = Request(url="/read")


class OnceProvider(TokenProvider):
    """Writes use a token up; the next one is in a header of the answer, or in its JSON."""

    passes_on = True
    single_use = ("token",)

    def uses_up(self, request: Request) -> bool:
        return request.method == "POST"

    def next_tokens(self, request: Request, answer: Head) -> Tokens:
        if isinstance(answer, Reply):
            return {"token": answer.data()["next"]}
        return {"token": answer.headers["x-next"]} if "x-next" in answer.headers else {}


class BodyProvider(OnceProvider):
    next_in_body = True


class OnceSite(TokenSite):
    """`tell` is how an answer carries the next token. A read needs no token of the moment."""

    tell: str = "header"
    gate: asyncio.Event
    inside: int = 0
    most_inside: int = 0

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if request.method == "GET":
            self.seen.append(request)
            return web.Response(text="read")
        self.inside += 1
        self.most_inside = max(self.most_inside, self.inside)
        try:
            await self.gate.wait()
            if request.headers["x-token"] != self.token:
                self.refused += 1
                return web.Response(text="stale token")
            self.accepted += 1
            self.token = f"t{self.accepted + 1}"
            return self.told()
        finally:
            self.inside -= 1

    def told(self) -> web.Response:
        if self.tell == "header":
            return web.Response(text="done", headers={"x-next": self.token})
        if self.tell == "nothing":
            return web.Response(text="done")
        text = json.dumps({"done": "x" * 10_000, "next": self.token}).encode()
        if self.tell == "gzip":
            return web.Response(
                body=gzip.compress(text), content_type="application/json", headers={"content-encoding": "gzip"}
            )
        return web.Response(body=text, content_type="application/json")


@pytest.fixture
async def once() -> AsyncIterator[OnceSite]:
    site = OnceSite()
    site.gate = asyncio.Event()
    site.gate.set()
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", site.handle)
    async with TestServer(app, host="127.0.0.1") as server:
        site.url = str(server.make_url("/"))
        yield site


@pytest.fixture
def targets(once: OnceSite) -> Callable[..., TokenTarget]:
    def make(kind: type[TokenProvider] = OnceProvider) -> TokenTarget:
        site = Site(name="once", url=once.url)
        return TokenTarget(site, kind(site), once)

    return make


async def write(engine: Engine, target: TokenTarget, request: Request = WRITE, seconds: float = 20) -> bytes:
    deadline = SystemClock().now() + seconds
    async with await engine.send(target, request, deadline=deadline) as answer:  # type: ignore[arg-type]  # keeps its contract
        return await answer.read()


async def test_writes_at_once_take_turns_and_none_is_refused(
    engine: Engine, targets: Callable[..., TokenTarget], once: OnceSite
) -> None:
    target = targets()
    assert set(await asyncio.gather(*(write(engine, target) for _ in range(20)))) == {b"done"}
    assert (once.accepted, once.refused, once.most_inside, target.visits) == (20, 0, 1, 1)


@pytest.mark.parametrize("tell", ["json", "gzip"])
async def test_a_token_in_the_body_is_taken_and_the_body_given_whole(
    tell: str, engine: Engine, targets: Callable[..., TokenTarget], once: OnceSite
) -> None:
    once.tell, target = tell, targets(BodyProvider)
    packed = Request(url="/write", method="POST", encodings="gzip" if tell == "gzip" else None)
    for number in (2, 3):
        body = await write(engine, target, packed)
        body = gzip.decompress(body) if tell == "gzip" else body
        assert json.loads(body) == {"done": "x" * 10_000, "next": f"t{number}"}
    assert (once.refused, target.visits) == (0, 1)


async def test_an_answer_without_the_next_token_costs_a_renewal_and_no_write(
    engine: Engine, targets: Callable[..., TokenTarget], once: OnceSite
) -> None:
    once.tell, target = "nothing", targets()
    assert [await write(engine, target) for _ in range(3)] == [b"done"] * 3
    assert (once.accepted, target.visits) == (3, 3)


async def test_reads_do_not_wait_for_writes(
    engine: Engine, targets: Callable[..., TokenTarget], once: OnceSite
) -> None:
    target = targets()
    once.gate.clear()
    writing = asyncio.create_task(write(engine, target))
    assert await write(engine, target, READ) == b"read"
    assert not writing.done()
    once.gate.set()
    assert await writing == b"done"


async def test_who_waits_for_a_turn_has_a_limit_and_one_who_leaves_gives_it_back(
    engine: Engine, targets: Callable[..., TokenTarget], once: OnceSite
) -> None:
    target = targets()
    once.gate.clear()
    first = asyncio.create_task(write(engine, target))
    while not once.inside:
        await write(engine, target, READ)
    with pytest.raises(TimeLimit, match="single-use token"):
        await write(engine, target, seconds=0.01)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    once.gate.set()
    assert await write(engine, target) == b"done"
