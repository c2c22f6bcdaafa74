"""A site that accepts one token at a time, and a way in that fetches the token without a browser."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from doorkey.clock import SystemClock
from doorkey.engine import Engine
from doorkey.provider import Provider, Site
from doorkey.request import Head, Request
from doorkey.session import Cookie, Key, Session
from doorkey.sessions.keeper import Keeper
from doorkey.sessions.manners import Paces
from doorkey.sessions.memory import MemoryStore
from doorkey.sessions.refusals import Refusals
from doorkey.sessions.source import Need
from doorkey.transport.direct import Direct, Limits
from doorkey.transport.ladder import Ladder
from doorkey.verdict import Kind, Verdict

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class TokenProvider(Provider):
    """Sends the token in a header; the site's own refusal is named by its body."""

    def dress(self, request: Request, session: Session) -> Request:
        return request.with_headers(**{"x-token": str(session.tokens["token"])})

    def judge(self, request: Request, head: Head, session: Session) -> Verdict:
        if head.start == b"stale token":
            return Verdict(Kind.STALE, "the site calls the token stale")
        return super().judge(request, head, session)


@dataclass
class TokenEntrance:
    """Keeps the contract of doorkey.sessions.visit.Entrance towards the engine; a visit asks the site's object."""

    site: Site
    provider: Provider
    server: TokenSite
    visits: int = 0
    steps: Callable[[str], None] | None = None
    key: Key = field(init=False)

    def __post_init__(self) -> None:
        self.key = Key(self.site.name, self.site.url)

    def say(self, step: str) -> None:
        if self.steps is not None:
            self.steps(step)

    def fits(self, session: Session) -> bool:
        return True

    async def fetch(self, need: Need) -> Session:
        self.visits += 1
        clock = SystemClock()
        return Session(
            key=self.key,
            gen=0,
            url=self.site.url,
            born=clock.wall(),
            soft=1000,
            hard=2000,
            cookies=(Cookie("sid", f"s{self.visits}", "127.0.0.1"),),
            headers={"user-agent": "TestBrowser/1", "accept-language": "de"},
            tokens={"token": self.server.token},
        )


@dataclass
class TokenSite:
    """Counts what it accepts and refuses. `routes` are handlers behind the token, `refusal` what a wrong one meets."""

    token: str = "t1"
    named: bool = True
    accepted: int = 0
    refused: int = 0
    seen: list[web.Request] = field(default_factory=list)
    routes: dict[str, Handler] = field(default_factory=dict)
    url: str = ""
    refuse_all: bool = False
    all_refused: asyncio.Event = field(default_factory=asyncio.Event)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        await request.read()
        self.seen.append(request)
        if self.refuse_all or request.headers.get("x-token") != self.token:
            self.refused += 1
            if self.named:
                return web.Response(text="stale token", status=200)
            return web.Response(text="<html>no</html>", content_type="text/html", status=403)
        self.accepted += 1
        handler = self.routes.get(request.path)
        return await handler(request) if handler else web.Response(text=f"fine {request.path}")


@pytest.fixture
async def tokens() -> AsyncIterator[TokenSite]:
    site = TokenSite()
    app = web.Application(client_max_size=64 * 1024 * 1024)
    app.router.add_route("*", "/{tail:.*}", site.handle)
    async with TestServer(app, host="127.0.0.1") as server:
        site.url = str(server.make_url("/"))
        yield site


@pytest.fixture
def entrance(tokens: TokenSite) -> TokenEntrance:
    site = Site(name="tokens", url=tokens.url)
    return TokenEntrance(site, TokenProvider(site), tokens)


@pytest.fixture
def clock() -> SystemClock:
    return SystemClock()


@pytest.fixture
async def engines(clock: SystemClock) -> AsyncIterator[Callable[..., Engine]]:
    """Makes engines with limits of their own, and closes what they hold."""
    opened: list[tuple[Direct, Keeper]] = []

    def make(limits: Limits | None = None, first_pause: float = 60.0, paces: Paces | None = None) -> Engine:
        direct = Direct(clock=clock, limits=limits)
        keeper = Keeper(MemoryStore(clock), private=MemoryStore(clock), clock=clock, pause=0.01, paces=paces)
        opened.append((direct, keeper))
        return Engine(
            keeper=keeper, ladder=Ladder(direct, clock=clock), refusals=Refusals(clock, first=first_pause), clock=clock
        )

    yield make
    for direct, keeper in opened:
        await keeper.close()
        await direct.close()


@pytest.fixture
def engine(engines: Callable[..., Engine]) -> Engine:
    return engines()
