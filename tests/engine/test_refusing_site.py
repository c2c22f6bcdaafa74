"""A site that refuses everything by a bare 403: each caller is told the site's own refusal, and visits are few."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from doorkey.clock import SystemClock
from doorkey.engine.engine import Engine
from doorkey.engine.refusal_memory import RefusalMemory
from doorkey.errors import Blocked
from doorkey.model.request import Request
from doorkey.model.session import Session
from doorkey.provider import Flow
from doorkey.sessions.keeper import Keeper
from doorkey.sessions.memory import MemoryStore
from doorkey.transport.direct import Direct
from doorkey.transport.selector import TransportSelector

from .conftest import TokenSite, TokenTarget

LIMIT = 20.0
MOST_VISITS = 4


@pytest.fixture
async def patient() -> AsyncIterator[Engine]:
    """An engine whose pauses are longer than a caller's patience, as those of a service are after a few failures."""
    clock = SystemClock()
    direct = Direct(clock=clock)
    keeper = Keeper(MemoryStore(clock), private=MemoryStore(clock), clock=clock, pause=30.0, patience=0.1)
    selector, refusals = TransportSelector(direct, clock=clock), RefusalMemory(clock)
    yield Engine(keeper=keeper, selector=selector, refusals=refusals, clock=clock, away=0.0)
    await keeper.close()
    await direct.close()


@pytest.fixture
def refusing(tokens: TokenSite) -> TokenSite:
    tokens.named, tokens.refuse_all = False, True
    return tokens


async def plain(engine: Engine, target: TokenTarget, request: Request) -> tuple[int, str, bytes]:
    """What the door passes on: status, verdict and body."""
    deadline = asyncio.get_running_loop().time() + LIMIT
    async with await engine.send(target, request, deadline=deadline) as answer:  # type: ignore[arg-type]
        return answer.head.status, answer.verdict.kind.value, await answer.read()


async def asked(engine: Engine, target: TokenTarget, path: str) -> Blocked:
    """The error of a question whose answer is to be read by a provider."""

    def flow(session: Session) -> Flow[list[bytes]]:
        reply = yield Request(url=path, method="POST", form={"q": path})
        return [reply.body]

    with pytest.raises(Blocked) as told:
        await engine.run(target, flow, deadline=asyncio.get_running_loop().time() + LIMIT)  # type: ignore[arg-type]
    return told.value


async def test_the_door_passes_the_sites_own_refusal_on(
    patient: Engine, target: TokenTarget, refusing: TokenSite
) -> None:
    own = 403, "blocked", b"<html>no</html>"
    for number in range(6):
        assert await plain(patient, target, Request(url=f"/page{number}", repeatable=True)) == own
        assert await plain(patient, target, Request(url=f"/write{number}", method="POST", body=b"a")) == own
    assert target.visits <= MOST_VISITS


async def test_many_callers_at_once_are_all_told(patient: Engine, target: TokenTarget, refusing: TokenSite) -> None:
    requests = [Request(url=f"/page{number}", repeatable=True) for number in range(30)]
    answers = await asyncio.gather(*(plain(patient, target, request) for request in requests))
    assert set(answers) == {(403, "blocked", b"<html>no</html>")}
    assert target.visits <= MOST_VISITS


async def test_a_question_is_told_who_refused_it(patient: Engine, target: TokenTarget, refusing: TokenSite) -> None:
    errors = [await asked(patient, target, f"/ask{number}") for number in range(6)]
    assert {error.answer_status for error in errors} == {403}
    assert target.visits <= MOST_VISITS


async def test_what_the_site_takes_again_is_answered_at_once(
    patient: Engine, target: TokenTarget, refusing: TokenSite
) -> None:
    await plain(patient, target, Request(url="/page", repeatable=True))
    refusing.refuse_all = False
    assert await plain(patient, target, Request(url="/page", repeatable=True)) == (200, "ok", b"fine /page")
