"""The pool of browsers: started on demand, shared by leases, replaced when worn out or dead, closed when idle."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from doorkey.browser.arguments import Sandbox
from doorkey.browser.display import explain_no_window
from doorkey.browser.launcher import BrowserLauncher, LocalChromium, default_state
from doorkey.browser.live_view.handovers import Handovers
from doorkey.browser.profile import Display, Profile
from doorkey.browser.routing import RequestRouting
from doorkey.browser.running_browser import BrowserStatus, PoolStatus, RunningBrowser
from doorkey.clock import Clock, SystemClock
from doorkey.config.one_time_codes import OneTimeCodes
from doorkey.errors import BrowserFailed
from doorkey.model.events import Events, SiteEvents
from doorkey.model.inspection import NONE
from doorkey.model.site_access import TlsSetup
from doorkey.network.egress import Egress

if TYPE_CHECKING:
    from doorkey.browser.lease import Lease

log = logging.getLogger("doorkey.browser")
Kind: TypeAlias = "tuple[Display, TlsSetup | None]"
"""What a browser serves: a display, and the certificates of one site."""


class BrowserPool:
    """One Chromium per display serves many contexts, and one each site with certificates. The first lease starts it.

    `contexts` is the number of leases at a time. A browser is replaced when it has died, and after `uses` leases,
    `age` seconds or above `memory` MiB once its leases are given back; a page that alone takes more is ended at
    once. It is closed after `idle` seconds without a lease. `screen` is the value of DISPLAY or WAYLAND_DISPLAY.
    `virtual` tells whether a site that refuses browsers without a window may get one on a virtual display. `state`
    is a folder for temporary files. `downloads` is the folder of Playwright's downloads, if it is not the usual
    one. With a headed `inspection`, the page of a visit that failed stays open until a person closes it.
    """

    def __init__(
        self,
        *,
        executable: Path | None = None,
        display: Display = "headless",
        sandbox: Sandbox = "auto",
        contexts: int = 4,
        uses: int = 200,
        age: float = 3600.0,
        memory: float = 1500,
        idle: float = 120.0,
        clock: Clock | None = None,
        state: Path | None = None,
        screen: str | None = None,
        virtual: bool = True,
        downloads: Path | None = None,
        launcher: BrowserLauncher | None = None,
    ) -> None:
        self._display, self._may_be_virtual = display, virtual
        self._contexts, self._uses, self._age, self._memory, self._idle = contexts, uses, age, memory, idle
        self._clock = clock or SystemClock()
        self._launcher: BrowserLauncher = launcher or LocalChromium(
            self._clock, executable=executable, sandbox=sandbox, state=state, screen=screen, downloads=downloads
        )
        self.codes = OneTimeCodes(state or default_state(), self._clock)
        """Also for logins by request, so that no code is used twice whichever way it goes."""
        self._slots = asyncio.Semaphore(contexts)
        self._browsers: dict[Kind, RunningBrowser] = {}
        self._starts: dict[Kind, asyncio.Task[RunningBrowser]] = {}
        self._starting = asyncio.Lock()
        self._retired: set[RunningBrowser] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._idling: asyncio.Task[None] | None = None
        self._leases, self._closed = 0, False
        self._windows: list[tuple[RunningBrowser, Lease]] = []
        self.inspection, self.launches = NONE, 0
        self.handovers = Handovers(self._clock, most=contexts // 2)

    def lease(
        self,
        profile: Profile,
        *,
        site_url: str,
        egress: Egress | None = None,
        headed: bool | None = None,
        events: SiteEvents | None = None,
    ) -> AbstractAsyncContextManager[Lease]:
        """Get exclusive use of a fresh context, which is closed at the end. Waits for a free one without a limit.

        Its pages reach *site_url*'s host and port, and what *egress* allows. `headed` True shows them on the screen,
        False hides them, None lets the profile choose. Raises BrowserMissing, BrowserFailed or ConfigurationError.
        """
        return self._lease(profile, site_url, egress or Egress(), headed, events or Events(self._clock).of(""))

    @asynccontextmanager
    async def _lease(
        self, profile: Profile, site_url: str, egress: Egress, headed: bool | None, events: SiteEvents
    ) -> AsyncIterator[Lease]:
        from doorkey.browser.lease import Lease  # with all that visits need: a service starts without it

        await self._slots.acquire()
        self._leases += 1
        running: RunningBrowser | None = None
        lease: Lease | None = None
        try:
            running = await self._get_running(self.choose_display(profile, headed), egress.tls)
            running.leases += 1
            running.uses += 1
            routing = RequestRouting(site_url, egress=egress, clock=self._clock, events=events)
            lease = Lease(running, self._clock, profile, routing, events, self.codes, self._slots.release)
            yield lease
        finally:
            if self.inspection.headed and running is not None and lease is not None and lease.failed:
                self._windows.append((running, lease))
            else:
                # A task of the pool: it also finishes if the caller is cancelled.
                self._spawn(self._give_back(running, lease))

    def explain_no_window(self, profile: Profile, *, headed: bool | None = None) -> str:
        """Say why a site that refuses browsers without a window can't get one. The text is empty if it can."""
        return explain_no_window(self.choose_display(profile, headed), allowed=self._may_be_virtual and headed is None)

    async def read_user_agent(self, profile: Profile, *, headed: bool | None = None) -> str:
        """Return the browser's own user agent."""
        running = await self._get_running(self.choose_display(profile, headed))
        self._start_idling()
        return running.user_agent

    @property
    def browser_pid(self) -> int | None:
        """The pid of a running browser, or None."""
        return next(iter(self.list_pids()), None)

    def list_pids(self) -> tuple[int, ...]:
        """Return the pids of the running browsers."""
        return tuple(running.process.pid for running in self._list_all() if running.process.alive)

    def status(self) -> PoolStatus:
        """Return what the browsers are doing."""
        browsers = tuple(
            BrowserStatus(one.display, one.process.pid, one.leases, one.uses, one.retired) for one in self._list_all()
        )
        return PoolStatus(self._contexts, self._leases, self.launches, browsers)

    def __repr__(self) -> str:
        running = ", ".join(
            f"{one.display} pid {one.process.pid}: {one.leases} leased, {one.uses} used"
            + (f", retiring ({one.retired})" if one.retired else "")
            for one in self._list_all()
        )
        return f"<BrowserPool {running or 'no browser'}; {self._contexts} contexts, {self.launches} launches>"

    @property
    def has_windows(self) -> bool:
        """Whether pages of visits that failed are kept open."""
        return bool(self._windows)

    async def wait_windows(self) -> None:
        """Wait until a person has closed the pages that are kept open, and give them back."""
        while self._windows:
            running, lease = self._windows[0]
            await lease.wait_closed()
            self._windows.remove((running, lease))
            self._spawn(self._give_back(running, lease))

    async def wait_returned(self) -> None:
        """Wait until everything that was given back so far is closed."""
        while self._tasks:
            await asyncio.gather(*self._tasks)

    async def close(self) -> None:
        """Close all browsers. A lease that is still in use fails with BrowserFailed."""
        self._closed = True
        self._stop_idling()
        for task in list(self._starts.values()):
            await asyncio.wait([task])
        running, self._browsers = self._list_all(), {}
        self._retired.clear()
        await asyncio.gather(*(one.close() for one in running))
        await self.wait_returned()
        await self._launcher.close()

    def choose_display(self, profile: Profile, headed: bool | None) -> Display:
        if headed is not None:
            return "screen" if headed else "headless"
        return profile.display or self._display

    def _list_all(self) -> list[RunningBrowser]:
        return [*self._browsers.values(), *self._retired]

    async def _get_running(self, display: Display, tls: TlsSetup | None = None) -> RunningBrowser:
        """Return a browser that answers. All who wait share one start, and its error."""
        self._stop_idling()
        kind = display, tls
        found = self._browsers.get(kind)
        if found is not None and not self._is_worn_out(found) and await self._launcher.alive(found):
            return found
        if found is not None and self._browsers.get(kind) is found:
            self._retire(found)
        if self._closed:
            raise BrowserFailed("the browser pool is closed")
        if kind in self._browsers:
            return self._browsers[kind]
        task = self._starts.get(kind)
        if task is None:
            task = self._starts[kind] = asyncio.create_task(self._start(kind))
            task.add_done_callback(lambda done: self._on_started(kind, done))
        # Shielded: one cancelled caller must not cancel the start that the others wait for.
        return await asyncio.shield(task)

    def _on_started(self, kind: Kind, task: asyncio.Task[RunningBrowser]) -> None:
        del self._starts[kind]
        if not task.cancelled() and task.exception() is not None:
            log.debug("Chromium did not start: %s", task.exception())

    async def _start(self, kind: Kind) -> RunningBrowser:
        async with self._starting:
            running = self._browsers[kind] = await self._launcher.start(*kind, self.inspection)
            running.limit_pages(self._memory)
            self.launches += 1
            return running

    def _is_worn_out(self, running: RunningBrowser) -> bool:
        if not running.retired and running.uses >= self._uses:
            running.retired = "uses"
        if not running.retired and self._clock.now() - running.born >= self._age:
            running.retired = "age"
        return bool(running.retired)

    def _retire(self, running: RunningBrowser) -> None:
        """Give *running* no new lease. It is closed with its last lease, or before that if it is dead."""
        del self._browsers[running.display, running.tls]
        log.info("Chromium pid %d is replaced (%s)", running.process.pid, running.retired or "it does not answer")
        self._retired.add(running)
        if running.leases == 0 or running.lost.is_set():
            self._spawn(self._end(running))
        elif not running.retired:
            self._spawn(running.kill_if_hung())
        running.retired = running.retired or ("dead" if running.lost.is_set() else "slow")

    async def _end(self, running: RunningBrowser) -> None:
        self._retired.discard(running)
        await running.close()

    async def _give_back(self, running: RunningBrowser | None, lease: Lease | None) -> None:
        try:
            if lease is not None:
                await lease.close()
        finally:
            if lease is None or not lease.kept_open:
                self._slots.release()
            self._leases -= 1
        if running is not None:
            running.leases -= 1
            await self._review(running)
        self._start_idling()

    async def _review(self, running: RunningBrowser) -> None:
        """Close or replace *running* if a returned lease makes that possible."""
        if running in self._retired and running.leases == 0:
            await self._end(running)
        elif self._browsers.get((running.display, running.tls)) is running:
            if not running.retired and not running.lost.is_set() and await running.measure_memory() > self._memory:
                running.retired = "memory"
            current = self._browsers.get((running.display, running.tls)) is running
            if running.leases == 0 and self._is_worn_out(running) and current:
                self._retire(running)

    def _start_idling(self) -> None:
        if not self._closed and not self._leases:
            self._stop_idling()
            self._idling = asyncio.create_task(self._end_idle())

    def _stop_idling(self) -> None:
        if self._idling is not None:
            self._idling.cancel()
            self._idling = None

    async def _end_idle(self) -> None:
        await self._clock.sleep(self._idle)
        # From here on, a new lease waits for the start of another browser.
        self._idling = None
        async with self._starting:
            if self._leases:
                return
            running, self._browsers = list(self._browsers.values()), {}
            log.info("no browser was needed for %g s: closed", self._idle)
            await asyncio.gather(*(one.close() for one in running))
            if not self._list_all():
                await self._launcher.close()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
