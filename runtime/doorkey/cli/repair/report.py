"""The report of `doorkey repair`: what no longer holds, the lines to change, and how they were tried."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from doorkey.model.printable import harmless
from doorkey.setup.settings_file import rewrite, write_diff
from doorkey.setup.trial import Verdict

if TYPE_CHECKING:
    from doorkey.learning.repair import Change


NEEDS_PERSON = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Repaired:
    """What `doorkey repair` found. `texts` are those of the file before and after; `verdict` says how the new one went.

    `hidden` are values in the file that must not be printed.
    """

    site: str
    file: Path
    config: Path | None
    changes: tuple[Change, ...]
    texts: tuple[str, str]
    verdict: Verdict
    hidden: tuple[str, ...]

    @property
    def may_write(self) -> bool:
        return self.texts[0] != self.texts[1] and not self.verdict.failed

    @property
    def again(self) -> str:
        tail = f" --config {self.config}" if self.config is not None else ""
        return f"doorkey repair {self.site} --yes{tail}"

    @property
    def diff(self) -> str:
        return write_diff(*self.texts, hidden=self.hidden)

    @property
    def summary(self) -> str:
        verdict = self.verdict
        if verdict.failed:
            return f"nothing was written: {verdict.check.get('error') or verdict.told}"
        if not self.changes:
            return f"nothing to repair: {verdict.told or 'the site is entered as its settings say'}"
        return f"tried: {verdict.told or 'the site was entered'}"

    def exit(self, *, written: bool) -> int:
        if self.verdict.failed:
            return self.verdict.exit
        return NEEDS_PERSON if self.may_write and not written else 0

    def write(self) -> None:
        rewrite(self.file, *self.texts)

    def show(self) -> None:
        """Print what no longer holds and the changed lines on standard output, and a failure on standard error."""
        for change in self.changes:
            lost = "" if change.lines else "; nothing was found in its place: correct it by hand (docs/web.md)"
            click.echo(harmless(f"{change.setting}: {change.why}{lost}"))
        if self.diff:
            click.echo(f"\nin {self.file}:\n\n{harmless(self.diff)}")
        click.echo(harmless(self.summary if not self.verdict.failed else f"doorkey: {self.summary}"),
                   err=self.verdict.failed)  # fmt: skip

    def as_json(self, *, written: bool) -> dict[str, Any]:
        return {
            "site": self.site,
            "file": str(self.file),
            "changes": [{"setting": one.setting, "why": one.why, "found": bool(one.lines)} for one in self.changes],
            "diff": self.diff,
            "written": written,
            "survived": self.verdict.survived,
            "summary": self.summary,
            "next": self.again if self.may_write and not written else "",
            "exit": self.exit(written=written),
        }
