"""Makes the sessions of one key: climbs the rungs, the cheapest first, until one yields a session that is not the
refused one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace

from doorkey.errors import Changed, DoorkeyError, Enough, SessionRefused
from doorkey.model.events import SiteEvents
from doorkey.model.overrides import CallerOverrides
from doorkey.model.session import Session
from doorkey.model.site import Site
from doorkey.model.urls import cache_busting
from doorkey.provider import Provider
from doorkey.sessions.browser_renewal import BrowserRenewal
from doorkey.sessions.builder import SessionBuilder, is_same_session
from doorkey.sessions.http_renewal import HttpRenewal
from doorkey.sessions.identity import Identity
from doorkey.sessions.source import RenewalReason
from doorkey.transport.selector import TransportSelector

MOST_LONGER = 5.0
"""Seconds that a visit may wait longer after fresh sessions were refused."""


class SessionSource:
    """`http` and `browser` are the rungs; `identity` is who visits; `overrides` are those of the caller."""

    def __init__(
        self,
        *,
        site: Site,
        provider: Provider,
        identity: Identity,
        builder: SessionBuilder,
        http: HttpRenewal,
        browser: BrowserRenewal,
        selector: TransportSelector,
        overrides: CallerOverrides,
        events: SiteEvents,
    ) -> None:
        self.identity, self.builder, self.http, self.browser = identity, builder, http, browser
        self._site, self._provider, self._selector = site, provider, selector
        self._overrides, self._events = overrides, events
        self._longer = 0.0

    def fits(self, session: Session) -> bool:
        """Whether a session from the store still serves, as the settings are now."""
        return self._provider.fits(session) and self._selector.carries(session, self._site)

    async def make(self, reason: RenewalReason) -> Session:
        """A session without a generation. Raises what the last rung raised, or Changed when all repeat the refused."""
        session = await self._make(reason)
        before = reason.previous.rungs if reason.previous else {}
        return replace(session, rungs={**before, session.rung: before.get(session.rung, 0) + 1})

    async def _make(self, reason: RenewalReason) -> Session:
        if self._overrides.cookies is not None and not self._provider.needs_page:
            return await self._use_passed_cookies(reason)
        self._longer = min(MOST_LONGER, self._longer + 1.0) if reason.fresh else 0.0
        async for session in self._rungs(reason):
            if reason.named and reason.refused is not None and is_same_session(session, reason.refused, self._provider):
                self._events.report("renewal", f"{session.rung}: the page handed out the refused session again")
                continue
            return session
        error = Changed(
            f"{self._site.name}: the page still hands out the token that the site refuses. A page cache in front of "
            "the site does that: have it purged, or point the site's url at a page that is not cached",
            site=self._site.name,
        )
        raise self.identity.failed(error)

    async def _rungs(self, reason: RenewalReason) -> AsyncIterator[Session]:
        held = reason.refused or reason.previous
        # A refusal without a name may be a dead cookie: only a browser in an empty context gets everything anew.
        # In `page` only a visit leaves a live context behind.
        by_http = self._selector.name(self._site, self.builder.key) == "direct"
        cheap = (reason.refused is None or reason.named) and by_http
        if held is not None and (held.cookies or held.tokens) and cheap:
            for rung in (self.http.refresh, self.http.page):
                session = await self.try_http(rung, held)
                if session is not None:
                    yield session
        yield await self._browse("browser", self._site.url, reason)
        if reason.named:
            yield await self._browse(
                "browser past the cache", cache_busting(self._site.url), replace(reason, fresh=True)
            )

    async def try_http(self, rung: Callable[[Session], Awaitable[Session | None]], held: Session) -> Session | None:
        """What a rung below the browser yields; a failure there only means that the next one is climbed."""
        try:
            return await rung(held)
        except Enough:
            raise  # the browser would be told the same
        except DoorkeyError as error:
            self._events.report("renewal", f"a rung below the browser failed: {error.message}")
            return None

    async def _browse(self, rung: str, url: str, reason: RenewalReason) -> Session:
        previous = reason.previous
        return await self.browser.visit(
            rung,
            url,
            previous=previous,
            cookies=self._overrides.jar(self._site.url) or self.identity.cookies(reason, previous),
            local=previous.local if previous else {},
            longer=self._longer,
        )

    async def _use_passed_cookies(self, reason: RenewalReason) -> Session:
        """A session of the cookies that a caller passed: no page is opened."""
        if reason.refused is not None:
            raise SessionRefused(
                f"{self._site.name}: the site refuses the cookies that were passed. Pass fresh ones, or none: then "
                "doorkey visits the site by itself",
                site=self._site.name,
            )
        user_agent = self._overrides.user_agent or await self.browser.read_user_agent()
        made = self.builder.build(
            "passed cookies",
            self._site.url,
            cookies=self._overrides.jar(self._site.url),
            headers={"user-agent": user_agent, "accept-language": "en-US,en;q=0.9"},
            tokens={},
            local={},
            previous=None,
        )
        return replace(made, soft=float("inf"), hard=float("inf"), max_uses=None)
