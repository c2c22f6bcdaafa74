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
from doorkey.setup.settings_file import write_diff

if TYPE_CHECKING:
    from doorkey.config.settings import Settings
    from doorkey.learning.draft import Draft, Source
    from doorkey.model.page import Page
    from doorkey.recognition.proposal import Proposal
    from doorkey.setup.trial import Verdict

NEEDS_PERSON = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class AddReport:
    """A site that was added, or would be with --dry-run.

    `missing` are the environment variables that its login needs. `verdict` says how it went when it was tried, and
    `draft` what was learned behind the login. `har` is the recording, if it holds a password. `asked` is the URL that
    the command named. `texts` are those of the file before and after an earlier site is completed. `unchanged`:
    that site was left as it is.
    """

    site: str
    proposal: Proposal
    page: Page
    table: str
    file: Path
    config: Path | None
    settings: Settings
    dry_run: bool
    written: bool
    missing: tuple[str, ...]
    verdict: Verdict | None
    draft: Draft | None = None
    har: Path | None = None
    asked: str = ""
    texts: tuple[str, str] | None = None
    unchanged: bool = False

    @property
    def exit(self) -> int:
        if self.verdict is not None:
            return self.verdict.exit
        return 0 if self.dry_run or (self.unchanged and not self.missing) else NEEDS_PERSON

    def rows(self) -> Iterator[tuple[str, str, str]]:
        """What was found, and where, without values of tokens or cookies."""
        from doorkey.recognition.proposal import name_variables

        found, login = self.proposal, self.proposal.login
        yield "kind", found.kind, found.evidence
        generator = self.page.find("meta[name=generator]")
        if generator is not None:
            yield "made by", str(generator.get("content") or "").strip()[:80], "meta[name=generator]"
        yield "page", str(self.page.url), ""
        if found.token is not None:
            where = found.token.at or ", ".join(found.token.reads.values())
            places = ", ".join(key.replace(".", " ", 1) for key, _ in found.token.sends)
            yield f"token {found.token.name}", f"sent as {places}", where.replace("{base}", found.base)
        elif self.draft is not None:
            for token in self.draft.tokens:
                yield f"token {token.name}", token.evidence.text, _describe(token.source)
        if login is not None:
            how = login.form.obstacle or ("user and password" if login.form.user else "a password")
            yield "login", how, login.seen
        elif self.draft is not None and self.draft.login is not None:
            learned = self.draft.login
            yield "login", "by request" if learned.request is not None else "by the page's form", learned.seen
        for call in self.draft.calls if self.draft is not None else ():
            yield "call", str(call), ""
        if found.login_page:
            names = " and ".join(name_variables(self.site, with_user=True))
            said = f"not needed for this page; to see what is behind, set {names} and run: {self._again}"
            yield "login", said, found.login_page
        if self.page.cookies:
            yield "cookies", ", ".join(sorted(self.page.cookies)), ""

    @property
    def next(self) -> str:
        """What the user has to do next; empty if nothing."""
        login, tail = self.proposal.login, self._tail
        if self.dry_run:
            return ""
        if login is not None and not login.by_steps:
            return f"log in by hand ({login.form.obstacle}): doorkey login {self.site}{tail}"
        if self.missing and not self.failed:
            return f"set {' and '.join(self.missing)}, then: {self._again}"
        if self.failed and self.written:
            return f"correct the new lines in {self.file}, then: doorkey check {self.site}{tail}"
        if self.failed:
            return "--anyway writes these lines, to be corrected by hand (docs/web.md)"
        return ""

    @property
    def _again(self) -> str:
        """The command that completes the site once the login's values are set."""
        if not self.asked:
            return f"doorkey check {self.site}{self._tail}"
        return f"doorkey add {shlex.quote(self.asked)} --name {self.site}{self._tail}"

    @property
    def diff(self) -> str:
        """The lines that changed in the file, where a site of an earlier run was completed."""
        return write_diff(*self.texts) if self.texts is not None else ""

    @property
    def fetch(self) -> str:
        return f"doorkey fetch {self.site} {shlex.quote(self.proposal.path)}{self._tail}"

    @property
    def curl(self) -> str:
        """The same request through `doorkey serve`. A key of the user's own is read from $KEY."""
        from doorkey.config.settings import state_dir
        from doorkey.service.key import KEY_FILE

        service = self.settings.service
        key = "$KEY" if service.key is not None else f"$(cat {shlex.quote(str(state_dir() / KEY_FILE))})"
        host = f"[{service.host}]" if ":" in service.host else service.host
        url = f"http://{WILDCARDS.get(host, host)}:{service.port}/site/{self.site}{self.proposal.path}"
        return f'curl -H "Authorization: Bearer {key}" {shlex.quote(url)}'

    @property
    def _tail(self) -> str:
        return f" --config {shlex.quote(str(self.config))}" if self.config is not None else ""

    def as_json(self) -> dict[str, Any]:
        verdict = self.verdict
        check = None if verdict is None else {name: verdict.check[name] for name in verdict.check if name != "url"}
        return {
            "site": self.site,
            "url": self.proposal.url,
            "kind": self.proposal.kind,
            "provider": self.proposal.framework.provider,
            "found": [dict(zip(("what", "found", "where"), row, strict=True)) for row in self.rows()],
            "toml": self.table,
            "file": str(self.file),
            "written": self.written,
            "diff": self.diff,
            "missing": self.missing,
            "check": check,
            "survived": verdict.survived if verdict is not None else None,
            "tried": verdict.told if verdict is not None else "",
            "unsure": self.doubts,
            "holds_password": self.har is not None,
            "fetch": self.fetch,
            "curl": self.curl,
            "next": self.next,
            "note": self.proposal.framework.note,
            "exit": self.exit,
        }

    def show(self) -> None:
        """Print the report on standard output, and a failed check on standard error."""
        print_table(self.rows(), ("", "found", "where"))
        self._show_lines()
        if self.proposal.framework.note:
            click.echo(f"note: {self.proposal.framework.note}\n")
        for doubt in self.doubts:
            click.echo(harmless(f"unsure: {doubt}"))
        self._show_verdict()
        if self.next:
            click.echo(f"next: {self.next}" + ("" if self.failed else "\nThen these commands work:"))
        if not self.failed and (self.written or self.unchanged):
            click.echo(f"  {self.fetch}\n  {self.curl}   # while this runs: doorkey serve{self._tail}")
            if self.proposal.framework.provider != "web":
                click.echo(f'  doorkey ask -m {self.site} "Hello"{self._tail}')

    def _show_lines(self) -> None:
        if self.unchanged:
            click.echo(f"\n[sites.{self.site}] in {self.file} stays as it is\n")
        elif self.texts is None:
            click.echo(f"\n{'added to' if self.written else 'not written; it would be added to'} {self.file}:\n")
            click.echo(harmless(self.table))
        elif not self.diff:
            click.echo(f"\n[sites.{self.site}] in {self.file} says all this already\n")
        else:
            click.echo(f"\n{'changed in' if self.written else 'not written; it would change in'} {self.file}:\n")
            click.echo(harmless(self.diff))

    def _show_verdict(self) -> None:
        if self.verdict is None:
            return
        check, kept = self.verdict.check, "the site was written, but" if self.written else "nothing was written:"
        if self.failed:
            click.echo(f"doorkey: {kept} {check.get('error') or self.verdict.told}", err=True)
            return
        if self.verdict.told:
            click.echo(harmless(f"tried: {self.verdict.told}"))
        status = f", and `{self.fetch}` answered HTTP {self.verdict.status}" if self.verdict.status else ""
        now = "" if self.missing else " These commands now work:"
        click.echo(f"checked: visited in {check['entered']:.2f} s{status}.{now}")

    @property
    def doubts(self) -> list[str]:
        """What is not sure. Software that doorkey knows keeps its own tokens, so nothing is guessed there."""
        if self.draft is None or self.proposal.token is not None:
            return []
        return [str(doubt) for doubt in self.draft.doubts]

    @property
    def failed(self) -> bool:
        return self.verdict is not None and self.verdict.failed


def _describe(source: Source) -> str:
    return source if isinstance(source, str) else ", ".join(f"{key} {text}" for key, text in dict(source).items())
