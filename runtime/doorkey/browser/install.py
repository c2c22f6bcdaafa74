"""Getting what a visit needs: a Chromium, and what Playwright's driver lacks on a small system."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from doorkey.browser.chromium import Chromium, find_chromium
from doorkey.errors import BrowserMissing

BROWSER = ("chromium", "xvfb", "fonts-liberation")
DRIVER = ("libatomic1",)
"""Debian packages: a browser with a virtual screen and fonts; the library that Playwright's Node.js links to."""
ANSWER = 20.0

Run = Callable[[Sequence[str]], int]


def driver_fault() -> str:
    """Why Playwright's driver can't start here; empty when it can. Starts a process: call it off the event loop."""
    found = importlib.util.find_spec("playwright")
    if found is None or found.origin is None:
        return "Playwright is not installed"
    node = Path(found.origin).parent / "driver" / ("node.exe" if os.name == "nt" else "node")
    try:
        done = subprocess.run(  # noqa: S603 - Playwright's own program
            [node, "--version"], capture_output=True, text=True, errors="replace", timeout=ANSWER, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return type(error).__name__
    return "" if done.returncode == 0 else done.stderr.strip().rpartition("node: ")[2][:200] or "it fails"


def install_chromium(
    *,
    say: Callable[[str], None],
    ask: Callable[[str], bool] | None = None,
    configured: Path | None = None,
    downloads: Path | None = None,
    run: Run | None = None,
    root: bool | None = None,
    fault: Callable[[], str] = driver_fault,
    find: Callable[[Path | None, Path | None], Chromium] = find_chromium,
) -> Chromium:
    """See that a visit can be made: Playwright's driver starts, and there is a Chromium. Returns it.

    What is there is taken as it is; else Playwright's download is tried, then the system's packages, as root on Debian.
    *say* is told each step; *ask* (None where there is no terminal) is asked before a system package is installed.
    Raises BrowserMissing with the one command to run by hand.
    """
    system = _System(say, ask, run or _run, os.geteuid() == 0 if root is None else root)
    if why := fault():
        say(f"Playwright's driver does not start: {why}")
        system.install(DRIVER, "Playwright's driver does not start")
        if why := fault():
            raise BrowserMissing(f"Playwright's driver does not start: {why}. Install what it lacks")
    try:
        return find(configured, downloads)
    except BrowserMissing:
        # A configured one that does not work is not mended by another.
        if configured is not None:
            raise
    say("downloading Playwright's Chromium")
    command = [sys.executable, "-m", "playwright", "install", "--no-shell"]
    if system.run([*command, *(["--with-deps"] if system.root else []), "chromium"]) == 0:
        return find(None, downloads)
    say("the download failed")
    system.install(BROWSER, "Chromium could not be downloaded")
    return find(None, downloads)


class _System:
    """The system's packages: only as root, only on Debian, announced, and asked for where there is a terminal."""

    def __init__(self, say: Callable[[str], None], ask: Callable[[str], bool] | None, run: Run, root: bool) -> None:
        self.say, self.ask, self.run, self.root = say, ask, run, root

    def install(self, packages: Sequence[str], why: str) -> None:
        by_hand = f"apt-get install -y {' '.join(packages)}"
        if not Path("/etc/debian_version").exists():
            raise BrowserMissing(f"{why}. By your system's own means, install what these are on Debian: {packages}")
        if not self.root:
            raise BrowserMissing(f"{why}. To change that: sudo {by_hand}")
        if self.ask is not None and not self.ask(f"Install the system packages {', '.join(packages)}?"):
            raise BrowserMissing(f"{why}, and nothing was installed. To do it by hand: {by_hand}")
        self.say(f"installing system packages: {by_hand}")
        # On a fresh machine the lists of packages are missing or old.
        if self.run(by_hand.split()) != 0 and (self.run(["apt-get", "update"]) != 0 or self.run(by_hand.split()) != 0):
            raise BrowserMissing(f"the packages could not be installed. To see why: {by_hand}")


def _run(command: Sequence[str]) -> int:
    # What the tools say goes to where we speak: standard output is a program's to read.
    return subprocess.run(command, check=False, stdout=sys.stderr.fileno()).returncode  # noqa: S603 - of this module
