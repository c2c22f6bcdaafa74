"""Finds the Chromium that is installed on this machine."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from doorkey.errors import BrowserMissing

NAMES = (
    "google-chrome-stable",
    "google-chrome",
    "chromium",
    "chromium-browser",
    "microsoft-edge",
    "microsoft-edge-stable",
)
PLACES = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Microsoft Edge.app/Contents/MacOS/Microsoft Edge",
    "/opt/google/chrome/chrome",
    "/snap/bin/chromium",
)
"""Programs looked up in PATH, and files outside of it, in the order of preference."""
SHELL = "chromium-headless-shell"
"""The last resort: it can't open windows."""
ANSWER = 10.0
"""Seconds that `--version` may take."""
INSTALL = "doorkey browser --install"
"""The command that installs a Chromium."""


@dataclass(frozen=True, slots=True)
class Chromium:
    """A usable browser. `source` says where it was found. A headless shell is `headless_only`."""

    path: Path
    version: str
    major: int
    source: str
    headless_only: bool = False


def find_chromium(configured: Path | None = None, downloads: Path | None = None) -> Chromium:
    """Return the Chromium to use: the configured one, else Playwright's download in *downloads*, else the system's.

    Runs each candidate with `--version`: call it in a thread. Raises BrowserMissing with all that was tried.
    If a configured browser does not work, no other one is used.
    """
    tried: list[str] = []
    for path, source in _list_candidates(configured, downloads):
        found, why = _examine(path, source)
        if found is not None:
            return found
        tried.append(f"{path}: {why}")
    if configured is not None:
        raise BrowserMissing(
            f"browser.executable is not a usable Chromium ({tried[0]}): correct it, or remove it and doorkey finds one"
        )
    listed = "; ".join(tried) or "none of the usual places has one"
    raise BrowserMissing(f"no Chromium was found ({listed}). To install one: {INSTALL}")


def _list_candidates(configured: Path | None, downloads: Path | None) -> Iterator[tuple[Path, str]]:
    if configured is not None:
        yield configured, "setting"
        return
    yield from ((path, "playwright") for path in _list_downloads(downloads))
    for name in NAMES:
        if found := shutil.which(name):
            yield Path(found), "system"
    yield from ((Path(place), "system") for place in PLACES if Path(place).exists())
    if found := shutil.which(SHELL):
        yield Path(found), "system"


def _list_downloads(setting: Path | None) -> Iterator[Path]:
    """Playwright's own downloads, newest first. Asking Playwright would start its driver, which takes half a second."""
    folders = (
        [setting]
        if setting
        else [
            Path.home() / ".cache/ms-playwright",
            Path.home() / "Library/Caches/ms-playwright",
        ]
    )
    inside = (
        "chrome-linux64/chrome",
        "chrome-linux/chrome",
        "chrome-mac*/*.app/Contents/MacOS/*",
    )
    for folder in folders:
        versions = sorted(folder.glob("chromium-*"), key=lambda path: path.name, reverse=True)
        for version in versions:
            for pattern in inside:
                yield from (path for path in version.glob(pattern) if path.is_file())


def _examine(path: Path, source: str) -> tuple[Chromium | None, str]:
    if not path.is_file():
        return None, "the file does not exist"
    if not os.access(path, os.X_OK):
        return None, "the file is not executable"
    try:
        done = subprocess.run(  # noqa: S603 - the user's own setting, or a known browser
            [path, "--version"], capture_output=True, text=True, errors="replace", timeout=ANSWER, check=False,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return None, f"--version did not answer within {ANSWER:g} s"
    except OSError as error:
        return None, f"it can't be started ({error.strerror})"
    match = re.search(r"\b(?:Chrom\w*|Edge)\b[^0-9\n]*((\d+)\.[\d.]+)", done.stdout)
    if match is None:
        return None, "--version does not name a Chromium"
    shell = "headless-shell" in path.name or "headless_shell" in path.name
    return Chromium(path, match[1], int(match[2]), source, shell), ""
