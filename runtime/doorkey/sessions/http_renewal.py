"""The rungs of a renewal below the browser: requests that renew or log in, and the site's page fetched as it is."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from doorkey.clock import Clock
from doorkey.errors import Changed, DoorkeyError, Enough, MissingCookies, SiteDown
from doorkey.model.page import Page, place_of
from doorkey.model.request import Head, MiB, Reply, Request
from doorkey.model.session import Session, Tokens
from doorkey.model.site import Site
from doorkey.model.verdict import Kind
from doorkey.protections.judge import default_verdict
from doorkey.provider import Provider
from doorkey.sessions.builder import SessionBuilder
from doorkey.sessions.held import HeldSession
from doorkey.sessions.http_exchange import HttpExchange
from doorkey.sessions.identity import Identity
from doorkey.sessions.request_secrets import SecretReader
from doorkey.transport.conversation import Conversation
from doorkey.transport.direct import Direct
from doorkey.transport.holding import read_to_judge
from doorkey.transport.stream import whole

PAGE = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
LARGEST = 8 * MiB


class HttpRenewal:
    """Renews a held session without a browser. Each rung returns None where it does not apply to the site.

    `headers` are those of the requests that go by the same transport. `cache_sign` is the header by which the page that
    was fetched last came from a cache; empty without one.
    """

    def __init__(
        self,
        site: Site,
        provider: Provider,
        identity: Identity,
        builder: SessionBuilder,
        direct: Direct,
        clock: Clock,
        reader: SecretReader,
        limit: float,
    ) -> None:
        self._site, self._provider, self._identity, self._builder = site, provider, identity, builder
        self._direct, self._clock, self._reader, self._limit = direct, clock, reader, limit
        self.headers = direct.headers
        self.cache_sign = ""

    async def refresh(self, held: HeldSession) -> Session | None:
        """A session whose tokens come from the site's own token endpoint."""
        flow = self._provider.refresh(held.session)
        if flow is None:
            return None
        exchange, kept = self._begin(held), held.session.tokens
        given = await exchange.run(flow, kept)
        session = await self._complete("token endpoint", exchange, given, kept)
        if session is not None and not self._provider.fits(session):
            found = ", ".join(session.tokens) or "none"
            raise Changed(f"{self._site.name}: the token endpoint did not give all tokens; there are: {found}")
        return session

    async def login(self, held: HeldSession, *, last: bool) -> Session | None:
        """A session of a login that is sent as a request. None where only a browser can read the rest of it.

        Raises NeedsPerson with `retry_after` where the site refused the login, or where it did not lead in and is the
        *last* way in.
        """
        starts = (held, held.as_stranger()) if held.session.cookies else (held,)
        for start in starts:
            flow, exchange = self._provider.login(replace(start.session, tokens={})), self._begin(start, logs_in=True)
            if flow is None:
                return None
            try:
                given = await exchange.run(flow, {})
                if not given and self._provider.ready is None:
                    await asyncio.to_thread(exchange.check_refused)
                session = await self._complete("login request", exchange, given, {})
                session = session and await self.fill(session, start)
            except (Enough, SiteDown):
                raise
            except DoorkeyError as error:
                if not exchange.sent and start is not starts[-1]:
                    continue  # who seems to be logged in may get no login page
                told = await asyncio.to_thread(exchange.explain, error, last=last)
                if told is error:
                    raise
                raise told from error
            break
        if start is not held:
            await held.update(exchange.jar.cookies)
            await held.take(start.given, {})
        held.entered = True
        return session

    async def fill(self, session: Session, held: HeldSession) -> Session:
        """*session* with what its page does not hold: the tokens given to *held*, else those of the token endpoint."""
        provider = self._provider
        if provider.page_suffices:
            return session
        session = replace(session, tokens={**held.given, **session.tokens})
        if provider.fits(session):
            return self._builder.age(session)
        refreshed = await self.refresh(held.with_session(session))
        if refreshed is None:
            found = ", ".join(session.tokens) or "none"
            raise Changed(
                f"{self._site.name}: tokens are missing that only the answer to login.request or renew.request holds; "
                f"there are: {found}"
            )
        return replace(refreshed, rung=session.rung)

    async def page(self, held: HeldSession) -> Session | None:
        """A session whose tokens come from the page, fetched with the held session's cookies."""
        self.cache_sign = ""
        if self._provider.needs_scripts or not self._provider.page_suffices:
            return None
        return await self._read_page("direct", self._begin(held), {})

    def _begin(self, held: HeldSession, *, logs_in: bool = False) -> HttpExchange:
        return HttpExchange(
            self._site,
            self._provider,
            self._direct,
            self._clock,
            held,
            self._reader,
            self._limit,
            Conversation(self._clock),
            logs_in=logs_in,
        )

    async def _complete(self, rung: str, exchange: HttpExchange, given: Tokens, kept: Tokens) -> Session | None:
        """The session of what declared requests gave, with what the page has to add."""
        if self._provider.is_complete(given, kept):
            return self._renew(rung, exchange, {**kept, **given})
        if self._provider.needs_scripts:
            return None
        return await self._read_page(rung, exchange, {**kept, **given})

    async def _read_page(self, rung: str, exchange: HttpExchange, tokens: Tokens) -> Session:
        landing = self._find_landing(exchange) if exchange.last is not None else None
        page = landing or await self._fetch(self._site.url, exchange)
        if self._provider.pages:
            page = replace(page, others={path: await self._fetch(path, exchange) for path in self._provider.pages})
        found = await asyncio.to_thread(self._read, page)
        return self._renew(rung, exchange, {**tokens, **found})

    def _read(self, page: Page) -> Tokens:
        self._identity.check(page)
        return self._provider.read(page)

    async def _fetch(self, url: str, exchange: HttpExchange) -> Page:
        request = Request(url=url, what="the page", accept=PAGE, expects=("text/html",), repeatable=True)
        request, stream = await exchange.open(request, strict=True)
        head = await read_to_judge(self._provider, request, stream)
        verdict = default_verdict(request, head, self._provider.recognize(request, head))
        if verdict.kind is not Kind.OK:  # a challenge, too, comes with 200 and is a page
            stream.close()
            raise verdict.error(self._site.name, stream.head.status)
        if stream.head.status != 200:
            stream.close()
            raise Changed(f"{place_of(stream.head.url)} came with HTTP {stream.head.status} ({stream.head.media_type})")
        self.cache_sign = self.cache_sign or _find_cache(stream.head)
        return self._as_page(await whole(stream, LARGEST), exchange)

    def _find_landing(self, exchange: HttpExchange) -> Page | None:
        """The page of the site, where the login has led there already."""
        last = exchange.last
        return self._as_page(last, exchange) if last and last.url == self._site.url and last.status == 200 else None

    def _as_page(self, reply: Reply, exchange: HttpExchange) -> Page:
        cookies = exchange.jar.values_at(reply.url, self._clock.wall())
        return Page(url=reply.url, html=reply.text(), cookies=cookies, local=exchange.held.session.local)

    def _renew(self, rung: str, exchange: HttpExchange, tokens: Tokens) -> Session:
        session = replace(exchange.held.session, tokens=tokens, cookies=exchange.jar.cookies, rung=rung)
        if exchange.logs_in:
            missing = [name for name in self._provider.cookies_needed if session.cookie(name) is None]
            if missing:
                raise MissingCookies(
                    f"{self._site.name}: the login set no cookie called {' or '.join(missing)}, which requests need",
                    site=self._site.name,
                )
        return self._builder.age(session)


def _find_cache(head: Head) -> str:
    """The header by which a page cache says that the answer is its own; empty without one."""
    age = head.headers.get("age", "0").strip()
    if age.isdigit() and int(age) > 0:
        return f"Age: {age}"
    for name in ("x-cache", "cf-cache-status", "x-proxy-cache", "x-cache-status", "x-litespeed-cache"):
        value = head.headers.get(name, "")
        if "hit" in value.lower():
            return f"{name}: {value[:40]}"
    return ""
