"""Installs what a visit needs: a Chromium, and the libraries that Playwright's driver needs."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from doorkey.browser.certificates import find_missing_packages
from doorkey.browser.chromium import Chromium, find_chromium
from doorkey.errors import BrowserMissing

BROWSER = ("chromium", "xvfb", "fonts-liberation")
DRIVER = ("libatomic1",)
"""Debian packages: a browser with a virtual display and fonts; the library that Playwright's Node.js links to."""
ANSWER = 20.0
"""Seconds that the driver's `--version` may take."""

Run = Callable[[Sequence[str]], int]
"""Runs a command and returns its exit code."""


def find_driver_fault() -> str:
    """Say why Playwright's driver can't start here; empty if it can. Starts a process: call it in a thread."""
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
    fault: Callable[[], str] = find_driver_fault,
    find: Callable[[Path | None, Path | None], Chromium] = find_chromium,
) -> Chromium:
    """Make sure that Playwright's driver starts and that a Chromium is installed. Return the Chromium.

    An installed Chromium is used as it is. Otherwise Playwright's download is tried, then the system's packages (as
    root on Debian). *say* gets a line for each step. *ask* is called before a system package is installed; it is None
    where there is no terminal. Raises BrowserMissing with the command to run by hand.
    """
    system = _System(say, ask, run or _run, os.geteuid() == 0 if root is None else root)
    if why := fault():
        say(f"Playwright's driver does not start: {why}")
        system.install(DRIVER, "Playwright's driver does not start")
        if why := fault():
            raise BrowserMissing(f"Playwright's driver does not start: {why}. Install the missing library")
    try:
        return find(configured, downloads)
    except BrowserMissing:
        # Another browser is no substitute for the configured one.
        if configured is not None:
            raise
    say("downloading Playwright's Chromium")
    command = [sys.executable, "-m", "playwright", "install", "--no-shell"]
    if system.run([*command, *(["--with-deps"] if system.root else []), "chromium"]) == 0:
        return find(None, downloads)
    say("the download failed")
    system.install(BROWSER, "Chromium could not be downloaded")
    return find(None, downloads)


def install_certificate_tools(
    *,
    say: Callable[[str], None],
    ask: Callable[[str], bool] | None = None,
    run: Run | None = None,
    root: bool | None = None,
    find: Callable[[], Sequence[str]] = find_missing_packages,
) -> None:
    """Install the programs that give the browser a site's own certificates, where packages can be installed here.

    Few sites need them, so *say* only gets a line where they are missing and can't be installed. *ask* is as in
    `install_chromium`.
    """
    packages = find()
    if not packages:
        return
    try:
        _System(say, ask, run or _run, os.geteuid() == 0 if root is None else root).install(
            packages, "For sites with ca_file or client_certificate, programs are missing"
        )
    except BrowserMissing as missing:
        say(missing.message)


class _System:
    """Installs system packages: only as root and on Debian. A person at a terminal is asked first."""

    def __init__(self, say: Callable[[str], None], ask: Callable[[str], bool] | None, run: Run, root: bool) -> None:
        self.say, self.ask, self.run, self.root = say, ask, run, root

    def install(self, packages: Sequence[str], why: str) -> None:
        by_hand = f"apt-get install -y {' '.join(packages)}"
        if not Path("/etc/debian_version").exists():
            raise BrowserMissing(
                f"{why}. Install your system's equivalents of these Debian packages: {', '.join(packages)}"
            )
        if not self.root:
            raise BrowserMissing(f"{why}. To install what is missing, run: sudo {by_hand}")
        if self.ask is not None and not self.ask(f"Install the system packages {', '.join(packages)}?"):
            raise BrowserMissing(f"{why}, and nothing was installed. To install it yourself, run: {by_hand}")
        self.say(f"installing system packages: {by_hand}")
        # On a fresh machine, the package lists are missing or out of date.
        if self.run(by_hand.split()) != 0 and (self.run(["apt-get", "update"]) != 0 or self.run(by_hand.split()) != 0):
            raise BrowserMissing(f"the packages could not be installed. To see why, run: {by_hand}")


def _run(command: Sequence[str]) -> int:
    # The tools' messages go to standard error: standard output is read by programs.
    return subprocess.run(command, check=False, stdout=sys.stderr.fileno()).returncode  # noqa: S603 - of this module
