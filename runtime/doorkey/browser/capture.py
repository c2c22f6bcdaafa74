"""Playwright's own recordings of one context: a trace, a HAR, a video. They hold cookies, passwords and tokens."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from doorkey.browser.playwright_errors import limited
from doorkey.errors import BrowserMissing, DoorkeyError
from doorkey.model.inspection import RecordingKind

if TYPE_CHECKING:
    from playwright.async_api import BrowserContext, Error

log = logging.getLogger("doorkey.browser")

NAMES: dict[RecordingKind, str] = {
    "trace": "credentials-trace.zip",
    "har": "credentials-requests.har",
    "video": "credentials-video.webm",
}
SAVE = 20.0
"""Seconds that writing a trace may take."""
NO_FFMPEG = "ffmpeg"
"""In Playwright's message where it lacks the program that makes videos."""


class Capture:
    """The recordings *kinds* of one context. They lie in *folder*, which is this capture's own, once it is `done`."""

    def __init__(self, kinds: frozenset[RecordingKind], folder: Path) -> None:
        self.kinds, self.folder = kinds, folder
        self._done = asyncio.Event()
        self._begun = False

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the files."""
        return tuple(name for kind, name in NAMES.items() if kind in self.kinds)

    @property
    def options(self) -> dict[str, Any]:
        """Playwright's options for the context."""
        options: dict[str, Any] = {}
        if "har" in self.kinds:
            options |= {"record_har_path": self.folder / NAMES["har"], "record_har_content": "embed"}
        if "video" in self.kinds:
            options["record_video_dir"] = self.folder
        return options

    async def begin(self, context: BrowserContext) -> None:
        """Begin what the options do not."""
        if "trace" in self.kinds:
            await context.tracing.start(screenshots=True, snapshots=True, title="doorkey")
            self._begun = True

    async def end(self, context: BrowserContext) -> None:
        """End before *context* is closed, which writes the others. A recording that can't be written is logged."""
        if not self._begun:
            return
        self._begun = False
        try:
            async with limited("writing the trace", SAVE):
                await context.tracing.stop(path=self.folder / NAMES["trace"])
        except DoorkeyError as error:
            log.warning("%s", error.message)

    def finish(self) -> None:
        """The context is closed."""
        self._done.set()

    async def collect(self) -> list[Path]:
        """Wait until all is written, and return the files, with the names that tell what they hold."""
        await self._done.wait()
        return await asyncio.to_thread(self._list)

    def _list(self) -> list[Path]:
        files = []
        for number, file in enumerate(sorted(self.folder.glob("*.webm"), key=lambda one: one.stat().st_mtime), 1):
            name = NAMES["video"] if number == 1 else NAMES["video"].replace(".", f"-{number}.")
            files.append(file.rename(file.with_name(name)))
        return [file for name in NAMES.values() if (file := self.folder / name).exists()] + files[1:]


def explain_no_video(error: Error) -> BrowserMissing | None:
    """Return what *error* means where Playwright lacks what makes videos, else None."""
    if NO_FFMPEG not in error.message:
        return None
    return BrowserMissing("a video needs Playwright's ffmpeg. To install it, run: python -m playwright install ffmpeg")
