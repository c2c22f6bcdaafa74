"""A running Chromium: its start, its health checks and its end."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from doorkey.browser.arguments import Sandbox, list_arguments, use_sandbox
from doorkey.browser.certificates import BrowserHome, remove_home
from doorkey.browser.filter_proxy import FilterProxy
from doorkey.browser.install import find_driver_fault
from doorkey.browser.playwright_errors import DriverGone, limited
from doorkey.browser.process import Process
from doorkey.browser.profile import Display
from doorkey.config.settings import environment_with
from doorkey.errors import BrowserFailed, BrowserMissing, DoorkeyError
from doorkey.model.inspection import NONE, Inspection
from doorkey.model.site_access import TlsSetup

if TYPE_CHECKING:
    from playwright.async_api import Browser, BrowserContext, CDPSession, Playwright

log = logging.getLogger("doorkey.browser")

LAUNCH = 20.0
ANSWER = 1.0
CLOSE = 3.0
"""Limits in seconds: for a start, for the answer to a health check, for an orderly end."""
HUNG = 10.0
"""Seconds without an answer after which a browser that is in use counts as hung; a busy machine easily misses one."""
WATCH = 0.25
"""Seconds between two checks whether Playwright's driver still runs: no event tells that it ended."""

LOOK = 1.0
"""Seconds between two looks at the memory of open pages."""
CRASHED = "the page crashed"


class RunningBrowser:
    """A Chromium that was started, with the filter proxy before it. The pool that owns it counts its leases.

    `lost` is set as soon as the browser or Playwright's driver has ended. `retired` says why it gets no new leases.
    `crash` says why a page that crashes now has ended.
    """

    def __init__(
        self,
        browser: Browser,
        filter_: FilterProxy,
        session: CDPSession,
        process: Process,
        display: Display,
        user_agent: str,
        born: float,
    ) -> None:
        self.browser = browser
        self.filter = filter_
        self.process = process
        self.driver = Process.of(process.parent)
        self.display = display
        self.user_agent = user_agent
        self.born = born
        self.leases = 0
        self.uses = 0
        self.retired = ""
        self.crash = CRASHED
        self.lost = asyncio.Event()
        self.tls: TlsSetup | None = None
        self.home: BrowserHome | None = None
        self._session = session
        browser.on("disconnected", lambda _: self.lost.set())
        self._watches = [asyncio.create_task(self._watch_driver())]

    @classmethod
    async def start(
        cls,
        playwright: Playwright,
        *,
        executable: Path,
        display: Display,
        x_display: str | None,
        sandbox: Sandbox,
        folder: Path,
        born: float,
        home: BrowserHome | None = None,
        inspection: Inspection = NONE,
    ) -> RunningBrowser:
        """Start Chromium. Raises BrowserFailed, or DriverGone if Playwright's driver has ended."""
        from playwright.async_api import Error

        filter_ = FilterProxy()
        await filter_.start()
        browser: Browser | None = None
        try:
            async with limited("starting Chromium", LAUNCH):
                options: dict[str, Any] = {
                    "executable_path": executable,
                    "args": list_arguments(x_display, devtools=inspection.devtools and display != "headless"),
                    "slow_mo": inspection.slow * 1000,
                    "headless": display == "headless",
                    "chromium_sandbox": use_sandbox(sandbox),
                    # Without credentials: the requests that Chromium makes by itself reach nothing.
                    "proxy": {"server": filter_.server, "bypass": "<-loopback>"},
                    "downloads_path": folder,
                    "traces_dir": folder,
                    "handle_sigint": False,
                    "handle_sigterm": False,
                    "handle_sighup": False,
                    "timeout": LAUNCH * 1000,
                }
                browser = await _launch(playwright, options, home)
                session = await browser.new_browser_cdp_session()
                version = await session.send("Browser.getVersion")
                found = await session.send("SystemInfo.getProcessInfo")
            pid = next(int(entry["id"]) for entry in found["processInfo"] if entry["type"] == "browser")
        except BaseException as error:
            if browser is not None:
                await _close(browser, fallback="it ends with Playwright's driver")
            await filter_.close()
            cause = error.__cause__
            if isinstance(error, DoorkeyError) and isinstance(cause, Error) and "has been closed" in str(cause):
                raise DriverGone("Playwright's driver has ended; doorkey starts it again") from error
            raise
        running = cls(browser, filter_, session, Process.of(pid), display, str(version["userAgent"]), born)
        running.home = home
        return running

    async def check_health(self, limit: float = ANSWER) -> bool:
        """Tell whether the browser answers within *limit* seconds."""
        if self.lost.is_set() or not self.browser.is_connected():
            return False
        try:
            async with limited("checking whether Chromium answers", limit):
                await self._session.send("Browser.getVersion")
        except DoorkeyError:
            return False
        return True

    async def kill_if_hung(self) -> None:
        """Kill the browser if it does not answer at all: what its users wait for would never come."""
        if not await self.check_health(HUNG) and not self.lost.is_set():
            log.warning("Chromium pid %d has not answered for %g s: killed", self.process.pid, HUNG)
            self.lost.set()
            self.process.kill()

    async def measure_memory(self) -> float:
        """Return the memory (PSS, in MiB) of the browser and its child processes."""
        return await asyncio.to_thread(self.process.measure_memory)

    def limit_pages(self, most: float) -> None:
        """End each page from now on that alone takes more than *most* MiB."""
        self._watches.append(asyncio.create_task(self._watch_pages(most)))

    async def close(self) -> None:
        """End the browser within a limit. A browser that does not end is killed."""
        for watch in self._watches:
            watch.cancel()
        try:
            if not self.lost.is_set():
                await _close(self.browser, fallback="killed")
        finally:
            self.lost.set()
            self.process.kill()
            await self.filter.close()
            if self.home is not None:
                await asyncio.to_thread(remove_home, self.home)

    async def close_context(self, context: BrowserContext, limit: float = CLOSE) -> None:
        """Close *context* within a *limit*. One that can't do that gets no new leases, and ends with its last one."""
        if self.lost.is_set():
            return
        try:
            async with limited("closing a context", limit):
                await context.close()
        except DoorkeyError as error:
            if not self.lost.is_set():
                log.warning("%s", error.message)
                self.retired = self.retired or "context"
                await self.kill_if_hung()

    async def _watch_pages(self, most: float) -> None:
        while not self.lost.is_set():
            await asyncio.sleep(LOOK)
            self.crash = CRASHED
            if not self.leases:
                continue
            pid, taken = await asyncio.to_thread(self.process.find_largest_page)
            if taken > most:
                self.crash = f"the page was ended: it took {taken:.0f} MiB, and browser.memory allows {most:.0f}"
                log.warning("Chromium pid %d: %s", self.process.pid, self.crash)
                Process.of(pid).kill()

    async def _watch_driver(self) -> None:
        while self.driver.alive:  # noqa: ASYNC110 - the system tells it to its parent alone
            await asyncio.sleep(WATCH)
        self.lost.set()


async def _launch(playwright: Playwright, options: dict[str, Any], home: BrowserHome | None) -> Browser:
    if home is None:
        return await playwright.chromium.launch(**options)
    environment: dict[str, Any] = {**environment_with(**home.variables)}
    context = await playwright.chromium.launch_persistent_context(home.user_data, env=environment, **options)
    if context.browser is None:
        raise BrowserFailed("this version of Playwright can't start a browser with certificates of its own")
    return context.browser


async def _close(browser: Browser, *, fallback: str) -> None:
    try:
        async with limited("closing Chromium", CLOSE):
            await browser.close()
    except DoorkeyError as error:
        log.warning("%s: %s", error.message, fallback)


class PlaywrightDriver:
    """Playwright's driver, a Node.js process: started with the first browser, ended with the last one."""

    def __init__(self) -> None:
        self._playwright: Playwright | None = None
        self._process: Process | None = None

    @property
    def running(self) -> bool:
        return self._playwright is not None

    async def get(self) -> Playwright:
        if self._playwright is None:
            from playwright.async_api import async_playwright

            try:
                async with asyncio.timeout(LAUNCH):
                    started = async_playwright()
                    self._playwright = await started.start()
                _retrieve_end(started)
            except TimeoutError as error:
                raise BrowserFailed(f"Playwright's driver did not start within {LAUNCH:g} s") from error
            except Exception as error:
                why = await asyncio.to_thread(find_driver_fault)
                if why:
                    raise BrowserMissing(
                        f"Playwright's driver does not start: {why}. To repair it, run: doorkey browser --install"
                    ) from error
                raise BrowserFailed(f"Playwright's driver does not start ({type(error).__name__})") from error
        return self._playwright

    def remember(self, process: Process) -> None:
        """Remember that *process* is the driver. Only a browser that it started can tell."""
        self._process = process

    async def stop(self) -> None:
        """End the driver within a limit. A driver that does not end is killed."""
        playwright, process = self._playwright, self._process
        self._playwright = self._process = None
        if playwright is None:
            return
        try:
            async with limited("ending Playwright's driver", CLOSE):
                await playwright.stop()
        except DoorkeyError as error:
            log.debug("%s", error.message)
        finally:
            if process is not None and process.pid > 1:
                process.kill()


def _retrieve_end(started: object) -> None:
    """Retrieve the error of the future by which Playwright learns of its driver's end.

    Playwright looks at it only while the driver starts. If the driver dies later, asyncio would log a traceback.
    """
    ended = getattr(getattr(getattr(started, "_client", None), "_transport", None), "on_error_future", None)
    if isinstance(ended, asyncio.Future):
        ended.add_done_callback(lambda future: future.cancelled() or future.exception())


@dataclass(frozen=True, slots=True)
class BrowserStatus:
    """A running browser: how many leases it has now and had in all, and why it is to be replaced, if it is."""

    display: Display
    pid: int
    leases: int
    uses: int
    retired: str


@dataclass(frozen=True, slots=True)
class PoolStatus:
    """`contexts` is the most leases at a time, `leases` those now; `launches` counts the browsers started so far."""

    contexts: int
    leases: int
    launches: int
    browsers: tuple[BrowserStatus, ...]
