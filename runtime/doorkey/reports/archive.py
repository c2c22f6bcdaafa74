"""Keeps reports in a folder that only its owner can read: one folder for each, the oldest deleted."""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from doorkey.reports.good_visit import PageFacts
from doorkey.reports.html_page import render
from doorkey.reports.report import Report

PAGE, DATA, STORED = "report.html", "report.json", "page.html"
CALLS = "calls.txt"
"""Which call ended with which report: a line for each, the latest last."""
CREDENTIALS = "credentials-"
"""The beginning of the names of Playwright's recordings, which can't be cleaned of secrets."""
GOOD = "good"
MOST_CALLS = 1000
NAME = re.compile(r"[a-z0-9_-]{1,80}")
DAY = 86400.0


class Archive:
    """Reports in *folder*, which is made when the first is written.

    At most *keep* of visits and as many of calls and of windows are kept, for *days* days, with what was recorded.
    """

    def __init__(self, folder: Path, *, keep: int = 20, days: float = 14) -> None:
        self._folder, self._keep, self._days = folder, keep, days

    def write(self, report: Report, page: str = "", picture: bytes = b"") -> Report:
        """Write *report*, with the *page* to try selectors on, and return it with its id. Raises OSError."""
        self._make(self._folder)
        made = Path(tempfile.mkdtemp(prefix=".new-", dir=self._folder))
        try:
            report = replace(report, id=self._choose_id(report))
            _write(made / DATA, json.dumps(report.to_json(), ensure_ascii=False, indent=1).encode())
            _write(made / PAGE, render(report, picture).encode("utf-8", "replace"))
            if page:
                _write(made / STORED, page.encode("utf-8", "replace"))
            made.rename(self._folder / report.id)
        except BaseException:
            shutil.rmtree(made, ignore_errors=True)
            raise
        self.prune(report.at)
        return report

    def make_folder(self) -> Path:
        """Return a new folder for what `attach` takes. It is deleted if nothing is done with it. Raises OSError."""
        self._make(self._folder)
        return Path(tempfile.mkdtemp(prefix=".new-", dir=self._folder))

    def attach(self, report: str, files: Mapping[str, Path]) -> None:
        """Put *files* under these names beside the report with the id *report*. Raises OSError."""
        for name, file in files.items():
            file.chmod(0o600)
            file.rename(self._folder / report / name)

    def list_recordings(self, report: Report) -> list[Path]:
        """Return the files beside *report* that Playwright has recorded."""
        return sorted((self._folder / report.id).glob(f"{CREDENTIALS}*"))

    def list_reports(self, site: str = "") -> list[Report]:
        """Return the reports of *site*, or of all sites, the newest first. What can't be read is left out."""
        reports = [report for report in map(self._read, self._ids()) if report is not None]
        found = [report for report in reports if not site or report.site == site]
        return sorted(found, key=lambda report: report.at, reverse=True)

    def find(self, name: str) -> Report | None:
        """Return the report with the id *name*, or that of the call with this request id."""
        if NAME.fullmatch(name) and (report := self._read(name)) is not None:
            return report
        for request, id_ in reversed(self._calls()):
            if request == name and (report := self._read(id_)) is not None:
                return report
        return None

    def page(self, report: Report) -> Path:
        """The HTML file of *report*."""
        return self._folder / report.id / PAGE

    def read_page(self, report: Report) -> str:
        """Return the page that is stored with *report*, without its secrets; empty where there is none."""
        try:
            return (self._folder / report.id / STORED).read_text(encoding="utf-8")
        except OSError:
            return ""

    def delete(self, reports: Iterable[Report]) -> None:
        for report in reports:
            shutil.rmtree(self._folder / report.id, ignore_errors=True)

    def remember_calls(self, calls: Iterable[tuple[str, str]]) -> None:
        """Remember pairs of a request id and the id of the report that the call ended with. Raises OSError."""
        self._make(self._folder)
        known = [*self._calls(), *calls][-MOST_CALLS:]
        self._replace(self._folder / CALLS, "".join(f"{request} {report}\n" for request, report in known))

    def remember_good(self, site: str, facts: PageFacts) -> None:
        """Remember the last visit to *site* that worked. Raises OSError."""
        self._make(self._folder)
        self._make(self._folder / GOOD)
        self._replace(self._folder / GOOD / f"{site}.json", json.dumps(facts.to_json(), ensure_ascii=False))

    def read_good(self, site: str) -> PageFacts | None:
        """Return what is remembered of the last visit to *site* that worked."""
        try:
            data = json.loads((self._folder / GOOD / f"{site}.json").read_text(encoding="utf-8"))
            return PageFacts.from_json(data)
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def prune(self, now: float) -> None:
        """Delete what is too much or too old."""
        kept: Counter[str] = Counter()
        for report in self.list_reports():
            kept[report.kind] += 1
            if kept[report.kind] > self._keep or now - report.at > self._days * DAY:
                self.delete([report])
        for left in self._folder.glob(".new-*"):
            if now - left.stat().st_mtime > DAY:
                shutil.rmtree(left, ignore_errors=True)

    def _ids(self) -> Iterator[str]:
        try:
            yield from sorted(entry.name for entry in self._folder.iterdir() if (entry / DATA).is_file())
        except OSError:
            return

    def _read(self, id_: str) -> Report | None:
        try:
            data = json.loads((self._folder / id_ / DATA).read_text(encoding="utf-8"))
            return Report.from_json(data)
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def _calls(self) -> list[tuple[str, str]]:
        try:
            lines = (self._folder / CALLS).read_text(encoding="utf-8").splitlines()
        except OSError:
            return []
        return [(request, report) for request, _, report in (line.partition(" ") for line in lines) if report]

    def _choose_id(self, report: Report) -> str:
        when = datetime.fromtimestamp(report.at, UTC).strftime("%m%d-%H%M%S")
        plain = f"{report.site or 'page'}{'-call' if report.kind == 'call' else ''}-{when}"
        number, id_ = 1, plain
        while (self._folder / id_).exists():
            number += 1
            id_ = f"{plain}-{number}"
        return id_

    def _make(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)

    def _replace(self, path: Path, text: str) -> None:
        beside = path.with_name(f".{path.name}-{os.getpid()}")
        _write(beside, text.encode("utf-8", "replace"))
        beside.replace(path)


def _write(path: Path, data: bytes) -> None:
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(file, "wb") as target:
        target.write(data)
