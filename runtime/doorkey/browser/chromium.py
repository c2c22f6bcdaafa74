"""The Chromium on this machine."""

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
SHELL = "chromium-headless-shell"
ANSWER = 10.0
"""Seconds that `--version` may take."""
GET_ONE = "doorkey browser --install"


@dataclass(frozen=True, slots=True)
class Chromium:
    """One usable browser. `source` says where it was found; a headless shell is `headless_only`."""

    path: Path
    version: str
    major: int
    source: str
    headless_only: bool = False


def find_chromium(configured: Path | None = None, downloads: Path | None = None) -> Chromium:
    """The Chromium to use: the configured one, else Playwright's download (kept in *downloads*), else the system's.

    Starts each candidate with `--version`: call it off the event loop. Raises BrowserMissing with all that was tried.
    A configured one that does not work is an error: nothing else takes its place.
    """
    tried: list[str] = []
    for path, source in _candidates(configured, downloads):
        found, why = _examine(path, source)
        if found is not None:
            return found
        tried.append(f"{path}: {why}")
    if configured is not None:
        raise BrowserMissing(
            f"browser.executable is no usable Chromium ({tried[0]}): correct it, or remove it to have one found"
        )
    listed = "; ".join(tried) or "none of the usual places holds one"
    raise BrowserMissing(f"no Chromium was found ({listed}). To get one: {GET_ONE}")


def _candidates(configured: Path | None, downloads: Path | None) -> Iterator[tuple[Path, str]]:
    if configured is not None:
        yield configured, "setting"
        return
    yield from ((path, "playwright") for path in _downloads(downloads))
    for name in NAMES:
        if found := shutil.which(name):
            yield Path(found), "system"
    yield from ((Path(place), "system") for place in PLACES if Path(place).exists())
    if found := shutil.which(SHELL):
        yield Path(found), "system"


def _downloads(kept_in: Path | None) -> Iterator[Path]:
    """Playwright's own download, newest first. Asking Playwright would start its driver, and costs half a second."""
    folders = (
        [kept_in]
        if kept_in
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
        return None, "there is no such file"
    if not os.access(path, os.X_OK):
        return None, "it can't be executed"
    try:
        done = subprocess.run(  # noqa: S603 - the person's own setting, or a known browser
            [path, "--version"], capture_output=True, text=True, errors="replace", timeout=ANSWER, check=False,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return None, f"--version did not answer within {ANSWER:g} s"
    except OSError as error:
        return None, f"it does not start ({error.strerror})"
    match = re.search(r"\b(?:Chrom\w*|Edge)\b[^0-9\n]*((\d+)\.[\d.]+)", done.stdout)
    if match is None:
        return None, "--version does not name a Chromium"
    shell = "headless-shell" in path.name or "headless_shell" in path.name
    return Chromium(path, match[1], int(match[2]), source, shell), ""
