"""The base of the twins: a site on loopback that only a browser can enter, with switches, counts and a log."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from aiohttp import web

from doorkey.clock import Clock, SystemClock
from doorkey_providers.twins import control, page, stream
from doorkey_providers.twins.counters import Counts, Received, keep
from doorkey_providers.twins.gate import TICKET_PATH, Gate
from doorkey_providers.twins.switches import COMMANDS, Switches

Fields = Mapping[str, Any]
CACHED_PAGES = 1000


@dataclass(frozen=True, slots=True)
class Refusal:
    """A response that refuses the request, and the name under which it is counted."""

    reason: str
    response: web.Response


class Twin:
    """One site. A subclass names its pages and its API, and makes the answers.

    `log` has a record of each request to the API, `pages` of each page load, `fetches` of each image fetched.
    `stream_gate`, when it is an `asyncio.Event`, holds back a stream's second part until it is set; `slow_gate` holds
    back the whole answer.
    """

    name: ClassVar[str]
    page_paths: ClassVar[tuple[str, ...]] = ("/",)
    api_path: ClassVar[str]
    script_cookie: ClassVar[str]
    hits_cookie: ClassVar[str] = ""
    usual: ClassVar[Switches] = Switches()

    def __init__(self, *, clock: Clock | None = None) -> None:
        self.clock = clock or SystemClock()
        self.switches = self.usual
        self.counts = Counts()
        self.log: list[Received] = []
        self.pages: list[Received] = []
        self.fetches: list[Received] = []
        self.stream_gate: asyncio.Event | None = None
        self.slow_gate: asyncio.Event | None = None
        self.cookie_gate = Gate(self.clock, name=self.script_cookie, hits=self.hits_cookie)
        self._cache: dict[str, str] = {}
        self._page_free = asyncio.Event()
        self._page_free.set()
        self._refused_at_hold = 0
        self._runner: web.AppRunner | None = None
        self._origin = ""

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.stop()

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> None:
        """Serve on *host*. Port 0 takes a free one. Raises OSError if the port is taken."""
        # Handlers are cancelled, so that a twin notices when a client leaves.
        self._runner = web.AppRunner(self.app(), handler_cancellation=True, access_log=None, shutdown_timeout=0.2)
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, host, port).start()
        except OSError:
            await self.stop()
            raise
        self._origin = f"http://{host}:{self._runner.addresses[0][1]}"

    async def stop(self) -> None:
        self._page_free.set()
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()

    @property
    def origin(self) -> str:
        if not self._origin:
            raise RuntimeError(f"the twin {self.name} has no address yet: start it (async with …Twin() as twin)")
        return self._origin

    @property
    def url(self) -> str:
        """The URL of the page that a visit opens."""
        return self.origin + self.page_paths[0]

    def switch(self, **changes: Any) -> None:
        """Set switches (see `Switches`), or run commands: rotate, expire_cookies, release, reset. Raises ValueError."""
        commands = [name for name in COMMANDS if changes.pop(name, False)]
        changed = (self.usual if "reset" in commands else self.switches).change(changes)
        held, self.switches = self.switches.hold_page, changed
        self.cookie_gate.life, self.cookie_gate.by_agent = self.switches.cookie_life, self.switches.bind_user_agent
        if self.switches.hold_page and not held:
            self._refused_at_hold = self.counts.refused
            self._page_free.clear()
        if "release" in commands or not self.switches.hold_page:
            self.release()
        if "rotate" in commands:
            self.rotate()
        if "expire_cookies" in commands:
            self.expire_cookies()

    def rotate(self) -> None:
        """Invalidate every token issued so far. A site without tokens expires its cookies."""
        self.expire_cookies()

    def expire_cookies(self) -> None:
        """Invalidate every cookie issued so far."""
        self.cookie_gate.passes.expire()

    def release(self) -> None:
        """Let held page loads continue."""
        self.switches = self.switches.change({"hold_page": False})
        self._page_free.set()

    def app(self) -> web.Application:
        app = web.Application(client_max_size=32 * 1024**2)
        app.add_routes([web.get(path, self._page) for path in self.page_paths])
        app.add_routes([web.route("*", self.api_path, self._api), web.get(TICKET_PATH, self._ticket)])
        app.add_routes([web.get("/favicon.ico", _no_icon)])
        control.add_routes(app, self)
        return app

    # For subclasses to override.

    def render(self, request: web.Request) -> str:
        """Return the page, with fresh tokens."""
        raise NotImplementedError

    def greet(self, request: web.Request, response: web.Response) -> None:
        """Set the cookies that the server sets with a page."""

    def message(self, fields: Fields) -> str:
        """Return the prompt in a request's fields; empty if there is none."""
        raise NotImplementedError

    def refusal(self, request: web.Request, fields: Fields) -> Refusal | None:
        """Return the refusal of this request; None if the site answers it."""
        raise NotImplementedError

    async def reply(self, request: web.Request, fields: Fields) -> web.StreamResponse:
        """Answer a request that was not refused."""
        raise NotImplementedError

    def refuse_visitor(self) -> web.Response:
        """Answer a visitor without the script's cookie."""
        return web.Response(status=403, text=page.forbidden(), content_type="text/html")

    async def _ticket(self, request: web.Request) -> web.Response:
        self.counts.add("challenges")
        return self.cookie_gate.ticket(request)

    async def _page(self, request: web.Request) -> web.Response:
        self.counts.add("page_loads")
        keep(self.pages, Received.of(request, {}))
        if not self._page_free.is_set():
            self.counts.add("held")
            try:
                await self._page_free.wait()
            finally:
                self.counts.add("held", -1)
        if self.switches.down:
            return web.Response(status=503, text=page.unavailable(), content_type="text/html")
        if self.switches.html_instead_of_page_tokens:
            text = page.bare_page(f"twin of {self.name}", "We are working on this page. Come back later.")
            return web.Response(text=text, content_type="text/html")
        text, hit = self._through_cache(request)
        response = web.Response(text=text, content_type="text/html", headers={"X-Cache": "HIT" if hit else "MISS"})
        self.greet(request, response)
        return response

    def _through_cache(self, request: web.Request) -> tuple[str, bool]:
        cached = self._cache.get(request.path_qs) if self.switches.page_cache else None
        if cached is not None:
            return cached, True
        text = self.render(request)
        if len(self._cache) >= CACHED_PAGES:
            self._cache.clear()
        self._cache[request.path_qs] = text
        return text, False

    async def _api(self, request: web.Request) -> web.StreamResponse:
        with self.counts.progress():
            fields = await _fields(request)
            refused = self._refused_in_front(request, fields) or self.refusal(request, fields)
            reason = refused.reason if refused else ""
            keep(self.log, Received.of(request, fields, reason))
            self.counts.verdict(reason)
            if refused:
                self._count_towards_release()
                return refused.response
            if self.slow_gate is not None:
                await self.slow_gate.wait()
            if self.switches.slow:
                await self.clock.sleep(self.switches.slow)
            return await (self._garbage() if self.switches.garbage else self.reply(request, fields))

    def _refused_in_front(self, request: web.Request, fields: Fields) -> Refusal | None:
        if self.switches.down:
            return Refusal("down", web.Response(status=503, text=page.unavailable(), content_type="text/html"))
        message = self.message(fields)
        if any(word in message for word in self.switches.filter_words):
            return Refusal("filter", web.Response(status=403, text=page.forbidden(), content_type="text/html"))
        return None if self.cookie_gate.lets_in(request) else Refusal("cookie", self.refuse_visitor())

    def _count_towards_release(self) -> None:
        wanted = self.switches.release_after_refusals
        if self.switches.hold_page and wanted and self.counts.refused - self._refused_at_hold >= wanted:
            self.release()

    async def _garbage(self) -> web.Response:
        if self.switches.garbage == "html":
            return web.Response(
                text=page.bare_page("Welcome", "This is not what you asked for."), content_type="text/html"
            )
        return web.Response(body=bytes(range(256)) * 2, content_type="application/octet-stream")

    async def send_json(self, request: web.Request, body: str) -> web.StreamResponse:
        return await stream.send_whole(request, body.encode(), "application/json", cut=self.switches.cut)


async def _fields(request: web.Request) -> Fields:
    """Return the request's JSON object, form or query; empty if it has none of these."""
    if request.method == "GET":
        return dict(request.query)
    if request.content_type != "application/json":
        return {name: value for name, value in (await request.post()).items() if isinstance(value, str)}
    try:
        body = await request.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


async def _no_icon(request: web.Request) -> web.Response:
    return web.Response(status=204)
