"""A site whose answers, deaths and page are drawn at random, and that counts what it has processed."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias

from multidict import CIMultiDict, CIMultiDictProxy

from doorkey.clock import Clock
from doorkey.errors import SiteDown
from doorkey.model.cookie_jar import CookieJar
from doorkey.model.cookies import Cookie
from doorkey.model.events import Events, SiteEvents
from doorkey.model.request import HEAD_BYTES, Head, Request
from doorkey.model.session import Key, Session
from doorkey.model.site import Site
from doorkey.provider import Provider
from doorkey.reports.recorder import SiteRecorder
from doorkey.sessions.source import Journal, RenewalReason
from doorkey.transport.conversation import Conversation
from doorkey.transport.stream import Stream
from doorkey.transport.timeouts import Timeouts

FORM = '<form><input name="user"><input type="password" name="pw"></form>'
LOGIN = f"<html><head><title>Log in</title></head><body>{FORM}</body></html>"
HOME = '<html><head><title>Notes</title></head><body><a id="out">Log out</a></body></html>'

Write: TypeAlias = Literal["note", "invalid", "forbidden", "rotate", "logout", "password"]
"""What a write does: is taken; is refused for its content, or for a missing right; is taken, and the session's cookie
changes, and it fails; ends the session; ends all sessions."""


@dataclass(frozen=True)
class Said:
    """An answer."""

    status: int
    body: str = ""
    kind: str = "text/html"
    location: str = ""
    cookie: str = ""


DEAD: dict[str, Said] = {
    "401": Said(401, "{}", "application/json"),
    "403": Said(403),
    "login redirect": Said(302, location="/login"),
    "redirect to itself": Said(302, location="/notes"),
    "login page": Said(200, LOGIN),
    "login page far away": Said(200, LOGIN.replace("<form>", "<style>" + "x" * 9000 + "</style><form>")),
    "script": Said(200, "<script>location = '/login'</script>"),
    "500": Said(500),
    "400 JSON": Said(400, '{"code": 7}', "application/json"),
}


SCRIPT = {"/login": "/doku.php?do=login", "/account": "/doku.php?do=account", "/notes": "/doku.php"}
"""The addresses of a site with one script."""
PLAIN = {address: plain for plain, address in SCRIPT.items()}


def to_script(said: Said) -> Said:
    """*said* as a site with one script for everything says it."""
    path, mark, query = said.location.partition("?")
    body = said.body.replace("'/login'", f"'{SCRIPT['/login']}'")
    return replace(said, location=SCRIPT.get(path, path) + mark + query, body=body)


@dataclass(frozen=True)
class Drawn:
    """What was drawn for one run. `one_script`: it serves the login, too."""

    dead: str
    page_for_all: bool
    alone: bool
    deaths: tuple[float, ...]
    maintenance: tuple[tuple[float, float], ...]
    late_deaths: bool
    drops: float
    one_script: bool = False


def draw(chance: random.Random, span: float) -> Drawn:
    deaths = tuple(sorted(chance.uniform(5, span) for _ in range(chance.randrange(4))))
    begins = [chance.uniform(0, span) for _ in range(chance.randrange(2))]
    return Drawn(
        dead=chance.choice(list(DEAD)),
        page_for_all=chance.random() < 0.15,
        alone=chance.random() < 0.2,
        deaths=deaths,
        maintenance=tuple((begin, begin + chance.uniform(1, 20)) for begin in begins),
        late_deaths=chance.random() < 0.2,
        drops=0.02 if chance.random() < 0.3 else 0.0,
        one_script=chance.random() < 0.3,
    )


@dataclass
class SimulatedSite:
    """`processed` counts each write that was done. `late` are the writes that were processed before the session died
    under them: where the answer is a stranger's, nobody can tell, and they may be done twice."""

    drawn: Drawn
    chance: random.Random
    clock: Clock
    began: float
    live: set[str] = field(default_factory=set)
    processed: Counter[str] = field(default_factory=Counter)
    late: set[str] = field(default_factory=set)
    made: int = 0
    loads: int = 0
    deaths: int = 0

    def log_in(self) -> str:
        if self.drawn.alone and self.live:
            self.kill()
        self.made += 1
        sid = f"s{self.made}"
        self.live.add(sid)
        return sid

    def kill(self) -> None:
        if self.live:
            self.deaths += 1
        self.live.clear()

    async def live_on(self) -> None:
        """Let the drawn deaths happen."""
        for death in self.drawn.deaths:
            await self.clock.sleep(max(0.0, self.began + death - self.clock.now()))
            self.kill()

    async def answer(self, request: Request, sid: str) -> Said:
        if not self.drawn.one_script:
            return await self._answer(request, sid)
        path, _, query = request.url.partition("?")
        plain = PLAIN.get(request.url) or PLAIN.get(path, path) + (f"?{query}" if query else "")
        return to_script(await self._answer(replace(request, url=plain), sid))

    async def _answer(self, request: Request, sid: str) -> Said:
        await self.clock.sleep(self.chance.uniform(0.001, 0.3))
        if request.method == "GET":
            return self._page(request, sid)
        if self.chance.random() < self.drawn.drops:
            raise SiteDown("refused the connection", arrived=False)
        said = self._write(request, sid)
        await self.clock.sleep(self.chance.uniform(0.001, 0.3))
        if self.chance.random() < self.drawn.drops:
            raise SiteDown("lost the connection", arrived=True)
        return said

    def _page(self, request: Request, sid: str) -> Said:
        path = request.url.partition("?")[0]
        if path != "/":
            return Said(200, "<p>notes</p>" if sid in self.live and path == "/notes" else LOGIN)
        self.loads += 1
        since = self.clock.now() - self.began
        if any(begin <= since < end for begin, end in self.drawn.maintenance):
            return Said(503, "maintenance")
        return Said(200, HOME if sid in self.live or self.drawn.page_for_all else LOGIN)

    def _write(self, request: Request, sid: str) -> Said:
        assert isinstance(request.body, bytes)
        kind, _, name = request.body.decode().partition(" ")
        if sid not in self.live:
            return DEAD[self.drawn.dead]
        if kind == "invalid":
            return Said(422, '{"errors": 1}', "application/json")
        if kind == "forbidden":
            return Said(403)
        self.processed[name] += 1
        if kind == "logout":
            self.live.discard(sid)
            self.deaths += 1
            return Said(302, location="/login")
        if kind == "password":
            self.kill()
            return Said(302, location="/account")
        if kind == "rotate":
            self.live.discard(sid)
            return Said(500, cookie=self.log_in_again())
        if self.drawn.late_deaths and self.chance.random() < 0.02:
            self.late.add(name)
            self.kill()
            return DEAD[self.drawn.dead]
        return Said(302, location=f"/notes?id={sum(self.processed.values())}")

    def log_in_again(self) -> str:
        """Another cookie for the same login."""
        self.made += 1
        sid = f"s{self.made}"
        self.live.add(sid)
        return sid


class Whole:
    """The content of an answer that has come with its head."""

    def at_eof(self) -> bool:
        return True

    def read_nowait(self) -> bytes:
        return b""

    async def readany(self) -> bytes:
        return b""


class Came:
    """An exchange that is over."""

    content = Whole()

    def close(self) -> None: ...


class SimulatedTransport:
    """Keeps the contract of a transport; the site is an object."""

    def __init__(self, site: SimulatedSite) -> None:
        self.site = site
        self._waits = Timeouts()

    async def open(
        self,
        request: Request,
        session: Session,
        site: Site,
        *,
        conversation: Conversation | None = None,
        sliding: tuple[str, ...] = (),
        total: float = float("inf"),
    ) -> Stream:
        conversation = conversation or Conversation(self.site.clock)
        jar, url = CookieJar(session.cookies), site.origin + request.url.removeprefix(site.origin)
        sid = conversation.over(jar).values_at(url, self.site.clock.wall()).get("sid", "")
        said = await self.site.answer(replace(request, url=url.removeprefix(site.origin)), sid)
        headers = CIMultiDict({"content-type": said.kind})
        if said.location:
            headers["location"] = said.location
        if said.cookie:
            headers["set-cookie"] = f"sid={said.cookie}; Path=/"
            conversation.keep(url, CIMultiDictProxy(headers), jar, sliding)
        if request.follow and said.location:
            target = replace(request, url=said.location, follow=request.follow - 1)
            return await self.open(target, session, site, conversation=conversation)
        body = said.body.encode()
        head = Head(status=said.status, headers=headers, url=url, start=body[:HEAD_BYTES])
        return Stream(Came(), head, body, self._waits, 60.0, float("inf"))


@dataclass
class SimulatedTarget:
    """Keeps the contract of a SiteTarget towards the engine; a visit logs in at the site's object."""

    site: Site
    provider: Provider
    server: SimulatedSite
    events: SiteEvents
    visits: int = 0
    recorder: SiteRecorder | None = None

    def __post_init__(self) -> None:
        self.key = Key(self.site.name, self.site.url)

    @property
    def source(self) -> SimulatedTarget:
        return self

    def fits(self, session: Session) -> bool:
        return True

    async def make(self, reason: RenewalReason, journal: Journal) -> Session:
        self.visits += 1
        await self.server.clock.sleep(self.server.chance.uniform(0.5, 3.0))
        cookie = Cookie("sid", self.server.log_in(), "notes.example")
        return Session(
            key=self.key,
            gen=0,
            url=self.site.url,
            born=self.server.clock.wall(),
            soft=10_000,
            hard=20_000,
            cookies=(cookie,),
            headers={"user-agent": "Chrome"},
        )


def target_of(server: SimulatedSite, make: Callable[[Site], Provider], options: Any) -> SimulatedTarget:
    site = Site(name="notes", url="https://notes.example/", options=options)
    return SimulatedTarget(site, make(site), server, Events(server.clock).of("notes"))
