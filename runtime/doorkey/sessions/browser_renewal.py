"""The rungs of a renewal that take a browser: one visit, repeated where the browser itself failed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from doorkey.errors import BrowserFailed, ConfigurationError, DoorkeyError, HeadlessDenied
from doorkey.model.cookies import Cookie
from doorkey.model.events import SiteEvents
from doorkey.model.session import Session
from doorkey.model.site import Site
from doorkey.model.urls import origin_of
from doorkey.network.egress import egress_for
from doorkey.provider import Provider
from doorkey.sessions.builder import SessionBuilder
from doorkey.sessions.held import HeldSession
from doorkey.sessions.identity import Identity
from doorkey.transport.selector import TransportSelector

if TYPE_CHECKING:
    from doorkey.browser import BrowserPool, Lease, Profile, VisitResult, VisitSpec
    from doorkey.browser.live_view.handovers import Handovers
    from doorkey.reports.recorder import SiteRecorder


@dataclass(frozen=True, slots=True, kw_only=True)
class BrowserRenewal:
    """`profile` loads the browser's profile. `limit`: seconds that a visit may take, and `challenge` more where the
    browser has to pass what stands before the site. `user_agent`: one that a caller passed. `recorder`
    gets what a visit found at its end.
    """

    site: Site
    provider: Provider
    identity: Identity
    builder: SessionBuilder
    pool: BrowserPool
    selector: TransportSelector
    profile: Callable[[], Profile]
    limit: float
    challenge: float
    headed: bool | None
    user_agent: str | None
    events: SiteEvents
    recorder: SiteRecorder | None = None

    async def visit(
        self,
        rung: str,
        url: str,
        *,
        previous: Session | None,
        cookies: tuple[Cookie, ...],
        local: Mapping[str, str],
        longer: float = 0.0,
        keeps: HeldSession | None = None,
        stranger: bool = False,
        dropped: Mapping[str, str] | None = None,
    ) -> Session:
        """The session of a visit to *url*, whose empty context is given *cookies* and *local* storage first.

        *longer*: seconds that it waits longer than usual for the page to settle. What the site gives during the visit
        is kept in *keeps*, beside the local storage that was *dropped* for this visit; of a *stranger*, once logged in.
        """
        spec = self.spec(url, cookies=cookies, local=local, longer=longer)
        spec = replace(spec, seeds={} if stranger or previous is None else previous.seeds)
        if keeps is not None:
            spec = replace(spec, keep=partial(_keep, keeps, dropped or {}), keep_once_in=stranger)
        try:
            return await self._visit(rung, spec, previous)
        except HeadlessDenied as denied:
            profile = self.identity.profile(self.profile())
            await self.identity.denied(denied, self.pool.explain_no_window(profile, headed=self.headed))
            self.events.report(
                "renewal", f"{denied.by} refuses browsers without a window: once more with one, on a virtual display"
            )
        except BrowserFailed as error:
            if error.retry_after is not None:
                raise  # a login may be under way at the site: not twice in a row
            # A browser that was killed says nothing about the site: the pool starts another.
            self.events.report("renewal", f"{error.message}; once more with a new one")
        if keeps is not None and not stranger:  # the first try may have been given newer ones
            newest = {name: value for name, value in keeps.session.local.items() if name not in (dropped or {})}
            spec = replace(spec, cookies=keeps.session.cookies, local=newest)
        return await self._visit(rung, spec, previous)

    def spec(
        self,
        url: str,
        *,
        cookies: tuple[Cookie, ...] = (),
        local: Mapping[str, str],
        longer: float = 0.0,
    ) -> VisitSpec:
        """What a visit to *url* has to bring."""
        from doorkey.browser import VisitSpec

        return VisitSpec.of(
            self.provider,
            url=url,
            longer=longer,
            cookies=cookies,
            local=local,
            # Over before the keeper's own limit: what it raises knows whether a login was sent.
            limit=self.limit * (0.9 if self.provider.steps else 1.0),
            challenge=self.challenge,
            user_agent=self.user_agent,
            evidence="never" if self.recorder is None else "always" if self.recorder.wanted else "failed",
            secrets=self.recorder.secrets if self.recorder is not None else (),
            handovers=self.pool.handovers if self.pool.handovers.offered and not self.builder.key.caller else None,
            inspection=self.pool.inspection,
        )

    def build(self, rung: str, result: VisitResult, previous: Session | None, *, url: str = "") -> Session:
        """The session of a visit's *result*; *url* in place of the one where its page ended."""
        return self.builder.build(
            rung,
            url or result.url,
            cookies=result.cookies,
            headers=result.headers,
            tokens=result.tokens,
            local=result.local,
            previous=previous,
            tab=result.page.session if origin_of(result.page.url) == origin_of(self.site.url) else {},
        )

    def person_profile(self) -> Profile:
        """The profile of a browser that a person uses in the live view: with a window, if it can have one."""
        profile = self.profile()
        can = not self.pool.explain_no_window(profile, headed=self.headed)
        return replace(profile, display="virtual") if can else profile

    async def visit_by_person(self, spec: VisitSpec, handovers: Handovers, why: str) -> tuple[VisitResult, bool]:
        """What a visit brings that a person makes in the live view, and whether its browser had no window.

        The browser gets one where it can: that is what sites expect of a person.
        """
        profile = self.person_profile()
        egress = egress_for(self.provider)
        async with self.pool.lease(
            profile, site_url=self.site.url, egress=egress, headed=self.headed, events=self.events
        ) as lease:
            result = await lease.enter_by_person(spec, handovers, why)
        return result, self.pool.choose_display(profile, self.headed) == "headless"

    async def read_user_agent(self) -> str:
        """The user agent of a browser of the site's profile."""
        return await self.pool.read_user_agent(self.profile())

    async def record(self, lease: Lease) -> None:
        """Let Playwright record what *lease* opens, where a person or the settings want that.

        Raises ConfigurationError if the settings keep no reports, with which recordings are kept.
        """
        wanted = self.pool.inspection.recordings
        if self.recorder is None:
            if wanted:
                raise ConfigurationError("recordings are kept with reports, and reports.keep is 0: set it to 1 or more")
            return
        kinds, folder = await self.recorder.prepare(wanted)
        if folder is not None:
            from doorkey.browser.capture import Capture  # only few visits are recorded

            capture = Capture(kinds, folder)
            lease.record(capture)
            self.recorder.note_recording(capture)
            names = ", ".join(sorted(kinds))
            self.events.report("window", f"Playwright records this ({names}): the files will hold credentials")

    async def _visit(self, rung: str, spec: VisitSpec, previous: Session | None) -> Session:
        self.events.report("renewal", f"{rung}: opening {self.site.url}")
        profile = self.identity.profile(self.profile())
        egress = egress_for(self.provider)
        lease = self.pool.lease(profile, site_url=self.site.url, egress=egress, headed=self.headed, events=self.events)
        try:
            async with AsyncExitStack() as exits:
                context = await exits.enter_async_context(lease)
                try:
                    await self.record(context)
                    result = await context.enter(spec)
                finally:
                    if self.recorder is not None:
                        self.recorder.note(context.evidence)
                # A query that got past a page cache is not the page's own.
                session = self.build(rung, result, previous, url="" if spec.url == self.site.url else self.site.url)
                if result.device_bound and self.selector.can_move(self.site, self.builder.key):
                    self.events.report("renewal", "the site binds its session to this browser: requests go by its page")
                    self.selector.move(self.site, self.builder.key, "binds its session to the browser (DBSC)")
                if self.selector.name(self.site, self.builder.key) == "page":
                    self.selector.keep(session, await context.open_live_page(), exits.pop_all())
        except DoorkeyError as error:
            error.site = self.site.name
            raise self.identity.failed(error) from error.__cause__
        self.identity.succeeded()
        if self.recorder is not None:
            self.recorder.remember(result.page, result.status)
        return session


async def _keep(
    held: HeldSession, dropped: Mapping[str, str], cookies: tuple[Cookie, ...], local: Mapping[str, str]
) -> None:
    await held.update(cookies, {**dropped, **local})
