"""The report of `doorkey add`: what was found, what was written, and the commands that now work."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from doorkey.cli.banner import WILDCARDS
from doorkey.cli.terminal import print_table
from doorkey.model.printable import harmless
from doorkey.setup.found_site import FoundSite

if TYPE_CHECKING:
    from doorkey.config.settings import Settings

NEEDS_PERSON = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class AddReport:
    """A site that was added, or would be with --dry-run.

    `har` is the recording, if it holds a password. `asked` is the URL that the command named.
    """

    found: FoundSite
    file: Path
    config: Path | None
    settings: Settings
    dry_run: bool
    written: bool
    har: Path | None = None
    asked: str = ""

    @property
    def exit(self) -> int:
        if self.found.verdict is not None:
            return self.found.verdict.exit
        return 0 if self.dry_run or (self.found.unchanged and not self.found.missing) else NEEDS_PERSON

    @property
    def site(self) -> str:
        return self.found.site

    def rows(self) -> Iterator[tuple[str, str, str]]:
        """What was found, and where, without values of tokens or cookies."""
        from doorkey.recognition.proposal import name_variables

        names = " and ".join(name_variables(self.site, with_user=True))
        return self.found.rows(f"set {names} and run: {self._again}")

    @property
    def next(self) -> str:
        """What the user has to do next; empty if nothing."""
        login, tail = self.found.proposal.login, self._tail
        if self.dry_run:
            return ""
        if login is not None and not login.by_steps:
            return f"log in by hand ({login.form.obstacle}): doorkey login {self.site}{tail}"
        if self.found.missing and not self.found.failed:
            return f"set {' and '.join(self.found.missing)}, then: {self._again}"
        if self.found.failed and self.written:
            return f"correct the new lines in {self.file}, then: doorkey check {self.site}{tail}"
        if self.found.failed:
            return "--anyway writes these lines, to be corrected by hand (docs/web.md)"
        return ""

    @property
    def _again(self) -> str:
        """The command that completes the site once the login's values are set."""
        if not self.asked:
            return f"doorkey check {self.site}{self._tail}"
        return f"doorkey add {shlex.quote(self.asked)} --name {self.site}{self._tail}"

    @property
    def fetch(self) -> str:
        return f"doorkey fetch {self.site} {shlex.quote(self.found.proposal.path)}{self._tail}"

    @property
    def curl(self) -> str:
        """The same request through `doorkey serve`. A key of the user's own is read from $KEY."""
        from doorkey.config.settings import state_dir
        from doorkey.service.key import KEY_FILE

        service = self.settings.service
        key = "$KEY" if service.key is not None else f"$(cat {shlex.quote(str(state_dir() / KEY_FILE))})"
        host = f"[{service.host}]" if ":" in service.host else service.host
        url = f"http://{WILDCARDS.get(host, host)}:{service.port}/site/{self.site}{self.found.proposal.path}"
        return f'curl -H "Authorization: Bearer {key}" {shlex.quote(url)}'

    @property
    def _tail(self) -> str:
        return f" --config {shlex.quote(str(self.config))}" if self.config is not None else ""

    def as_json(self) -> dict[str, Any]:
        verdict = self.found.verdict
        check = None if verdict is None else {name: verdict.check[name] for name in verdict.check if name != "url"}
        return {
            "site": self.site,
            "url": self.found.proposal.url,
            "kind": self.found.proposal.kind,
            "provider": self.found.proposal.framework.provider,
            "found": [dict(zip(("what", "found", "where"), row, strict=True)) for row in self.rows()],
            "toml": self.found.table,
            "file": str(self.file),
            "written": self.written,
            "diff": self.found.diff,
            "missing": self.found.missing,
            "check": check,
            "survived": verdict.survived if verdict is not None else None,
            "tried": verdict.told if verdict is not None else "",
            "unsure": self.found.doubts,
            "holds_password": self.har is not None,
            "fetch": self.fetch,
            "curl": self.curl,
            "next": self.next,
            "note": self.found.proposal.framework.note,
            "exit": self.exit,
        }

    def show(self) -> None:
        """Print the report on standard output, and a failed check on standard error."""
        print_table(self.rows(), ("", "found", "where"))
        self._show_lines()
        if self.found.proposal.framework.note:
            click.echo(f"note: {self.found.proposal.framework.note}\n")
        for doubt in self.found.doubts:
            click.echo(harmless(f"unsure: {doubt}"))
        self._show_verdict()
        if self.next:
            click.echo(f"next: {self.next}" + ("" if self.found.failed else "\nThen these commands work:"))
        if not self.found.failed and (self.written or self.found.unchanged):
            click.echo(f"  {self.fetch}\n  {self.curl}   # while this runs: doorkey serve{self._tail}")
            if self.found.proposal.framework.provider != "web":
                click.echo(f'  doorkey ask -m {self.site} "Hello"{self._tail}')

    def _show_lines(self) -> None:
        if self.found.unchanged:
            click.echo(f"\n[sites.{self.site}] in {self.file} stays as it is\n")
        elif self.found.texts is None:
            click.echo(f"\n{'added to' if self.written else 'not written; it would be added to'} {self.file}:\n")
            click.echo(harmless(self.found.table))
        elif not self.found.diff:
            click.echo(f"\n[sites.{self.site}] in {self.file} says all this already\n")
        else:
            click.echo(f"\n{'changed in' if self.written else 'not written; it would change in'} {self.file}:\n")
            click.echo(harmless(self.found.diff))

    def _show_verdict(self) -> None:
        if self.found.verdict is None:
            return
        check, kept = self.found.verdict.check, "the site was written, but" if self.written else "nothing was written:"
        if self.found.failed:
            click.echo(f"doorkey: {kept} {check.get('error') or self.found.verdict.told}", err=True)
            return
        if self.found.verdict.told:
            click.echo(harmless(f"tried: {self.found.verdict.told}"))
        status = f", and `{self.fetch}` answered HTTP {self.found.verdict.status}" if self.found.verdict.status else ""
        now = "" if self.found.missing else " These commands now work:"
        click.echo(f"checked: visited in {check['entered']:.2f} s{status}.{now}")
