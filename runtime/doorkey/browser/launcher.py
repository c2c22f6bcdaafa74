"""Starts Chromium, with all that it stands on: Playwright's driver, a virtual display, a folder of ours."""

from __future__ import annotations

import asyncio
import logging
import tempfile
from pathlib import Path

from doorkey.browser import temporary_folder as folder
from doorkey.browser.arguments import Sandbox
from doorkey.browser.chromium import Chromium, find_chromium
from doorkey.browser.display import VirtualDisplay, check_screen
from doorkey.browser.playwright_errors import DriverGone
from doorkey.browser.profile import Display
from doorkey.browser.running_browser import PlaywrightDriver, RunningBrowser
from doorkey.clock import Clock
from doorkey.errors import BrowserFailed, BrowserMissing, ConfigurationError

log = logging.getLogger("doorkey.browser")


class BrowserLauncher:
    """What `BrowserPool` says of its parameters holds here. Starts are not to overlap."""

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
        self._state = state or Path(tempfile.gettempdir()) / "doorkey"
        self._folder: Path | None = None
        self._chromium: Chromium | None = None
        self._driver = PlaywrightDriver()
        self.virtual = VirtualDisplay()

    async def start(self, display: Display) -> RunningBrowser:
        """Raises BrowserMissing, BrowserFailed, and ConfigurationError for a screen that can't be had."""
        if display == "screen":
            check_screen(self._screen)
        x_display = await self.virtual.name() if display == "virtual" else None
        if self._chromium is None:
            self._chromium = await asyncio.to_thread(find_chromium, self._executable, self._downloads)
        if self._chromium.headless_only and display != "headless":
            raise BrowserMissing(f"{self._chromium.path} is a headless shell; windows need a full Chromium")
        if self._folder is None:
            self._folder = await asyncio.to_thread(folder.make, self._state)
        try:
            try:
                running = await self._launch(self._chromium, display, x_display, self._folder)
            except DriverGone:
                await self._driver.stop()
                running = await self._launch(self._chromium, display, x_display, self._folder)
        except BrowserFailed as error:
            if display == "screen":
                raise ConfigurationError(
                    f"no window can be opened on the screen {self._screen!r} (DISPLAY): is it there, and may you "
                    'use it? browser.display = "virtual" needs none'
                ) from error
            raise
        self._driver.remember(running.driver)
        log.info("Chromium %s started (%s, pid %d)", self._chromium.version, display, running.process.pid)
        return running

    async def rest(self) -> None:
        """End the driver, which starts anew with the next browser: none may be running."""
        await self._driver.stop()

    async def close(self) -> None:
        """End all that browsers stood on."""
        await self._driver.stop()
        await self.virtual.close()
        if self._folder is not None:
            await asyncio.to_thread(folder.remove, self._folder)
            self._folder = None

    async def _launch(
        self, chromium: Chromium, display: Display, x_display: str | None, folder: Path
    ) -> RunningBrowser:
        driver, born = await self._driver.get(), self._clock.now()
        return await RunningBrowser.start(driver, executable=chromium.path, display=display, x_display=x_display,
                                   sandbox=self._sandbox, folder=folder, born=born)  # fmt: skip
