"""What a call is aimed at: one site, as one caller sees it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from doorkey.clock import Clock
from doorkey.model.events import SiteEvents
from doorkey.model.overrides import NO_OVERRIDES, CallerOverrides, key_of
from doorkey.model.session import Key
from doorkey.model.site import Site
from doorkey.provider import Provider
from doorkey.sessions.builder import SessionBuilder
from doorkey.sessions.identity import Identity
from doorkey.sessions.renewal import SessionSource
from doorkey.sessions.request_secrets import SecretReader
from doorkey.transport.direct import Direct
from doorkey.transport.selector import TransportSelector

if TYPE_CHECKING:
    from doorkey.browser import BrowserPool, Profile
    from doorkey.browser.manual.user_data_dir import UserDataDir
    from doorkey.reports.recorder import Recorder, SiteRecorder


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteTarget:
    """`key` names the sessions that serve the target, `source` makes them. `site` has the overrides applied."""

    site: Site
    provider: Provider
    key: Key
    overrides: CallerOverrides
    source: SessionSource
    events: SiteEvents
    recorder: SiteRecorder | None = None

    @classmethod
    def build(
        cls,
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
        recorder: Recorder | None = None,
    ) -> Self:
        """A target with its source. *home*: where a person's login is remembered; *recorder* writes its reports; the
        rest: see `BrowserRenewal`.
        """
        from doorkey.sessions.browser_renewal import BrowserRenewal  # the ways in: for the first call
        from doorkey.sessions.http_renewal import HttpRenewal

        selector = selector or TransportSelector(direct, clock=clock)
        key = key_of(site, overrides)
        builder = SessionBuilder(key, provider, clock)
        reports = recorder.of(site.name, provider, events) if recorder is not None else None
        steps = events if reports is None else reports.events
        identity = Identity(site, provider, home, overrides.jar(site.url))
        browser = BrowserRenewal(
            site=site,
            provider=provider,
            identity=identity,
            builder=builder,
            pool=pool,
            selector=selector,
            profile=profile,
            limit=limit,
            challenge=challenge,
            headed=headed,
            user_agent=overrides.user_agent,
            events=steps,
            recorder=reports,
        )
        reader = SecretReader(pool.codes, challenge)
        source = SessionSource(
            site=site,
            provider=provider,
            identity=identity,
            builder=builder,
            http=HttpRenewal(site, provider, identity, builder, direct, clock, reader, limit),
            browser=browser,
            selector=selector,
            overrides=overrides,
            events=steps,
            recorder=reports,
        )
        return cls(
            site=site, provider=provider, key=key, overrides=overrides, source=source, events=events, recorder=reports
        )
