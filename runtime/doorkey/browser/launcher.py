"""Starts browsers: the seam between the pool and the machine that Chromium runs on."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import tempfile
from pathlib import Path
from typing import Protocol

from doorkey.browser.arguments import Sandbox
from doorkey.browser.certificates import BrowserHome, make_home
from doorkey.browser.chromium import Chromium, find_chromium
from doorkey.browser.display import VirtualDisplay, check_screen
from doorkey.browser.playwright_errors import DriverGone
from doorkey.browser.process import Process
from doorkey.browser.profile import Display
from doorkey.browser.running_browser import PlaywrightDriver, RunningBrowser
from doorkey.clock import Clock
from doorkey.errors import BrowserFailed, BrowserMissing, ConfigurationError
from doorkey.model.inspection import NONE, Inspection
from doorkey.model.site_access import TlsSetup

log = logging.getLogger("doorkey.browser")

PREFIX = "run-"
"""The beginning of the names of our temporary folders. The owner's pid and start time follow."""
PLAYWRIGHTS = "playwright_"
"""The beginning of the names of Playwright's temporary profiles, which its driver removes when a browser ends."""
ENDS, POLL = 3.0, 0.05
"""Seconds that a browser may take to end after its driver was killed, and between two looks at it."""


def default_state() -> Path:
    """The folder for temporary files where none is configured."""
    return Path(tempfile.gettempdir()) / "doorkey"


class BrowserLauncher(Protocol):
    """Starts browsers for a pool. The pool never runs two starts at once."""

    async def start(
        self, display: Display, tls: TlsSetup | None = None, inspection: Inspection = NONE
    ) -> RunningBrowser:
        """Start a browser, with the certificates of *tls*, as *inspection* wants to look at it.

        Raises BrowserMissing, BrowserFailed, or ConfigurationError for a missing screen or certificates that can't be
        used.
        """

    async def alive(self, running: RunningBrowser) -> bool:
        """Tell whether *running* answers now."""

    async def close(self) -> None:
        """Release everything that browsers need to run. No browser may be running. A later start sets it up again."""


class NoBrowser:
    """Starts none: other machines visit for this one."""

    async def start(
        self, display: Display, tls: TlsSetup | None = None, inspection: Inspection = NONE
    ) -> RunningBrowser:
        raise BrowserMissing(
            'this machine has no browser (role = "front"): a site served by its page, a login by hand and a call with '
            'cookies or a proxy of its own need one with role = "all"'
        )

    async def alive(self, running: RunningBrowser) -> bool:
        return False

    async def close(self) -> None:
        """Nothing was started."""


class LocalChromium:
    """Starts Chromium on this machine, with Playwright's driver, a virtual display and a temporary folder.

    `BrowserPool` describes the parameters.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        executable: Path | None,
        sandbox: Sandbox,
        state: Path | None,
        screen: str | None,
        downloads: Path | None,
    ) -> None:
        self._clock = clock
        self._executable, self._sandbox, self._screen, self._downloads = executable, sandbox, screen, downloads
        self._state = state or default_state()
        self._folder: Path | None = None
        self._profiles: dict[Path, Process] = {}
        self._chromium: Chromium | None = None
        self._driver = PlaywrightDriver()
        self._virtual = VirtualDisplay()

    async def start(
        self, display: Display, tls: TlsSetup | None = None, inspection: Inspection = NONE
    ) -> RunningBrowser:
        if display == "screen":
            check_screen(self._screen)
        x_display = await self._virtual.start() if display == "virtual" else None
        if self._chromium is None:
            self._chromium = await asyncio.to_thread(find_chromium, self._executable, self._downloads)
        if self._chromium.headless_only and display != "headless":
            raise BrowserMissing(f"{self._chromium.path} is a headless shell, and windows need a full Chromium")
        if self._folder is None:
            self._folder = await asyncio.to_thread(_make_folder, self._state)
        home = None if tls is None else await make_home(tls, self._folder)
        await self._remove_profiles()
        try:
            try:
                running = await self._launch(self._chromium, display, x_display, self._folder, home, inspection)
            except DriverGone:
                await self._driver.stop()
                running = await self._launch(self._chromium, display, x_display, self._folder, home, inspection)
        except BrowserFailed as error:
            if display == "screen":
                raise ConfigurationError(
                    f"no window can be opened on the screen {self._screen!r} (DISPLAY): check that it exists and that "
                    'you may use it. browser.display = "virtual" needs no screen'
                ) from error
            raise
        running.tls = tls
        self._note_profile(running.process)
        self._driver.remember(running.driver)
        log.info("Chromium %s started (%s, pid %d)", self._chromium.version, display, running.process.pid)
        return running

    async def alive(self, running: RunningBrowser) -> bool:
        return await running.check_health()

    async def close(self) -> None:
        await self._driver.stop()
        await self._virtual.close()
        await self._remove_profiles(wait=ENDS)
        if self._folder is not None:
            await asyncio.to_thread(shutil.rmtree, self._folder, ignore_errors=True)
            self._folder = None

    def _note_profile(self, browser: Process) -> None:
        folder = Path(browser.find_option("user-data-dir"))
        if folder.name.startswith(PLAYWRIGHTS):
            self._profiles[folder] = browser

    async def _remove_profiles(self, wait: float = 0.0) -> None:
        """Remove what Playwright's driver has not removed since it was killed, after the browsers have ended."""
        end = self._clock.now() + wait
        for folder, browser in list(self._profiles.items()):
            while folder.exists() and browser.alive and self._clock.now() < end:
                await self._clock.sleep(POLL)
            if (
                not browser.alive and self._profiles.pop(folder, None) is not None
            ):  # a close and a start may be here at once
                await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)

    async def _launch(
        self,
        chromium: Chromium,
        display: Display,
        x_display: str | None,
        folder: Path,
        home: BrowserHome | None,
        inspection: Inspection,
    ) -> RunningBrowser:
        driver, born = await self._driver.get(), self._clock.now()
        return await RunningBrowser.start(driver, executable=chromium.path, display=display, x_display=x_display,
                                   sandbox=self._sandbox, folder=folder, born=born, home=home,
                                   inspection=inspection)  # fmt: skip


def _make_folder(root: Path) -> Path:
    """Make a temporary folder under *root* that only this user can read. Remove those of processes that ended."""
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    for leftover in root.glob(PREFIX + "*"):
        if not _owner_of(leftover).alive:
            shutil.rmtree(leftover, ignore_errors=True)
    me = Process.of(os.getpid())
    return Path(tempfile.mkdtemp(prefix=f"{PREFIX}{me.pid}-{me.started or 0}-", dir=root))


def _owner_of(folder: Path) -> Process:
    pid, _, rest = folder.name.removeprefix(PREFIX).partition("-")
    started = rest.partition("-")[0]
    return Process(int(pid) if pid.isdigit() else 0, "" if started == "0" else started)
