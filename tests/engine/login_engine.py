"""A site with a login whose dead answers take every form that was met, and an engine with a session check before it."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from aiohttp import web

import entered
from doorkey.browser import BrowserPool, LivePages, Profile, VisitSpec
from doorkey.clock import Clock, SystemClock
from doorkey.engine.check.checks import SessionChecks
from doorkey.engine.engine import Engine
from doorkey.engine.refusal_memory import RefusalMemory
from doorkey.model.request import Request
from doorkey.model.session import Cookie, Session
from doorkey.model.site import Site
from doorkey.sessions.keeper import Keeper
from doorkey.sessions.memory import MemoryStore
from doorkey.sessions.source import Journal, RenewalReason
from doorkey.sessions.store import Store
from doorkey.transport.direct import Direct
from doorkey.transport.page.page_transport import PageTransport
from doorkey.transport.selector import TransportSelector
from doorkey_providers.web.options import WebOptions
from doorkey_providers.web.site import WebSite

FORM = '<form><input name="user"><input type="password" name="pw"></form>'
LOGIN = f"<html><head><title>Log in</title></head><body>{FORM}</body></html>"
HOME = '<html><head><title>Notes</title></head><body><a id="out" href="/logout">Log out</a></body></html>'
SAVED = "<html><head><title>Notes</title></head><body>saved</body></html>"
STEPS = [{"open": "/login"}, {"fill": "[name=user]", "value": "ada"}, {"fill": "[name=pw]", "value": "env:PW"}]

Answer = Callable[[web.Request], web.StreamResponse]


def page(text: str, status: int = 200, **headers: str) -> web.Response:
    return web.Response(text=text, status=status, content_type="text/html", headers=headers)


def seen_late(request: web.Request) -> web.Response:
    return page(LOGIN.replace("<form>", "<style>" + "x" * 20_000 + "</style><form>"))


DEAD: dict[str, Answer] = {
    "HTTP 401": lambda request: web.json_response({"error": "no"}, status=401),
    "a bare 403": lambda request: web.Response(status=403),
    "a redirect to the login": lambda request: page("", 302, Location="/login"),
    "a redirect to the address that was posted to": lambda request: page("", 302, Location="/notes"),
    "the login page, its fields at byte 20,000": seen_late,
    "a script that names the login": lambda request: page("<script>location = '/login'</script>"),
}
"""Answers that only strangers get."""
VAGUE: dict[str, Answer] = {
    "an empty 500": lambda request: web.Response(status=500),
    "400 with other JSON": lambda request: web.json_response({"code": 7}, status=400),
}
"""Answers that a living session may get as well."""


@dataclass
class LoginSite(entered.TokenSite):
    """Takes notes of whoever has a living session. `dead` answers the others, `open_to_all` shows the page to them.

    `home` are headers of the page, `cookies` those that writes came with.
    """

    live: set[str] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)
    dead: Answer = DEAD["HTTP 401"]
    writes: dict[str, Callable[[web.Request, str], web.StreamResponse]] = field(default_factory=dict)
    open_to_all: bool = False
    down: bool = False
    pages: int = 0
    strangers: int = 0
    home: dict[str, str] = field(default_factory=dict)
    cookies: list[str] = field(default_factory=list)
    _numbers: Any = field(default_factory=itertools.count)

    def log_in(self) -> str:
        sid = f"s{next(self._numbers)}"
        self.live.add(sid)
        return sid

    def kill(self) -> None:
        self.live.clear()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        sid = request.cookies.get("sid", "")
        known = sid in self.live
        if request.method == "GET":
            if request.path == "/":
                self.pages += known or bool(sid)
                self.strangers += not sid
                if self.down:
                    return page("<h1>maintenance</h1>", 503)
                return page(HOME if known or self.open_to_all else LOGIN, **self.home)
            if request.path == "/login":
                return page(LOGIN)
            return page("<p>a list</p>") if known else page(LOGIN)
        text = (await request.text()).partition("=")[2]
        if not known:
            return self.dead(request)
        self.cookies.append(request.headers.get("cookie", ""))
        if request.path in self.routes:
            return await self.routes[request.path](request)
        special = self.writes.get(request.path)
        if special is not None:
            return special(request, sid)
        self.notes.append(text)
        return page(SAVED) if request.path == "/plain" else page("", 302, Location=f"/notes?id={len(self.notes)}")


@dataclass
class LoginTarget(entered.TokenTarget):
    """A visit logs in at the site's object. With a `pool`, it leaves a live page for the session's requests."""

    server: LoginSite
    pool: BrowserPool | None = None
    selector: TransportSelector | None = None

    async def make(self, reason: RenewalReason, journal: Journal) -> Session:
        made = await super().make(reason, journal)
        cookie = Cookie("sid", self.server.log_in(), "127.0.0.1")
        session = replace(made, cookies=(cookie,), tokens={})
        if self.pool is not None:
            await self._keep_page(self.pool, session)
        return session

    async def _keep_page(self, pool: BrowserPool, session: Session) -> None:
        assert self.selector is not None
        spec = VisitSpec(url=self.site.url, read=lambda page: {}, cookies=session.cookies, settle=0.0, limit=15.0)
        async with AsyncExitStack() as exits:
            lease = await exits.enter_async_context(pool.lease(Profile(name="desktop"), site_url=self.site.url))
            await lease.enter(spec)
            self.server.pages -= 1  # the visit's own
            self.selector.keep(session, await lease.open_live_page(), exits.pop_all())


@dataclass
class Engaged:
    """An engine before a site."""

    site: LoginSite
    target: LoginTarget
    engine: Engine
    checks: SessionChecks
    keeper: Keeper
    clock: Clock
    selector: TransportSelector

    async def write(self, text: str = "a", path: str = "/notes") -> tuple[int, str, int]:
        """Status, verdict and renewals of one write."""
        request = Request(url=path, method="POST", body=f"text={text}".encode())
        return await self.send(request)

    async def send(self, request: Request) -> tuple[int, str, int]:
        deadline = self.clock.now() + 60
        async with await self.engine.send(self.target, request, deadline=deadline) as answer:  # type: ignore[arg-type]
            await answer.read()
            return answer.head.status, answer.verdict.kind.value, answer.renewed

    async def settle(self) -> None:
        """Return when nothing is under way behind the calls."""
        async with asyncio.timeout(10):
            while self.checks.learning.tasks:
                await asyncio.wait(self.checks.learning.tasks)


@asynccontextmanager
async def engaged(
    *,
    clock: Clock | None = None,
    store: Store | None = None,
    server: LoginSite | None = None,
    pool: BrowserPool | None = None,
    **options: Any,
) -> AsyncIterator[Engaged]:
    """With a `pool`, requests go by a live page of its browser."""
    clock = clock or SystemClock()
    server = server or LoginSite()
    options = {"ready": "#out", "visit": {"steps": [*STEPS, {"click": "button"}]}, **options}
    async with entered.serving(server):
        direct = Direct(clock=clock)
        page = None if pool is None else PageTransport(LivePages(clock), clock=clock, headers=direct.headers)
        selector, refusals = TransportSelector(direct, page, clock=clock), RefusalMemory(clock)
        made = WebOptions.model_validate(options)
        site = Site(name="wiki", url=server.url, options=made, transport="direct" if pool is None else "page")
        target = LoginTarget(site, WebSite(site), server, pool=pool, selector=selector)
        store = store or MemoryStore(clock)
        keeper = Keeper(store, private=MemoryStore(clock), clock=clock, pause=0.01)
        checks = SessionChecks(keeper, selector, refusals, store, clock)
        engine = Engine(keeper=keeper, selector=selector, refusals=refusals, checks=checks, clock=clock)
        try:
            yield Engaged(server, target, engine, checks, keeper, clock, selector)
        finally:
            await checks.close()
            await keeper.close()
            if page is not None:
                await page.close()
            await direct.close()
