"""A login by hand: starts a browser without automation for a person, and reads the session while it is open."""

from __future__ import annotations

import asyncio
import re
from asyncio.subprocess import DEVNULL
from asyncio.subprocess import Process as Child
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from doorkey.browser.arguments import QUIET, Sandbox, use_sandbox
from doorkey.browser.chromium import find_chromium
from doorkey.browser.display import VirtualDisplay, check_screen
from doorkey.browser.manual.attached_browser import AttachedBrowser
from doorkey.browser.manual.user_data_dir import UserDataDir
from doorkey.browser.process import Process
from doorkey.browser.profile import Display
from doorkey.browser.routing import RequestRouting
from doorkey.browser.running_browser import PlaywrightDriver
from doorkey.browser.visit.spec import VisitResult, VisitSpec
from doorkey.clock import Clock
from doorkey.errors import BrowserFailed, BrowserMissing, ConfigurationError
from doorkey.model.events import SiteEvents
from doorkey.network.egress import Egress, Proxy

START = 20.0
"""Seconds that the start of the browser may take."""
LISTENING = re.compile(r"^DevTools listening on ws://127\.0\.0\.1:(\d+)(/devtools/browser/\S+)$", re.MULTILINE)
"""The line in which Chromium tells the address of its DevTools."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ManualLogin:
    """How the person's browser is started. The `display` "virtual" is for tests and remote desktops."""

    home: UserDataDir
    clock: Clock
    display: Display = "screen"
    screen: str | None = None
    executable: Path | None = None
    downloads: Path | None = None
    sandbox: Sandbox = "auto"
    proxy: Proxy | None = None
    events: SiteEvents

    async def log_in(self, spec: VisitSpec, site_url: str, done: asyncio.Event) -> VisitResult:
        """Open `spec.url`, wait until the person has logged in, and return what a visit there then brings.

        The person has logged in when `spec.ready` shows on a page of the site, or when *done* is set. There is no time
        limit. Raises NeedsPerson if the window is closed before, and ConfigurationError without a screen or for a SOCKS
        proxy with a password.
        """
        if self.proxy is not None and self.proxy.scheme == "socks5" and self.proxy.username is not None:
            raise ConfigurationError(
                "Chromium can't give a SOCKS proxy a password, so a login by hand can't use this one: set the site's "
                "`proxy` to one without a password, for example a local SOCKS proxy that forwards to it"
            )
        driver = PlaywrightDriver()
        try:
            with self.home.lock():
                async with self._start_browser(spec.url) as child:
                    port, path = await self._read_address(child)
                    playwright = await driver.get()
                    routing = RequestRouting(site_url, egress=Egress(self.proxy), clock=self.clock, events=self.events)
                    attached = AttachedBrowser(child, playwright, port, path, spec, routing, self.clock, self.events)
                    result = await attached.watch_login(done)
                    await attached.end()
                    return result
        finally:
            await driver.stop()

    @asynccontextmanager
    async def _start_browser(self, url: str) -> AsyncIterator[Child]:
        virtual = VirtualDisplay()
        if self.display != "virtual":
            check_screen(self.screen)
        chromium = await asyncio.to_thread(find_chromium, self.executable, self.downloads)
        if chromium.headless_only:
            raise BrowserMissing(f"{chromium.path} is a headless shell, and a person needs a full Chromium")
        try:
            x_display = await virtual.start() if self.display == "virtual" else None
            with self.home.log_path.open("w") as log_file:
                child = await asyncio.create_subprocess_exec(
                    chromium.path, *self._list_arguments(await _find_free_port(), x_display), url,
                    stdin=DEVNULL, stdout=DEVNULL, stderr=log_file, start_new_session=True,
                )  # fmt: skip
            process = Process.of(child.pid)
            try:
                yield child
            finally:
                process.kill()
                await child.wait()
        finally:
            await virtual.close()

    def _list_arguments(self, port: int, x_display: str | None) -> list[str]:
        arguments = [
            *QUIET,
            f"--user-data-dir={self.home.browser}",
            # With port 0, Chromium would set navigator.webdriver.
            f"--remote-debugging-port={port}",
            "--no-first-run",
            "--no-default-browser-check",
            "--password-store=basic",
        ]
        if x_display is not None:
            arguments += [f"--display={x_display}", "--ozone-platform=x11"]
        if self.proxy is not None:
            arguments += [f"--proxy-server={self.proxy.server}", "--proxy-bypass-list=<-loopback>"]
        if not use_sandbox(self.sandbox):
            arguments.append("--no-sandbox")
        return arguments

    async def _read_address(self, child: Child) -> tuple[int, str]:
        """Return port and path of its DevTools as the browser reports them: another program may listen on the port."""
        end = self.clock.now() + START
        while self.clock.now() < end and child.returncode is None:
            found = LISTENING.search(await asyncio.to_thread(self.home.log_path.read_text, errors="replace"))
            if found is not None:
                return int(found[1]), found[2]
            await self.clock.sleep(0.05)
        raise BrowserFailed(
            f"the person's browser did not start within {START:g} s; its messages are in {self.home.log_path}"
        )


async def _find_free_port() -> int:
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port: int = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    return port
