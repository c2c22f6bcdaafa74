"""A site that takes one token at a time, and a runtime that enters it without a browser: the rest is real."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web
from aiohttp.test_utils import TestServer

from doorkey.browser import BrowserPool
from doorkey.clock import SystemClock
from doorkey.engine.answer import Answer
from doorkey.engine.engine import Engine
from doorkey.engine.refusal_memory import RefusalMemory
from doorkey.errors import UnknownSite
from doorkey.model.cookies import Cookie
from doorkey.model.events import Events, SiteEvents
from doorkey.model.request import Request
from doorkey.model.session import Key, Session
from doorkey.model.site import Site
from doorkey.provider import Provider
from doorkey.rate.limits import RateLimiters, RateLimits
from doorkey.reports.recorder import SiteRecorder
from doorkey.sessions.keeper import Keeper
from doorkey.sessions.memory import MemoryStore
from doorkey.sessions.source import Journal, RenewalReason
from doorkey.sessions.store import Row
from doorkey.status import SiteStatus, status_of
from doorkey.transport.direct import Direct, Limits
from doorkey.transport.selector import TransportSelector
from event_lines import site_events

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class TokenSite:
    """Refuses, with 403 and a page, whoever shows another token than its own. `routes` are handlers behind it."""

    token: str = "t1"
    seen: list[web.Request] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    accepted: int = 0
    refused: int = 0
    reads_first: bool = True
    routes: dict[str, Handler] = field(default_factory=dict)
    url: str = ""

    def accepts(self, request: web.Request) -> bool:
        return request.headers.get("x-token") == self.token

    def refusal(self) -> web.Response:
        return web.Response(text="<html>no</html>", content_type="text/html", status=403)

    def answer(self, request: web.Request) -> web.Response:
        return web.Response(text=f"{request.method} {request.raw_path}")

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.seen.append(request)
        handler = self.routes.get(request.path)
        if not self.accepts(request):
            self.refused += 1
            if self.reads_first:
                async for _ in request.content.iter_any():
                    pass
            return self.refusal()
        self.accepted += 1
        if handler is not None:
            return await handler(request)
        self.bodies.append(await request.read())
        return self.answer(request)


class TokenProvider(Provider):
    def dress(self, request: Request, session: Session) -> Request:
        return request.with_headers(**{"x-token": str(session.tokens["token"])})


@dataclass
class TokenTarget:
    """Keeps the contract of doorkey.sessions.renewal.SiteTarget towards the engine; a visit asks the site's object."""

    site: Site
    provider: Provider
    server: TokenSite
    visits: int = 0
    events: SiteEvents = field(default_factory=site_events)
    recorder: SiteRecorder | None = None
    key: Key = field(init=False)

    def __post_init__(self) -> None:
        self.key = Key(self.site.name, self.site.url)

    @property
    def source(self) -> TokenTarget:
        return self

    def fits(self, session: Session) -> bool:
        return True

    async def make(self, reason: RenewalReason, journal: Journal) -> Session:
        self.visits += 1
        return Session(
            key=self.key,
            gen=0,
            url=self.site.url,
            born=SystemClock().wall(),
            soft=1000,
            hard=2000,
            cookies=(Cookie("sid", f"s{self.visits}", "127.0.0.1"),),
            headers={"user-agent": "TestBrowser/1", "accept-language": "de"},
            tokens={"token": self.server.token},
        )


class EnteredRuntime:
    """Keeps the contract of doorkey.Runtime as far as single requests go."""

    def __init__(self, server: TokenSite, limits: Limits | None = None, manners: RateLimits | None = None) -> None:
        clock = SystemClock()
        self.server = server
        self.sites = {"wiki": Site(name="wiki", url=server.url)}
        self.target = TokenTarget(self.sites["wiki"], TokenProvider(self.sites["wiki"]), server)
        self.clock = clock
        self._direct = Direct(clock=clock, limits=limits)
        self.events = Events(clock)
        self.pool = BrowserPool()
        self.limiters = RateLimiters(lambda key: manners, clock)
        self._keeper = Keeper(
            MemoryStore(clock), private=MemoryStore(clock), clock=clock, pause=0.01, limiters=self.limiters,
            events=self.events,
        )  # fmt: skip
        selector = TransportSelector(self._direct, clock=clock)
        self._engine = Engine(keeper=self._keeper, selector=selector, refusals=RefusalMemory(clock), clock=clock)

    def models(self) -> tuple[str, ...]:
        return ()

    async def send(self, site: str, request: Request, *, timeout: float | None = None) -> Answer[bytes]:
        if site not in self.sites:
            raise UnknownSite(f"no site is called {site!r}")
        deadline = self.clock.now() + (60.0 if timeout is None else timeout)
        return await self._engine.send(self.target, request, deadline=deadline)

    async def known(self) -> list[SiteStatus]:
        return self.status()

    def status(self) -> list[SiteStatus]:
        key = self.target.key
        state, pace = self._keeper.states[key], self.limiters.status(key)
        return [status_of(self.sites["wiki"], "web", state, Row(), self.clock, pace=pace)]

    async def close(self) -> None:
        await self._keeper.close()
        await self._direct.close()

    async def __aenter__(self) -> EnteredRuntime:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


@asynccontextmanager
async def token_site() -> AsyncIterator[TokenSite]:
    site = TokenSite()
    async with serving(site):
        yield site


@asynccontextmanager
async def serving(site: TokenSite) -> AsyncIterator[None]:
    app = web.Application(client_max_size=64 * 1024 * 1024)
    app.router.add_route("*", "/{tail:.*}", site.handle)
    async with TestServer(app, host="127.0.0.1") as server:
        site.url = str(server.make_url("/"))
        yield


async def until(condition: Callable[[], bool]) -> None:
    """Return once *condition* holds; the test's own timeout ends it otherwise."""
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0)
