"""Makes the parts of a runtime from settings, each when it is first needed, and closes them in the reverse order."""

from __future__ import annotations

from collections.abc import Callable, MutableSet
from contextlib import AsyncExitStack
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from doorkey.accounts.login import Logins
from doorkey.accounts.notifier import Notifier
from doorkey.browser import BrowserPool, LivePages, Profile, load_profile
from doorkey.browser.launcher import NoBrowser
from doorkey.browser.manual.user_data_dir import UserDataDir
from doorkey.clock import Clock
from doorkey.config.secrets import resolve
from doorkey.config.settings import Settings, config_dirs, playwright_downloads, screen, state_dir
from doorkey.engine.check.checks import SessionChecks
from doorkey.engine.engine import Engine
from doorkey.engine.refusal_memory import RefusalMemory
from doorkey.model.events import Events
from doorkey.model.inspection import NONE
from doorkey.model.overrides import key_of
from doorkey.model.site import Site
from doorkey.network.egress import parse_proxy
from doorkey.rate.limits import RateLimiters, rate_limits_of
from doorkey.rate.robots import Robots
from doorkey.rate.shared_queue import SharedQueues
from doorkey.sessions.front_store import FrontStore, WantedVisits
from doorkey.sessions.keeper import Keeper
from doorkey.sessions.memory import MemoryStore
from doorkey.sessions.redis_server import RedisAccess
from doorkey.sessions.sqlite import SqliteStore
from doorkey.sessions.store import Store
from doorkey.sessions.target import SiteTarget
from doorkey.shared_notes import SharedTexts
from doorkey.transport.direct import Direct, Limits
from doorkey.transport.page.page_transport import PageTransport
from doorkey.transport.selector import TransportSelector

if TYPE_CHECKING:
    from doorkey.browser.manual.login import ManualLogin
    from doorkey.reports.archive import Archive
    from doorkey.reports.recorder import Recorder

REPORTING = 3.0
"""Seconds beyond a visit's own limit in which its report is made."""


class Assembly:
    """The parts. Making one starts nothing; `close` ends what they started, but not a *pool* that was lent.

    *paused* holds the names of sites that a person paused, where several processes share them.
    """

    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        pool: BrowserPool | None = None,
        paused: MutableSet[str] | None = None,
    ) -> None:
        self.settings = settings
        self.clock = clock
        self.events = Events(clock)
        self.paused: MutableSet[str] = set() if paused is None else paused
        self._exits = AsyncExitStack()
        self._lent = pool
        if settings.notify.command or settings.notify.webhook:
            self.events.subscribe(self._notifier.on_event, calm=True)

    def adopt(self, settings: Settings) -> None:
        """Take over what *settings* say of sites and manners. Parts that exist keep what they were made with."""
        self.settings = settings
        self.keeper.limiters.adopt(partial(rate_limits_of, settings))

    async def close(self) -> None:
        """End the visits under way, the connections, the browser and the store."""
        try:
            await self._exits.aclose()
        finally:
            # After the browsers: what Playwright records of a page is written when that is closed.
            if "recorder" in self.__dict__ and self.recorder is not None:
                await self.recorder.close()

    @cached_property
    def pool(self) -> BrowserPool:
        if self._lent is not None:
            return self._lent
        browser = self.settings.browser
        pool = BrowserPool(
            executable=browser.executable, display=browser.display, virtual=browser.virtual, sandbox=browser.sandbox,
            contexts=browser.contexts, uses=browser.uses, age=browser.age, memory=browser.memory, idle=browser.idle,
            clock=self.clock, state=state_dir() / "browser", screen=screen(), downloads=playwright_downloads(),
            launcher=NoBrowser() if self.settings.role == "front" else None,
        )  # fmt: skip
        self._exits.push_async_callback(pool.close)
        return pool

    @cached_property
    def logins(self) -> Logins:
        """Logging in and out of sites."""
        return Logins(
            root=state_dir() / "people",
            keeper=self.keeper,
            store=self.store,
            clock=self.clock,
            start_browser=self._start_browser,
        )

    def _start_browser(self, target: SiteTarget, home: UserDataDir) -> ManualLogin:
        from doorkey.browser.manual.login import ManualLogin  # only few programs show a browser to a person

        browser, site = self.settings.browser, target.site
        virtual = (profile(site.profile).display or browser.display) == "virtual"
        return ManualLogin(
            home=home,
            clock=self.clock,
            display="virtual" if virtual else "screen",
            screen=screen(),
            executable=browser.executable,
            downloads=playwright_downloads(),
            sandbox=browser.sandbox,
            proxy=parse_proxy(site.proxy) if site.proxy else None,
            events=target.events,
        )

    @cached_property
    def _notifier(self) -> Notifier:
        notify = self.settings.notify
        url = None if notify.webhook is None else notify.webhook.get_secret_value()
        notifier = Notifier(self.clock, command=notify.command, webhook=None if url is None else lambda: resolve(url))
        self._exits.push_async_callback(notifier.close)
        return notifier

    @cached_property
    def recorder(self) -> Recorder | None:
        """Writes reports of what fails; None where the settings want none."""
        if not self.settings.reports.keep:
            return None
        from doorkey.reports.recorder import Recorder  # for the first call: a service starts without it

        archive, trace = open_archive(self.settings), self.settings.reports.trace
        return Recorder(archive, self.clock, lambda: list_keys(self.settings), trace=trace)

    @cached_property
    def direct(self) -> Direct:
        direct = Direct(clock=self.clock, limits=self._limits)
        self._exits.push_async_callback(direct.close)
        return direct

    @cached_property
    def selector(self) -> TransportSelector:
        # Pool and store are made before it, closed after it: the live contexts are given back to the pool.
        direct, _, _, browser = self.direct, self.pool, self.store, self.settings.browser
        live_pages = LivePages(self.clock, idle=browser.idle, most=browser.contexts)
        page = PageTransport(live_pages, clock=self.clock, headers=direct.headers, limits=self._limits)
        self._exits.push_async_callback(page.close)
        selector = TransportSelector(direct, page, clock=self.clock, texts=self._shared_texts)
        self._exits.push_async_callback(selector.close)
        return selector

    @property
    def _limits(self) -> Limits:
        return Limits(first_byte=self.settings.limits.first_byte, idle=self.settings.limits.idle)

    @cached_property
    def store(self) -> Store:
        url = self.settings.store.url
        if url == "memory://":
            return MemoryStore(self.clock)
        if url.startswith("redis"):
            return self._redis_store()
        path = Path(urlsplit(url).path) if url.startswith("sqlite:///") else state_dir() / "sessions.db"
        store = SqliteStore(path, self.clock)
        self._exits.push_async_callback(store.close)
        return store

    def _redis_store(self) -> Store:
        from doorkey.sessions.redis_store import RedisStore  # of the extra "redis"

        settings = self.settings.store
        assert settings.key is not None, "the settings check that"
        key, password = settings.key.get_secret_value(), settings.password

        async def access() -> RedisAccess:
            secret = None if password is None else await resolve(password.get_secret_value())
            return RedisAccess(settings.url, settings.username, secret, settings.ca)

        store = RedisStore(access, lambda: resolve(key), self.clock, name=RedisAccess(settings.url).name)
        self._exits.push_async_callback(store.close)
        return store

    @cached_property
    def keeper(self) -> Keeper:
        # Made before the keeper, closed after it: its visits under way are ended first.
        store, _ = self.store, self.selector
        limits, front = self.settings.limits, self.settings.role == "front"
        keeper = Keeper(
            store,
            private=MemoryStore(self.clock),
            clock=self.clock,
            texts=self._shared_texts,
            claims=FrontStore(store, self.clock, limit=self.settings.entering) if front else None,
            limit=self.settings.entering + REPORTING,
            longer=self._longer,
            patience=limits.patience,
            away=limits.away,
            events=self.events,
            limiters=RateLimiters(
                partial(rate_limits_of, self.settings),
                self.clock,
                longest=limits.total,
                events=self.events,
                shared=self._shared_queues,
            ),
        )
        self._exits.push_async_callback(keeper.close)
        return keeper

    def _longer(self) -> float:
        """Seconds that a visit may take longer now, because a person is asked or looks on."""
        handovers, inspection = self.pool.handovers, self.pool.inspection
        asked = handovers.patience if handovers.offered else 0.0
        return asked if inspection is NONE else asked + inspection.longer

    def wanted_visits(self, target_of: Callable[[str], SiteTarget]) -> WantedVisits:
        """The visits that machines without a browser want, to be made here."""
        return WantedVisits(self.store, self.keeper, self.clock, target_of, limit=self.settings.entering)

    @property
    def _shared_texts(self) -> SharedTexts | None:
        """What the processes of the store share beside sessions; None where no process shares it."""
        return None if isinstance(self.store, MemoryStore) else self.store

    @cached_property
    def _shared_queues(self) -> SharedQueues | None:
        """The queues at sites that other processes wait in, too; None where no process shares the store."""
        if self._shared_texts is None:
            return None
        queues = SharedQueues(self._shared_texts, self.clock)
        self._exits.push_async_callback(queues.close)
        return queues

    @cached_property
    def robots(self) -> Robots:
        return Robots(state_dir() / "robots", self.direct, self.clock)

    async def remember(self, site: Site) -> None:
        """Read what other processes have found out about *site*: its robots.txt, and what carries its requests."""
        await self.robots.remember(site)
        await self.selector.refresh(key_of(site))

    @cached_property
    def refusals(self) -> RefusalMemory:
        refusals = RefusalMemory(self.clock, texts=self._shared_texts)
        self._exits.push_async_callback(refusals.close)
        return refusals

    @cached_property
    def checks(self) -> SessionChecks:
        limit = self.settings.limits.check
        checks = SessionChecks(self.keeper, self.selector, self.refusals, self.store, self.clock, limit=limit)
        self._exits.push_async_callback(checks.close)
        return checks

    @cached_property
    def engine(self) -> Engine:
        return Engine(
            keeper=self.keeper,
            selector=self.selector,
            refusals=self.refusals,
            checks=self.checks,
            clock=self.clock,
            away=self.settings.limits.away,
        )


def open_archive(settings: Settings) -> Archive:
    """The reports of this user, where the settings keep them."""
    from doorkey.reports.archive import Archive

    return Archive(state_dir() / "reports", keep=settings.reports.keep, days=settings.reports.days)


def list_keys(settings: Settings) -> list[str]:
    """The secrets that the settings themselves hold."""
    service = settings.service
    keys = [service.key, *(one.key for one in service.keys.values()), settings.store.key, settings.store.password]
    return [key.get_secret_value() for key in keys if key is not None]


def profile(name: str) -> Profile:
    """The profile *name*: one of the user's own, in `profiles` of the configuration directory, or a shipped one."""
    return load_profile(name, config_dirs()[-1] / "profiles")
