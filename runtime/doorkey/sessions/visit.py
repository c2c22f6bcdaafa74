"""One site's way in: climbs the rungs, the cheapest first, until one yields a session that is not the refused one."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import urlencode, urlsplit, urlunsplit

from doorkey.clock import Clock
from doorkey.errors import BrowserFailed, Changed, DoorkeyError, MissingToken, SessionRefused
from doorkey.page import Page
from doorkey.provider import Provider, Site
from doorkey.request import MiB, Request
from doorkey.session import Cookie, Session, Tokens
from doorkey.sessions.own import NOTHING, Own, key_of
from doorkey.sessions.source import Need
from doorkey.transport.direct import Direct
from doorkey.transport.headers import Conversation, merged
from doorkey.transport.stream import whole

if TYPE_CHECKING:
    from doorkey.browser import BrowserPool, Profile

PAGE = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
MOST_LONGER = 5.0
"""Seconds that a visit may wait longer after fresh sessions were refused."""


class Entrance:
    """The source of one key's sessions. `limit`: seconds a browser's visit may take."""

    def __init__(
        self,
        *,
        site: Site,
        provider: Provider,
        profile: Callable[[], Profile],
        pool: BrowserPool,
        direct: Direct,
        clock: Clock,
        limit: float,
        own: Own = NOTHING,
        headed: bool | None = None,
        steps: Callable[[str], None] | None = None,
    ) -> None:
        self.site = site
        self.provider = provider
        self.key = key_of(site, own)
        self.steps = steps
        self._profile = profile
        self._pool = pool
        self._direct = direct
        self._clock = clock
        self._limit = limit
        self._own = own
        self._headed = headed
        self._longer = 0.0

    async def fetch(self, need: Need) -> Session:
        """A session without a generation. Raises what the last rung raised, or Changed when all repeat the refused."""
        if self._own.cookies is not None and not self.provider.needs_page:
            return await self._brought(need)
        self._longer = min(MOST_LONGER, self._longer + 1.0) if need.fresh else 0.0
        async for session in self._rungs(need):
            if need.named and need.refused is not None and self._same(session, need.refused):
                self.say(f"{session.rung}: the page handed out the refused session again")
                continue
            return session
        raise Changed(
            f"{self.site.name}: the page still hands out the token that the site refuses. A page cache in front of the "
            "site does that: have it purged, or point the site's url at a page that is not cached",
            site=self.site.name,
        )

    async def _rungs(self, need: Need) -> AsyncIterator[Session]:
        held = need.refused or need.previous
        # A refusal without a name may be a dead cookie: only a browser in an empty context gets everything anew.
        if held is not None and (held.cookies or held.tokens) and (need.refused is None or need.named):
            for rung in (self._refresh, self._page):
                session = await self._cheap(rung, held)
                if session is not None:
                    yield session
        previous = need.previous
        yield await self._browse(self.site.url, previous, "browser")
        if need.named:
            yield await self._browse(cache_busting(self.site.url), previous, "browser past the cache")

    async def _cheap(self, rung: Callable[[Session], Awaitable[Session | None]], held: Session) -> Session | None:
        """What a rung below the browser yields; a failure there only means that the next one is climbed."""
        try:
            return await rung(held)
        except DoorkeyError as error:
            self.say(f"a rung below the browser failed: {error.message}")
            return None

    async def _refresh(self, held: Session) -> Session | None:
        flow = self.provider.refresh(held)
        if flow is None:
            return None
        conversation = Conversation(self._clock)
        request = next(flow)
        while True:
            dressed = self.provider.dress(request, held)
            stream = await self._direct.open(dressed, held, self.site, conversation=conversation, total=self._limit)
            verdict = self.provider.judge(dressed, stream.head, held)
            if not verdict:
                stream.close()
                raise verdict.error(self.site.name, stream.head.status)
            try:
                request = flow.send(await whole(stream, request.limit))
            except StopIteration as stop:
                tokens = {**held.tokens, **stop.value}
                return self._renewed(replace(held, tokens=tokens, rung="token endpoint"), conversation)

    async def _page(self, held: Session) -> Session | None:
        if self.provider.needs_scripts:
            return None
        conversation = Conversation(self._clock)
        page = await self._fetched(self.site.url, held, conversation)
        others = {path: await self._fetched(path, held, conversation) for path in self.provider.pages}
        tokens = await asyncio.to_thread(self.provider.read, replace(page, others=others))
        return self._renewed(replace(held, tokens=tokens, rung="direct"), conversation)

    async def _fetched(self, url: str, held: Session, conversation: Conversation) -> Page:
        request = Request(url=url, what="the page", accept=PAGE, expects=("text/html",), repeatable=True, follow=3)
        stream = await self._direct.open(request, held, self.site, conversation=conversation, total=self._limit)
        if stream.head.status != 200 or not stream.head.is_html:
            stream.close()
            raise Changed(f"the page came with HTTP {stream.head.status} ({stream.head.media_type})")
        reply = await whole(stream, 8 * MiB)
        cookies = {cookie.name: cookie.value for cookie in merged(held.cookies, conversation.cookies)}
        return Page(url=reply.url, html=reply.text(), cookies=cookies, local=held.local)

    def _renewed(self, session: Session, conversation: Conversation) -> Session:
        cookies = merged(session.cookies, conversation.cookies)
        return replace(session, gen=0, born=self._clock.wall(), cookies=cookies, hard=self._hard(cookies))

    async def _browse(self, url: str, previous: Session | None, rung: str) -> Session:
        try:
            return await self._visit(url, previous, rung)
        except BrowserFailed as error:
            # A browser that was killed says nothing about the site: the pool starts another.
            self.say(f"{error.message}; once more with a new one")
            return await self._visit(url, previous, rung)

    async def _visit(self, url: str, previous: Session | None, rung: str) -> Session:
        from doorkey.browser import Wanted, parse_proxy

        provider, own = self.provider, self._own
        self.say(f"{rung}: opening {self.site.url}")
        wanted = Wanted(
            url=url,
            read=provider.read,
            ready=provider.ready,
            pages=provider.pages,
            script_values=provider.script_values,
            sees_requests=provider.sees_requests,
            cookies_needed=provider.cookies_needed,
            cookies_required=provider.cookies_required,
            settle=provider.settle,
            longer=self._longer,
            cookies=self._own_cookies(),
            local=previous.local if previous else {},
            limit=self._limit,
            user_agent=own.user_agent,
        )
        proxy = parse_proxy(self.site.proxy) if self.site.proxy else None
        lease = self._pool.lease(
            self._profile(), site_url=self.site.url, proxy=proxy, headed=self._headed, steps=self.say
        )
        try:
            async with lease as context:
                arrival = await context.enter(wanted)
        except MissingToken as error:
            raise error.at(self.site.name) from error
        except DoorkeyError as error:
            error.site = self.site.name
            raise
        final = arrival.url if url == self.site.url else self.site.url
        return self._made(final, arrival.cookies, arrival.headers, arrival.tokens, arrival.local, previous, rung)

    async def shown(self, held: Session | None) -> Callable[[], Session]:
        """Show the page to a person until they close it; then the session that the window held can be made."""
        from doorkey.browser import Kept, open_window, parse_proxy

        pool, proxy = self._pool, parse_proxy(self.site.proxy) if self.site.proxy else None
        before = Kept(held.cookies, None, held.local) if held else None
        user_agent = await pool.user_agent(self._profile(), headed=self._headed)
        kept = await open_window(
            pool, self._profile(), self.site.url, proxy=proxy, headed=self._headed, kept=before, steps=self.say
        )

        def session() -> Session:
            page = kept.page or Page(url=self.site.url, html="")
            tokens = self.provider.read(page)
            return self._made(page.url, kept.cookies, {"user-agent": user_agent}, tokens, kept.local, held, "a person")

        return session

    def _made(
        self,
        url: str,
        cookies: tuple[Cookie, ...],
        headers: Mapping[str, str],
        tokens: Tokens,
        local: Mapping[str, str],
        previous: Session | None,
        rung: str,
    ) -> Session:
        provider = self.provider
        return Session(
            key=self.key,
            gen=0,
            url=url,
            born=self._clock.wall(),
            soft=provider.soft,
            hard=self._hard(cookies),
            max_uses=provider.max_uses,
            cookies=cookies,
            headers=dict(headers),
            tokens=tokens,
            local=dict(local),
            visitor=(previous.visitor if previous else "") or secrets.token_hex(16),
            rung=rung,
        )

    async def _brought(self, need: Need) -> Session:
        """A session of the cookies that a caller brought along: no page is opened."""
        if need.refused is not None:
            raise SessionRefused(
                f"{self.site.name}: the site refuses the cookies that were passed. Pass fresh ones, or none: then "
                "doorkey visits the site by itself",
                site=self.site.name,
            )
        user_agent = self._own.user_agent or await self._pool.user_agent(self._profile())
        return Session(
            key=self.key,
            gen=0,
            url=self.site.url,
            born=self._clock.wall(),
            soft=float("inf"),
            hard=float("inf"),
            cookies=self._own_cookies(),
            headers={"user-agent": user_agent, "accept-language": "en-US,en;q=0.9"},
            visitor=secrets.token_hex(16),
            rung="passed cookies",
        )

    def _own_cookies(self) -> tuple[Cookie, ...]:
        host = urlsplit(self.site.url).hostname or ""
        return tuple(Cookie(name, value, host) for name, value in (self._own.cookies or {}).items())

    def _hard(self, cookies: tuple[Cookie, ...]) -> float:
        """No session outlives the cookies it needs."""
        ends = [c.expires for c in cookies if c.expires is not None and c.name in self.provider.cookies_needed]
        return min([self.provider.hard, *(max(0.0, end - self._clock.wall()) for end in ends)])

    def _same(self, found: Session, refused: Session) -> bool:
        named = self.provider.cookies_needed
        if dict(found.tokens) != dict(refused.tokens):
            return False
        names = named or (() if found.tokens else {cookie.name for cookie in (*found.cookies, *refused.cookies)})
        if not names and not found.tokens:
            return False  # nothing to tell them apart by
        return all(found.cookie(name) == refused.cookie(name) for name in names)

    def say(self, step: str) -> None:
        if self.steps is not None:
            self.steps(step)


def cache_busting(url: str) -> str:
    """*url* with a query that nobody has used: page caches take it for another page."""
    parts = urlsplit(url)
    query = "&".join(filter(None, [parts.query, urlencode({"cb": secrets.token_hex(6)})]))
    return urlunsplit(parts._replace(query=query))
