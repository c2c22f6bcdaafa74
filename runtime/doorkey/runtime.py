"""Everything doorkey does in one process, by the names of sites."""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator, Iterable, Mapping, MutableSet, Sequence
from functools import cached_property
from typing import Any, Self

from doorkey.accounts.login import Logins
from doorkey.assembly import Assembly, profile
from doorkey.browser import BrowserPool
from doorkey.clock import Clock, SystemClock, check_seconds
from doorkey.config.registry import build_sites, make_provider, page_url
from doorkey.config.settings import Settings
from doorkey.engine.answer import Answer, name_timeout
from doorkey.engine.chat import ChatKind, ChatRouter
from doorkey.engine.check.probe import Probed, probe_site
from doorkey.errors import Unavailable, UnknownSite
from doorkey.model.chat import Delta
from doorkey.model.events import Events, Hook
from doorkey.model.overrides import NO_OVERRIDES, CallerOverrides, key_of
from doorkey.model.request import Request
from doorkey.model.session import Key, Session, Tokens
from doorkey.model.site import Site
from doorkey.network.egress import parse_proxy
from doorkey.provider import Provider
from doorkey.sessions.store import Row
from doorkey.sessions.target import SiteTarget
from doorkey.status import SiteStatus, read_status, stored_row

MOST_TARGETS = 1000


class Runtime:
    """Everything doorkey does in one process. Starts nothing until it is needed; `async with` ends all it started.

    `headed` shows the browser whatever the settings say; each of `hooks` gets the records of visits and calls;
    `pool` is lent by another runtime, whose own it stays; `paused` are the sites that a person paused.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        headed: bool = False,
        clock: Clock | None = None,
        hooks: Iterable[Hook] = (),
        pool: BrowserPool | None = None,
        paused: MutableSet[str] | None = None,
    ) -> None:
        if not isinstance(settings, Settings):
            raise TypeError(
                "Runtime: expected Settings, such as doorkey.Settings.load() or doorkey.Settings.load('doorkey.toml'); "
                f"came a {type(settings).__name__}"
            )
        self.settings = settings
        self.clock: Clock = clock or SystemClock()
        self._headed = True if headed else None
        self._parts = Assembly(settings, self.clock, pool, paused)
        self.events.hooks.extend(hooks)
        self._targets: dict[Key, SiteTarget] = {}
        self._plain: dict[str, SiteTarget] = {}
        self._rows: dict[str, Row] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """End the visits under way, the connections, the browser and the store."""
        await self._parts.close()
        self._targets.clear()
        self._plain.clear()

    @cached_property
    def sites(self) -> Mapping[str, Site]:
        """The configured sites by name."""
        return build_sites(self.settings)

    @cached_property
    def providers(self) -> Mapping[str, Provider]:
        """The provider of each configured site. Raises ConfigurationError for one that can't be loaded."""
        return {name: make_provider(site, self._provider_of(name)) for name, site in self.sites.items()}

    def provider(self, site: str) -> Provider:
        """The provider of a configured site. Raises UnknownSite, which names the settings file and the nearest site."""
        if site not in self.providers:
            raise UnknownSite(self.settings.sources.explain_missing_site(site, self.providers))
        return self.providers[site]

    def adopt(self, settings: Settings) -> None:
        """Take over the sites, models and manners of *settings*; calls under way go on. Raises ConfigurationError.

        The settings of the browser, the store and the limits stay those of the start.
        """
        sites = build_sites(settings)
        providers = {name: make_provider(site, settings.sites[name].provider or name) for name, site in sites.items()}
        self.settings = settings
        self._parts.adopt(settings)
        self._targets.clear()
        self.__dict__.pop("_asker", None)
        self.__dict__.update(sites=sites, providers=providers)

    def models(self) -> tuple[str, ...]:
        """All model names: "site/model" of each site that chats, then the aliases. What only a page tells is among
        them once the site was entered here, or `known` has read the store."""
        return self._asker.models()

    def sites_of(self, model: str) -> tuple[str, ...]:
        """The sites that *model* leads to: one, or those of an alias."""
        return tuple(name.partition("/")[0] for name in self.settings.models.get(model, (model,)))

    def draws(self, model: str) -> bool:
        """Whether *model* makes images, or an alias may lead to one that does: to ask twice may draw twice."""
        return self._asker.draws(model)

    async def answer(
        self,
        model: str,
        messages: Iterable[object],
        *,
        kind: ChatKind | None = None,
        options: Mapping[str, Any] | None = None,
        timeout: float | None = None,
        overrides: CallerOverrides | None = None,
    ) -> Answer[Delta]:
        """A model's answer, begun: its first piece is there. Raises DoorkeyError.

        *model* is "site/model", a site (its default model) or an alias; *messages* are OpenAI-shaped or `Message`s;
        *timeout* is seconds for all of it, a visit included (default: limits.total).
        """
        answering = self._asker.answer(
            model,
            messages,
            kind=kind,
            options=options or {},
            deadline=self._deadline(timeout),
            overrides=overrides or NO_OVERRIDES,
        )
        return await (answering if timeout is None else name_timeout(answering))

    async def ask(
        self,
        model: str,
        messages: Iterable[object],
        *,
        kind: ChatKind | None = None,
        options: Mapping[str, Any] | None = None,
        timeout: float | None = None,
        overrides: CallerOverrides | None = None,
    ) -> AsyncGenerator[Delta, None]:
        """A model's answer, piece by piece: `answer` iterated, and closed when left."""
        answer = await self.answer(model, messages, kind=kind, options=options, timeout=timeout, overrides=overrides)
        async with answer:
            async for delta in answer:
                yield delta

    async def send(self, site: str, request: Request, *, timeout: float | None = None) -> Answer[bytes]:
        """The site's answer to *request*, whatever its status; its body is still to be read. Raises DoorkeyError."""
        answering = self._parts.engine.send(self.target(site), request, deadline=self._deadline(timeout))
        return await (answering if timeout is None or timeout == math.inf else name_timeout(answering))

    async def session(self, site: str, *, overrides: CallerOverrides | None = None) -> Session:
        """The site's current session; visits when there is none."""
        return await self._parts.keeper.get(self.target(site, overrides or NO_OVERRIDES), deadline=self._deadline(None))

    async def visit(self, site: str, *, report: bool = False) -> Session:
        """A new session, by a visit made now, which becomes everybody's; with a *report* even if it works."""
        target = self.target(site)
        if report and target.recorder is not None:
            target.recorder.want()
        limit = self.settings.entering + 5 + self.pool.inspection.longer
        return await self._parts.keeper.visit(target, deadline=self._deadline(limit))

    def pause(self, site: str) -> None:
        """Refuse calls and visits of *site* from now on; those under way go on. Raises UnknownSite."""
        self.provider(site)
        self._parts.paused.add(site)

    def resume(self, site: str) -> None:
        """End `pause`. Raises UnknownSite."""
        self.provider(site)
        self._parts.paused.discard(site)

    async def probe(self, site: str, calls: Sequence[Request] | None = None) -> Probed:
        """Try the site's session check: how well would a dead session be noticed? The *calls* are sent as a stranger: a
        site that lets strangers write would process them."""
        target, parts = self.target(site), self._parts
        session = await parts.keeper.get(target, deadline=self._deadline(None))
        transport = parts.selector.for_page(target.site, session.key)
        return await probe_site(parts.checks.learning, target, session, transport, calls)

    async def robots(self, site: str, session: Session) -> str:
        """What the site's robots.txt says of the page that a visit opens, in words; read at most once a day."""
        return await self._parts.robots.read(self.target(site).site, session)

    async def open(self, site: str, *, keep: bool = False) -> Session | None:
        """Show the site's page in a window until the person closes it.

        With *keep*, what the window held becomes the current session for everybody, and is returned. Raises
        ConfigurationError without a screen, and MissingToken when the page that was left holds no token.
        """
        return await self.logins.open_window(self.target(site), keep=keep)

    def target(self, site: str, overrides: CallerOverrides = NO_OVERRIDES) -> SiteTarget:
        """The way into a site, for callers of these circumstances. Raises Unavailable for a site that is paused."""
        if site in self._parts.paused:
            raise Unavailable(f"{site}: a person paused it; doorkey sends nothing there until it is resumed", site=site)
        if overrides is NO_OVERRIDES and (known := self._plain.get(site)) is not None:
            return known
        configured = self.provider(site).site
        if overrides.proxy:
            parse_proxy(overrides.proxy)  # a setting was checked when it was read; this came with a call
        url = page_url(overrides.url, self.provider(site)) if overrides.url else configured.url
        moved = configured.moved(url, overrides.proxy or configured.proxy)
        key = key_of(moved, overrides)
        if key not in self._targets:
            while len(self._targets) >= MOST_TARGETS:
                self._targets.pop(next(iter(self._targets)))
            self._targets[key] = SiteTarget.build(
                site=moved,
                provider=self.provider(site) if moved == configured else type(self.provider(site))(moved),
                profile=lambda: profile(moved.profile),
                pool=self.pool,
                direct=self._parts.direct,
                selector=self._parts.selector,
                clock=self.clock,
                limit=self.settings.limits.visit,
                challenge=self.settings.challenge_of(site),
                overrides=overrides,
                home=self.logins.home(key),
                headed=self._headed,
                events=self.events.of(site),
                recorder=self._parts.recorder,
            )
        return self._plain.setdefault(site, self._targets[key]) if overrides is NO_OVERRIDES else self._targets[key]

    async def serve_visits(self) -> None:
        """Make the visits that machines with role = "front" want, until cancelled. They share the store."""
        await self._parts.wanted_visits(self.target).serve()

    async def user_agent(self) -> str:
        """The installed Chromium's own user agent, read without opening a page."""
        return await self.pool.read_user_agent(profile("desktop"))

    def status(self) -> list[SiteStatus]:
        """How each configured site stands in this process. Never waits."""
        return [self._status(name, Row()) for name in self.sites]

    async def known(self) -> list[SiteStatus]:
        """`status`, with what the store remembers of sites that this process has not entered."""
        for site in self.sites.values():
            await self._parts.remember(site)
        self._rows = {name: await stored_row(self._parts.store, key_of(site)) for name, site in self.sites.items()}
        return [self._status(name, row) for name, row in self._rows.items()]

    def _status(self, name: str, stored: Row) -> SiteStatus:
        return read_status(self.sites[name], self._provider_of(name), self._parts, stored)

    def held(self, name: str) -> Session | None:
        """The session of a configured site that this process holds, or that `known` has read. Makes no visit."""
        return self._parts.keeper.states[key_of(self.sites[name])].current or self._rows.get(name, Row()).session

    def _tokens(self, name: str) -> Tokens | None:
        return session.tokens if (session := self.held(name)) else None

    def _provider_of(self, name: str) -> str:
        return self.settings.sites[name].provider or name

    def _deadline(self, timeout: float | None) -> float:
        return self.clock.now() + (self.settings.limits.total if timeout is None else check_seconds(timeout))

    @property
    def events(self) -> Events:
        """The records of visits and calls, to subscribe to."""
        return self._parts.events

    @property
    def pool(self) -> BrowserPool:
        """The browsers of this process."""
        return self._parts.pool

    @property
    def logins(self) -> Logins:
        """Logging in and out of sites."""
        return self._parts.logins

    @cached_property
    def _asker(self) -> ChatRouter:
        return ChatRouter(
            engine=self._parts.engine,
            target=self.target,
            providers=self.providers,
            aliases=self.settings.models,
            tokens=self._tokens,
            clock=self.clock,
        )
