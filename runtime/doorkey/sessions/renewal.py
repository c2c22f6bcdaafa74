"""One site's way in: climbs the rungs, the cheapest first, until one yields a session that is not the refused one."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

from doorkey.clock import Clock
from doorkey.errors import (
    BrowserFailed,
    Changed,
    DoorkeyError,
    Enough,
    HeadlessDenied,
    MissingToken,
    NeedsPerson,
    SessionRefused,
)
from doorkey.model.events import SiteEvents
from doorkey.model.overrides import NO_OVERRIDES, CallerOverrides, key_of
from doorkey.model.session import Cookie, Session, Tokens
from doorkey.model.site import Site
from doorkey.model.urls import cache_busting
from doorkey.network.egress import egress_for
from doorkey.provider import Provider
from doorkey.sessions.http_renewal import HttpRenewal, hard_age
from doorkey.sessions.identity import Identity
from doorkey.sessions.likeness import is_same_session
from doorkey.sessions.source import RenewalReason
from doorkey.transport.direct import Direct
from doorkey.transport.selector import TransportSelector

if TYPE_CHECKING:
    from doorkey.browser import BrowserPool, Profile, VisitResult, VisitSpec
    from doorkey.browser.manual.login import ManualLogin
    from doorkey.browser.manual.user_data_dir import UserDataDir

MOST_LONGER = 5.0
"""Seconds that a visit may wait longer after fresh sessions were refused."""


class SiteTarget:
    """The source of one key's sessions. `limit`: seconds a browser's visit may take, and `challenge` more where the
    browser has to pass what stands before the site.
    """

    def __init__(
        self,
        *,
        site: Site,
        provider: Provider,
        profile: Callable[[], Profile],
        pool: BrowserPool,
        direct: Direct,
        selector: TransportSelector | None = None,
        clock: Clock,
        limit: float,
        challenge: float = 45.0,
        overrides: CallerOverrides = NO_OVERRIDES,
        home: UserDataDir | None = None,
        headed: bool | None = None,
        events: SiteEvents,
    ) -> None:
        self.site = site
        self.provider = provider
        self.key = key_of(site, overrides)
        self.identity = Identity(site, provider, home)
        self.events = events
        self._profile = profile
        self._pool = pool
        self._http = HttpRenewal(site, provider, self.identity, direct, clock, limit)
        self._selector = selector or TransportSelector(direct, clock=clock)
        self._clock = clock
        self._limit, self._challenge = limit, challenge
        self._overrides = overrides
        self._headed = headed
        self._longer = 0.0

    def fits(self, session: Session) -> bool:
        """Whether a session from the store still serves, as the settings are now."""
        return self.provider.fits(session) and self._selector.carries(session, self.site)

    async def make(self, need: RenewalReason) -> Session:
        """A session without a generation. Raises what the last rung raised, or Changed when all repeat the refused."""
        session = await self._fetched(need)
        before = need.previous.rungs if need.previous else {}
        return replace(session, rungs={**before, session.rung: before.get(session.rung, 0) + 1})

    async def _fetched(self, need: RenewalReason) -> Session:
        if self._overrides.cookies is not None and not self.provider.needs_page:
            return await self._brought(need)
        self._longer = min(MOST_LONGER, self._longer + 1.0) if need.fresh else 0.0
        async for session in self._rungs(need):
            if need.named and need.refused is not None and is_same_session(session, need.refused, self.provider):
                self.events.report("renewal", f"{session.rung}: the page handed out the refused session again")
                continue
            return session
        error = Changed(
            f"{self.site.name}: the page still hands out the token that the site refuses. A page cache in front of the "
            "site does that: have it purged, or point the site's url at a page that is not cached",
            site=self.site.name,
        )
        raise self.identity.failed(error)

    async def _rungs(self, need: RenewalReason) -> AsyncIterator[Session]:
        held = need.refused or need.previous
        # A refusal without a name may be a dead cookie: only a browser in an empty context gets everything anew.
        # In `page` only a visit leaves a live context behind.
        cheap = (need.refused is None or need.named) and self._selector.name(self.site, self.key) == "direct"
        if held is not None and (held.cookies or held.tokens) and cheap:
            for rung in (self._http.refresh, self._http.page):
                session = await self._cheap(rung, held)
                if session is not None:
                    yield session
        previous = need.previous
        known = self._overrides.jar(self.site.url) or self.identity.cookies(need, previous)
        yield await self._browse(self.site.url, previous, "browser", known)
        if need.named:
            known = self._overrides.jar(self.site.url) or self.identity.cookies(replace(need, fresh=True), previous)
            yield await self._browse(cache_busting(self.site.url), previous, "browser past the cache", known)

    async def _cheap(self, rung: Callable[[Session], Awaitable[Session | None]], held: Session) -> Session | None:
        """What a rung below the browser yields; a failure there only means that the next one is climbed."""
        try:
            return await rung(held)
        except Enough:
            raise  # the browser would be told the same
        except DoorkeyError as error:
            self.events.report("renewal", f"a rung below the browser failed: {error.message}")
            return None

    async def _browse(self, url: str, previous: Session | None, rung: str, known: tuple[Cookie, ...]) -> Session:
        try:
            return await self._visit(url, previous, rung, known)
        except HeadlessDenied as denied:
            profile = self.identity.profile(self._profile())
            await self.identity.denied(denied, self._pool.no_window(profile, headed=self._headed))
            self.events.report(
                "renewal", f"{denied.by} refuses browsers without a window: once more with one, on a virtual display"
            )
        except BrowserFailed as error:
            if error.retry_after is not None:
                raise  # a login may be under way at the site: not twice in a row
            # A browser that was killed says nothing about the site: the pool starts another.
            self.events.report("renewal", f"{error.message}; once more with a new one")
        return await self._visit(url, previous, rung, known)

    async def _visit(self, url: str, previous: Session | None, rung: str, known: tuple[Cookie, ...]) -> Session:
        self.events.report("renewal", f"{rung}: opening {self.site.url}")
        profile = self.identity.profile(self._profile())
        egress = egress_for(self.provider)
        lease = self._pool.lease(
            profile, site_url=self.site.url, egress=egress, headed=self._headed, events=self.events
        )
        try:
            async with AsyncExitStack() as exits:
                context = await exits.enter_async_context(lease)
                result = await context.enter(self._spec(url, previous, known))
                session = self._arrived(result, url, previous, rung)
                if self._selector.name(self.site, self.key) == "page":
                    self._selector.keep(session, await context.open_live_page(), exits.pop_all())
        except MissingToken as error:
            raise self.identity.failed(error.at(self.site.name)) from error
        except DoorkeyError as error:
            error.site = self.site.name
            raise self.identity.failed(error) from error.__cause__
        self.identity.succeeded()
        return session

    def _spec(self, url: str, previous: Session | None, known: tuple[Cookie, ...]) -> VisitSpec:
        from doorkey.browser import VisitSpec

        provider = self.provider
        return VisitSpec(
            url=url,
            read=provider.read,
            ready=provider.ready,
            steps=provider.steps,
            pages=provider.pages,
            script_values=provider.script_values,
            sees_requests=provider.sees_requests,
            cookies_needed=provider.cookies_needed,
            cookies_required=provider.cookies_required,
            settle=provider.settle,
            longer=self._longer,
            cookies=known,
            local=previous.local if previous else {},
            # Over before the keeper's own limit: what it raises knows whether a login was sent.
            limit=self._limit * (0.9 if provider.steps else 1.0),
            challenge=self._challenge,
            user_agent=self._overrides.user_agent,
        )

    def _arrived(self, result: VisitResult, url: str, previous: Session | None, rung: str) -> Session:
        final = result.url if url == self.site.url else self.site.url
        return self._made(final, result.cookies, result.headers, result.tokens, result.local, previous, rung)

    async def opened(self, person: ManualLogin, held: Session | None, done: asyncio.Event) -> Session:
        """The session of a person who logs in now, in a browser of their own."""
        spec = replace(self._spec(self.site.url, held, ()), steps=(), limit=self._limit)
        try:
            result = await person.log_in(spec, self.site.url, done)
        except DoorkeyError as error:
            error.site = self.site.name
            raise
        return self._arrived(result, self.site.url, held, "a person")

    async def imported(
        self, cookies: tuple[Cookie, ...], headers: Mapping[str, str], local: Mapping[str, str]
    ) -> Session:
        """The session of a login that was brought along. Raises SessionRefused where the site does not know it."""
        if "user-agent" not in headers:
            headers = {**headers, "user-agent": await self._pool.user_agent(self._profile())}
        held = self._made(self.site.url, cookies, headers, {}, local, None, "imported")
        if not self.provider.needs_page and self.provider.ready is None:
            return held
        try:
            found = await self._cheap(self._http.page, held) or await self._browse(
                self.site.url, held, "browser", cookies
            )
        except (Changed, NeedsPerson) as error:
            raise SessionRefused(
                f"the site does not know the login that was brought along: it has ended, or belongs to another browser "
                f"({error.message})",
                site=self.site.name,
            ) from error
        return replace(found, rung="imported")

    async def shown(self, held: Session | None) -> Callable[[], Session]:
        """Show the page to a person until they close it; then the session that the window held can be made."""
        from doorkey.browser import WindowState, open_window

        pool = self._pool
        before = WindowState(held.cookies, None, held.local) if held else None
        user_agent = await pool.user_agent(self._profile(), headed=self._headed)
        kept = await open_window(
            pool,
            self._profile(),
            self.site.url,
            egress=egress_for(self.provider),
            headed=self._headed,
            kept=before,
            events=self.events,
        )

        def session() -> Session:
            page = kept.entered(self.site.url)
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
            hard=hard_age(self.provider, cookies, self._clock.wall()),
            max_uses=provider.max_uses,
            cookies=cookies,
            headers=dict(headers),
            tokens=tokens,
            local=dict(local),
            visitor=(previous.visitor if previous else "") or secrets.token_hex(16),
            rung=rung,
        )

    async def _brought(self, need: RenewalReason) -> Session:
        """A session of the cookies that a caller brought along: no page is opened."""
        if need.refused is not None:
            raise SessionRefused(
                f"{self.site.name}: the site refuses the cookies that were passed. Pass fresh ones, or none: then "
                "doorkey visits the site by itself",
                site=self.site.name,
            )
        user_agent = self._overrides.user_agent or await self._pool.user_agent(self._profile())
        headers = {"user-agent": user_agent, "accept-language": "en-US,en;q=0.9"}
        made = self._made(self.site.url, self._overrides.jar(self.site.url), headers, {}, {}, None, "passed cookies")
        return replace(made, soft=float("inf"), hard=float("inf"), max_uses=None)
