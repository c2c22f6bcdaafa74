"""Where the browser's windows appear: nowhere, on a virtual display of ours, or on a person's screen."""

from __future__ import annotations

import asyncio
import os
import shutil
from asyncio.subprocess import Process as Child

from doorkey.errors import BrowserFailed, ConfigurationError

START = 10.0
"""Seconds that Xvfb may take to start."""


def check_screen(screen: str | None) -> None:
    """Raises ConfigurationError when there is no screen. *screen* is the value of DISPLAY or WAYLAND_DISPLAY."""
    if not screen:
        raise ConfigurationError(
            'a window was asked for, but there is no screen (DISPLAY is not set): use browser.display = "virtual", '
            'or "headless"'
        )


class VirtualDisplay:
    """One Xvfb, started when first needed, ended by `close`."""

    def __init__(self, command: str = "Xvfb") -> None:
        self._command = command
        self._child: Child | None = None
        self._name = ""
        self._lock = asyncio.Lock()

    def no_help(self, display: str, *, allowed: bool) -> str:
        """Why it can't help where a browser on *display* was refused for having no window; empty when it can."""
        if display != "headless":
            return "this browser had one"
        if not allowed:
            return "browser.virtual forbids one"
        return "" if shutil.which(self._command) else f"one needs {self._command} here (apt-get install xvfb)"

    async def name(self) -> str:
        """The display's name, as ":7". Raises ConfigurationError when Xvfb is missing, BrowserFailed when it fails."""
        async with self._lock:
            if self._child is None or self._child.returncode is not None:
                self._name = await self._start()
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

    async def _start(self) -> str:
        path = shutil.which(self._command)
        if path is None:
            raise ConfigurationError(
                f"{self._command} is missing, and a virtual display needs it: install the package xvfb "
                '(apt-get install xvfb), or set browser.display = "headless"'
            )
        settler, writing = os.pipe()
        try:
            # -displayfd: Xvfb takes a free number by itself and tells which.
            self._child = await asyncio.create_subprocess_exec(
                path, "-displayfd", str(writing), "-screen", "0", "1920x1200x24", "-nolisten", "tcp", "-terminate",
                pass_fds=(writing,), stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.DEVNULL,
            )  # fmt: skip
        finally:
            os.close(writing)
        try:
            async with asyncio.timeout(START):
                number = await _line(settler)
        except TimeoutError as error:
            await self.close()
            raise BrowserFailed(f"Xvfb did not start within {START:g} s") from error
        if not number.isdigit():
            await self.close()
            raise BrowserFailed("Xvfb ended at once: is /tmp/.X11-unix writable?")
        return f":{number}"


async def _line(descriptor: int) -> str:
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    transport, _ = await loop.connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(descriptor, "rb", buffering=0)
    )
    try:
        return (await reader.readline()).decode().strip()
    finally:
        transport.close()
