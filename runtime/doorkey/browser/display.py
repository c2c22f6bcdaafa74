"""The display that shows the browser's windows: a person's screen, or a virtual display (Xvfb)."""

from __future__ import annotations

import asyncio
import os
import shutil
from asyncio.subprocess import Process as Child

from doorkey.errors import BrowserFailed, ConfigurationError

XVFB = "Xvfb"
START = 10.0
"""Seconds that Xvfb may take to start."""


def check_screen(screen: str | None) -> None:
    """Raise ConfigurationError if there is no screen. *screen* is the value of DISPLAY or WAYLAND_DISPLAY."""
    if not screen:
        raise ConfigurationError(
            "a window was asked for, but there is no screen (DISPLAY is not set): see the page in any browser with "
            "doorkey login SITE --link or doorkey open SITE --link. For a visit that nobody watches, use "
            'browser.display = "virtual", or "headless"'
        )


def explain_no_window(display: str, *, allowed: bool, command: str = XVFB) -> str:
    """Say why a browser on *display* that a site refused can't get a window. The text is empty if it can.

    *allowed* tells whether settings allow a virtual display.
    """
    if display != "headless":
        return "this browser had one"
    if not allowed:
        return "browser.virtual forbids one"
    return "" if shutil.which(command) else f"one needs {command} here (apt-get install xvfb)"


class VirtualDisplay:
    """One Xvfb process, started by the first `start` and ended by `close`."""

    def __init__(self, command: str = XVFB) -> None:
        self._command = command
        self._child: Child | None = None
        self._name = ""
        self._lock = asyncio.Lock()

    async def start(self) -> str:
        """Return the name of the display, such as ":7". Raises ConfigurationError if Xvfb is not installed, and
        BrowserFailed if it fails."""
        async with self._lock:
            if self._child is None or self._child.returncode is not None:
                self._name = await self._run()
            return self._name

    async def close(self) -> None:
        child, self._child = self._child, None
        if child is None or child.returncode is not None:
            return
        child.terminate()
        try:
            async with asyncio.timeout(2.0):
                await child.wait()
        except TimeoutError:
            child.kill()
            await child.wait()

    async def _run(self) -> str:
        path = shutil.which(self._command)
        if path is None:
            raise ConfigurationError(
                f"a virtual display needs {self._command}, which is not installed: install the package xvfb "
                '(apt-get install xvfb), or set browser.display = "headless"'
            )
        reading, writing = os.pipe()
        try:
            # -displayfd: Xvfb chooses a free display number and writes it there.
            self._child = await asyncio.create_subprocess_exec(
                path, "-displayfd", str(writing), "-screen", "0", "1920x1200x24", "-nolisten", "tcp", "-terminate",
                pass_fds=(writing,), stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.DEVNULL,
            )  # fmt: skip
        finally:
            os.close(writing)
        try:
            async with asyncio.timeout(START):
                number = await _read_line(reading)
        except TimeoutError as error:
            await self.close()
            raise BrowserFailed(f"Xvfb did not start within {START:g} s") from error
        if not number.isdigit():
            await self.close()
            raise BrowserFailed("Xvfb ended at once: is /tmp/.X11-unix writable?")
        return f":{number}"


async def _read_line(descriptor: int) -> str:
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    transport, _ = await loop.connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(descriptor, "rb", buffering=0)
    )
    try:
        return (await reader.readline()).decode().strip()
    finally:
        transport.close()
