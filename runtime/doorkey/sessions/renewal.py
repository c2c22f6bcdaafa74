"""Makes the sessions of one key: climbs the rungs, the cheapest first, until one yields a session that is not the
refused one."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from typing import TYPE_CHECKING, TypeVar

from doorkey.errors import Changed, DoorkeyError, Enough, NeedsPerson, SessionRefused
from doorkey.model.cookies import Cookie
from doorkey.model.events import SiteEvents
from doorkey.model.overrides import CallerOverrides
from doorkey.model.session import Session
from doorkey.model.site import Site
from doorkey.model.urls import cache_busting
from doorkey.provider import Provider
from doorkey.sessions.builder import SessionBuilder, is_same_session, shared_parts, without_tokens
from doorkey.sessions.held import HeldSession
from doorkey.sessions.identity import Identity
from doorkey.sessions.login_end import warn_of_end
from doorkey.sessions.source import Journal, RenewalReason
from doorkey.transport.selector import TransportSelector

if TYPE_CHECKING:
    from doorkey.reports.recorder import SiteRecorder
    from doorkey.sessions.browser_renewal import BrowserRenewal
    from doorkey.sessions.http_renewal import HttpRenewal

T = TypeVar("T")
LANGUAGES = "en-US,en;q=0.9"
"""The languages that a session asks for which no browser has made."""
MOST_LONGER = 5.0
"""Seconds that a visit may wait longer after fresh sessions were refused."""


@dataclass(frozen=True, slots=True)
class Begin:
    """How a browser's rung begins: with which page, cookies and local storage.

    What the site gives is kept for the next rung. A `stranger` keeps nothing before steps have logged it in: its
    cookies must not replace somebody's login. `dropped` are the entries of local storage that the rung begins without.
    """

    rung: str
    url: str
    cookies: tuple[Cookie, ...] = field(repr=False)
    local: Mapping[str, str] = field(repr=False)
    stranger: bool = False
    dropped: Mapping[str, str] = field(default_factory=dict, repr=False)


class SessionSource:
    """`http` and `browser` are the rungs; `identity` is who visits; `overrides` are those of the caller;
    `recorder` writes the reports of renewals that fail.
    """

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
        recorder: SiteRecorder | None = None,
    ) -> None:
        self.identity, self.builder, self.http, self.browser = identity, builder, http, browser
        self._site, self._provider, self._selector = site, provider, selector
        self._overrides, self._events, self._recorder = overrides, events, recorder
        self._longer = 0.0

    def fits(self, session: Session) -> bool:
        """Whether a session from the store still serves, as the settings are now."""
        return self._provider.fits(session) and self._selector.carries(session, self._site)

    async def make(self, reason: RenewalReason, journal: Journal) -> Session:
        """A session without a generation. Raises what the last rung raised, or Changed when all repeat the refused."""
        if self._recorder is not None:
            self._recorder.begin(reason.previous, reason.refused)
        try:
            session = await self._make(reason, journal)
        except DoorkeyError as error:
            if self._recorder is not None:
                await self._recorder.fail(error)
            if isinstance(error, NeedsPerson):
                self._events.report("person", error.message)
            raise
        if self._recorder is not None:
            await self._recorder.succeed(session)
        if self.identity.needs_person:
            warning = warn_of_end(session, reason.previous, self._provider.cookies_needed)
            if warning:
                self._events.report("person", warning)
        before = reason.previous.rungs if reason.previous else {}
        return replace(session, rungs={**before, session.rung: before.get(session.rung, 0) + 1})

    async def try_http(self, rung: Callable[[HeldSession], Awaitable[T | None]], held: HeldSession) -> T | None:
        """What a rung below the browser yields; a failure there only means that the next one is climbed."""
        try:
            return await rung(held)
        except Enough:
            raise  # the browser would be told the same
        except DoorkeyError as error:
            self._events.report("renewal", f"a rung below the browser failed: {error.message}")
            return None

    async def _make(self, reason: RenewalReason, journal: Journal) -> Session:
        if self._overrides.cookies is not None and not self._provider.needs_page:
            return await self._use_passed_cookies(reason)
        self._longer = min(MOST_LONGER, self._longer + 1.0) if reason.fresh else 0.0
        held = HeldSession(self._start(reason), journal if self.identity.lasts else None, self.http.headers)
        repeated: list[str] = []
        session: Session | None = None
        async with aclosing(self._rungs(reason, held)) as rungs:
            async for made in rungs:
                session = made if self._provider.page_suffices else await self._fill(made, held)
                repeats = reason.refused is not None and is_same_session(session, reason.refused, self._provider)
                alike = shared_parts(session, self._provider) if repeats else ()
                stored = held.session.local
                if not alike or (not reason.named and without_tokens(held.session) == stored):
                    return session
                repeated.append(f"{' and '.join(alike)} by {session.rung}")
                self._events.report("renewal", f"the site gave the refused session again: {repeated[-1]}")
        if session is not None and not reason.named:
            return session  # the refusal may have another cause than the session
        raise self.identity.failed(self._explain(repeated))

    def _start(self, reason: RenewalReason) -> Session:
        """What the renewal begins with: the refused session's tokens, the newest cookies and storage."""
        previous, refused = reason.previous, reason.refused
        if previous is None:
            return self.builder.build(
                "interrupted visit", self._site.url, cookies=(), headers={}, tokens={}, local={}, previous=None
            )
        if refused is None:
            return previous
        # A session with a use budget is stored without its tokens.
        tokens = {**refused.tokens, **previous.tokens}
        return replace(refused, cookies=previous.cookies, local=previous.local, tokens=tokens)

    async def _fill(self, session: Session, held: HeldSession) -> Session:
        try:
            return await self.http.fill(session, held)
        except DoorkeyError as error:
            error.site = self._site.name
            raise self.identity.failed(error) from error.__cause__

    def _explain(self, repeated: list[str]) -> Changed:
        cached = self.http.cache_sign
        name = self._site.name
        if cached:
            todo = f"The page came from a page cache ({cached}): have it purged, or set the site's url to another page"
        else:
            todo = (
                f"See what the page holds and how the site answers: doorkey check {name} -v. If the site refuses for "
                "another reason than its session, take that answer out of `stale`"
            )
        return Changed(f"{name}: each renewal gave what the site refuses: {'; '.join(repeated)}. {todo}", site=name)

    async def _rungs(self, reason: RenewalReason, held: HeldSession) -> AsyncGenerator[Session, None]:
        provider = self._provider
        known = reason.previous is not None and bool(held.session.cookies or held.session.tokens)
        # A refusal without a name may be a dead cookie: only what logs in or renews the login gets everything anew.
        # In `page` only a visit leaves a live context behind.
        may_have_moved = self._site.transport == "page" or self._selector.moved
        by_http = not may_have_moved or self._selector.name(self._site, self.builder.key) == "direct"
        named = reason.refused is None or reason.named
        useless = reason.refused.rung if reason.refused is not None and reason.fresh else ""
        renews = (named or provider.renews_login) and useless != "token endpoint"
        for rung, applies in ((self.http.refresh, renews), (self.http.page, named)):
            if known and by_http and applies and (session := await self.try_http(rung, held)) is not None:
                yield session
        if provider.has_login and not (useless == "login request" and provider.steps):
            session = await self._log_in(held)
            if session is not None and by_http:
                yield session
            if not provider.steps and not (held.entered and (provider.needs_scripts or not by_http)):
                return  # nothing that a browser could do
        begins = self._browser_rungs(reason, held)
        begin = next(begins)
        while True:
            following = next(begins, None)
            try:
                session = await self._browse(begin, reason, held)
            except Changed as error:
                # What was put into the browser may be the trouble itself. A login that was sent is not sent twice.
                if following is None or error.retry_after is not None or not self.identity.logs_in_itself:
                    raise
                self._events.report("renewal", f"{begin.rung}: {error.message}")
            else:
                yield session
            if following is None:
                return
            begin = following

    async def _log_in(self, held: HeldSession) -> Session | None:
        """What a login by request yields. Raises the site's refusal, and every failure where no steps could log in."""
        if not held.session.headers:
            held.session = replace(held.session, headers=self._plain_headers())
        self._events.report("login", f"sending the login to {self._site.url}")
        try:
            session = await self.http.login(held, last=not self._provider.steps)
        except Enough:
            raise
        except DoorkeyError as error:
            error.site = self._site.name
            if error.retry_after is not None or not self._provider.steps:
                raise self.identity.failed(error) from error.__cause__
            self._events.report("login", f"the login by request failed: {error.message}; now by steps")
            return None
        self.identity.succeeded()
        self._events.report("login", "logged in by request")
        return session

    def _plain_headers(self) -> dict[str, str]:
        """The headers of a session that no browser has made."""
        agent = self._overrides.user_agent or f"doorkey/{version('doorkey')}"
        return {"user-agent": agent, "accept-language": LANGUAGES}

    def _browser_rungs(self, reason: RenewalReason, held: HeldSession) -> Iterator[Begin]:
        """The browser's rungs: first with all that is held, last with nothing of it, where that is no lost login."""
        url, forgetful = self._site.url, self.identity.logs_in_itself
        if held.entered:  # its cookies are a login made just now
            yield Begin("browser", url, held.session.cookies, held.session.local)
            return
        cookies = self.identity.cookies(reason, held.session if reason.previous else None)
        login = bool(held.session.cookies)
        yield Begin("browser", url, cookies, held.session.local, stranger=login and not cookies)
        anew = self.identity.cookies(replace(reason, fresh=True), held.session if reason.previous else None)
        left = without_tokens(held.session)
        if reason.named:
            dropped = {name: value for name, value in held.session.local.items() if name not in left}
            yield Begin("browser past the cache", cache_busting(url), anew, left, login and not anew, dropped)
        if forgetful and (held.session.local or cookies) and not (reason.named and not anew and not left):
            yield Begin("browser without stored state", url, (), {}, stranger=login)

    async def _browse(self, begin: Begin, reason: RenewalReason, held: HeldSession) -> Session:
        return await self.browser.visit(
            begin.rung,
            begin.url,
            previous=held.session if reason.previous or held.entered else None,
            cookies=begin.cookies,
            local=begin.local,
            longer=self._longer,
            keeps=None if held.journal is None else held,
            stranger=begin.stranger,
            dropped=begin.dropped,
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
            headers={"user-agent": user_agent, "accept-language": LANGUAGES},
            tokens={},
            local={},
            previous=None,
        )
        return replace(made, soft=float("inf"), hard=float("inf"), max_uses=None)
