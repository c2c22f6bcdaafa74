"""Playwright's recordings of visits, kept beside the reports of those. They hold credentials and are never read."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import Literal, Protocol, TypeAlias

from doorkey.reports.archive import Archive
from doorkey.reports.report import Report

TraceWhen: TypeAlias = Literal["never", "after-failure"]


class Recording(Protocol):
    """What Playwright records of one context, into a folder that `Archive.make_folder` has made."""

    folder: Path

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the files."""

    async def collect(self) -> list[Path]:
        """Wait until all is written, and return the files."""


async def keep_recording(archive: Archive, recording: Recording, number: int, report: Report | None) -> None:
    """Move the files of *recording* to *report* when they are written; without one, delete them. Raises OSError.

    *number* tells the recordings of one report apart.
    """
    try:
        files = {number_name(file.name, number): file for file in await recording.collect()}
        if report is not None:
            await asyncio.to_thread(archive.attach, report.id, files)
    finally:
        shutil.rmtree(recording.folder, ignore_errors=True)


def number_name(name: str, number: int) -> str:
    """Return the name beside a report of a file of its recording *number*: a renewal may visit twice."""
    stem, dot, suffix = name.partition(".")
    return name if number == 1 else f"{stem}-visit-{number}{dot}{suffix}"


def has_failed(archive: Archive, site: str) -> bool:
    """Tell whether the last visit to *site* that is known of has failed. Reads files."""
    last = next((one for one in archive.list_reports(site) if one.kind == "visit"), None)
    good = archive.read_good(site)
    return last is not None and bool(last.code) and (good is None or good.at < last.at)
