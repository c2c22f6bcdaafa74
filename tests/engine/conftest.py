"""A site that accepts one token at a time, and a way in that fetches the token without a browser."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from aiohttp import web

from doorkey.clock import SystemClock
from doorkey.engine.engine import Engine
from doorkey.engine.refusal_memory import RefusalMemory
from doorkey.model.request import Head, Request
from doorkey.model.session import Session
from doorkey.model.site import Site
from doorkey.model.verdict import Kind, Verdict
from doorkey.rate.limits import RateLimiters
from doorkey.sessions.keeper import Keeper
from doorkey.sessions.memory import MemoryStore
from doorkey.transport.direct import Direct, Limits
from doorkey.transport.selector import TransportSelector

sys.path.insert(0, str(Path(__file__).parents[1]))
import entered
from entered import TokenTarget


class TokenProvider(entered.TokenProvider):
    """The site's own refusal is named by its body."""

    def judge(self, request: Request, head: Head, session: Session) -> Verdict:
        if head.start == b"stale token":
            return Verdict(Kind.STALE, "the site calls the token stale")
        return super().judge(request, head, session)


@dataclass
class TokenSite(entered.TokenSite):
    """Names its refusal, unless `named` is false; with `refuse_all` it refuses the right token, too."""

    named: bool = True
    refuse_all: bool = False

    def accepts(self, request: web.Request) -> bool:
        return super().accepts(request) and not self.refuse_all

    def refusal(self) -> web.Response:
        return web.Response(text="stale token") if self.named else super().refusal()

    def answer(self, request: web.Request) -> web.Response:
        return web.Response(text=f"fine {request.path}")


@pytest.fixture
async def tokens() -> AsyncIterator[TokenSite]:
    site = TokenSite()
    async with entered.serving(site):
        yield site


@pytest.fixture
def target(tokens: TokenSite) -> TokenTarget:
    site = Site(name="tokens", url=tokens.url)
    return TokenTarget(site, TokenProvider(site), tokens)


@pytest.fixture
def clock() -> SystemClock:
    return SystemClock()


@pytest.fixture
async def engines(clock: SystemClock) -> AsyncIterator[Callable[..., Engine]]:
    """Makes engines with limits of their own, and closes what they hold."""
    opened: list[tuple[Direct, Keeper]] = []

    def make(
        limits: Limits | None = None, first_pause: float = 60.0, limiters: RateLimiters | None = None, away: float = 0.0
    ) -> Engine:
        direct = Direct(clock=clock, limits=limits)
        keeper = Keeper(MemoryStore(clock), private=MemoryStore(clock), clock=clock, pause=0.01, limiters=limiters)
        opened.append((direct, keeper))
        return Engine(
            keeper=keeper,
            selector=TransportSelector(direct, clock=clock),
            refusals=RefusalMemory(clock, first=first_pause),
            clock=clock,
            away=away,
        )

    yield make
    for direct, keeper in opened:
        await keeper.close()
        await direct.close()


@pytest.fixture
def engine(engines: Callable[..., Engine]) -> Engine:
    return engines()
