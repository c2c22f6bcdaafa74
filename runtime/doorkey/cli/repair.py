"""`doorkey repair`: compares a site's settings with the site of today, and corrects the lines that no longer hold."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin

import click

from doorkey.cli.add.exploration import Exploration
from doorkey.cli.add.probe import SETTLE, Probe
from doorkey.cli.add.target import Target, list_missing
from doorkey.cli.add.trial import Trial, Verdict
from doorkey.cli.options import config_option, headed_option, json_option
from doorkey.cli.run import run
from doorkey.cli.settings_file import read_text, rewrite, write_diff
from doorkey.cli.site_lines import SiteLines
from doorkey.cli.terminal import Progress, harmless, is_terminal, print_json
from doorkey.errors import Changed, ConfigurationError, DoorkeyError
from doorkey.model.login_steps import KINDS
from doorkey.model.secret import REFERENCES

if TYPE_CHECKING:
    from doorkey.browser import BrowserPool
    from doorkey.config.settings import Settings
    from doorkey.learning.repair import Change
    from doorkey.model.page import Page
    from doorkey.recognition.login_form import LoginForm
    from doorkey.runtime import Runtime

NEEDS_PERSON = 3


@click.command()
@click.argument("site")
@click.option("--yes", is_flag=True, help="Write the changed lines without asking.")
@headed_option
@json_option
@config_option
def repair(site: str, yes: bool, headed: bool, as_json: bool, config: Path | None) -> int:
    """Visit SITE, find out which of its settings no longer hold, and correct them.

    The command looks at the site as a stranger and in two logins, and compares the login's fields, `ready` and the
    tokens with the settings. It prints the lines to change, tries them through a forced logout, and writes them if you
    agree. What still holds stays as it is, and so does the rest of the file.

    \b
    Examples:
      doorkey repair shop
      doorkey repair shop --yes
    """
    from doorkey.config.settings import Settings

    repaired = run(SiteRepair(site, config, Settings.load(config), headed).run())
    if not as_json:
        repaired.show()
    written = repaired.may_write and (yes or (not as_json and _agrees(repaired)))
    if written:
        repaired.write()
    if as_json:
        print_json(repaired.as_json(written=written))
    elif written:
        click.echo(f"written to {repaired.file}")
    elif repaired.may_write:
        click.echo(f"nothing was written. To write these lines: {repaired.again}", err=True)
    return repaired.exit(written=written)


def _agrees(repaired: Repaired) -> bool:
    question = f"Write these lines to {repaired.file}?"
    return is_terminal(sys.stdin) and click.confirm(question, default=False, err=True)


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


@dataclass(frozen=True, slots=True)
class SiteRepair:
    """Compares one site with its settings. `pool` is shared with the caller; `settle`: see SETTLE."""

    site: str
    config: Path | None
    settings: Settings
    headed: bool = False
    pool: BrowserPool | None = None
    settle: float = SETTLE

    async def run(self) -> Repaired:
        """Look at the site, propose changes and try them. Raises DoorkeyError if it can't be looked at."""
        from doorkey.runtime import Runtime

        file, table = self._find()
        before = read_text(file)
        lines = SiteLines(before, self.site)
        with Progress(f"repairing {self.site}") as say:
            async with Runtime(self.settings, headed=self.headed, hooks=[say.on_event], pool=self.pool) as runtime:
                changes = await self._compare(runtime, table)
                after = lines.replace({one.setting: one.lines for one in changes if one.lines})
                verdict = await self._try(after, table, changes, runtime.pool, say)
        return Repaired(
            site=self.site,
            file=file,
            config=self.config,
            changes=changes,
            texts=(before, after),
            verdict=verdict,
            hidden=tuple(_list_literals(table)),
        )

    def _find(self) -> tuple[Path, Mapping[str, Any]]:
        """Return the file that holds the site, and the site's table there. Raises ConfigurationError."""
        from doorkey.config.registry import near

        target = Target(self.config, self.settings)
        if self.site not in self.settings.sites:
            raise ConfigurationError(f"no site is called {self.site[:80]!r}{near(self.site, self.settings.sites)}")
        table = target.read_table(self.site)
        if not table:
            raise ConfigurationError(f"{self.site} is set by environment variables: there are no lines to repair")
        if table.get("provider") != "web" or not table.get("url"):
            raise ConfigurationError(
                f'{self.site}: only sites with provider = "web" and a url are repaired; other providers read their '
                "tokens by themselves"
            )
        missing = list_missing({value: value for value in _list_values(table)})
        if missing:
            raise ConfigurationError(
                f"{self.site}: to look behind the login, set {' and '.join(missing)} and try again"
            )
        return target.file, table

    async def _compare(self, runtime: Runtime, table: Mapping[str, Any]) -> tuple[Change, ...]:
        from doorkey.learning.repair import compare, repair_steps

        exploration = Exploration(Probe(runtime, self.headed, self.settle), table["url"])
        steps = tuple((table.get("visit") or {}).get("steps") or ())
        found = await self._find_form(exploration, steps)
        changes = []
        if found is not None and _list_values(table):
            form, page, opens = found
            changed = repair_steps(steps, form, page, opens, _list_values(table))
            if changed is not None:
                steps = changed.lines[0].value
                if "login" not in table:
                    changes.append(changed)
        paths = [token["page"] for token in (table.get("tokens") or {}).values() if _names_page(token)]
        draft, inside = await exploration.learn(steps, self.site, tuple(dict.fromkeys(paths)))
        second = next(one.page for one in exploration.snapshots if one.who == "second")
        strangers = [one.page for one in exploration.snapshots if one.who == "stranger"]
        changes += compare(table, draft, inside, strangers, lambda name: _reads(table, name, second))
        return tuple(changes)

    async def _find_form(
        self, exploration: Exploration, steps: Sequence[Mapping[str, Any]]
    ) -> tuple[LoginForm, Page, str] | None:
        """Return the login form of today, its page, and the path to open for it."""
        from doorkey.learning.links import find_login_link
        from doorkey.recognition.login_form import find_login_form
        from doorkey.recognition.proposal import get_place

        opened = next((str(step["open"]) for step in steps if "open" in step), "")
        try:
            page = await exploration.see(urljoin(exploration.url, opened))
        except Changed:
            page, opened = await exploration.see(exploration.url), ""
        form = find_login_form(page)
        if form is None and opened:
            page, opened = await exploration.see(exploration.url), ""
            form = find_login_form(page)
        link = find_login_link(page) if form is None and steps else ""
        if link:
            page, opened = await exploration.see(link), get_place(link)
            form = find_login_form(page)
        return (form, page, opened) if form is not None and not form.obstacle else None

    async def _try(
        self, text: str, table: Mapping[str, Any], changes: Sequence[Change], pool: BrowserPool, say: Progress
    ) -> Verdict:
        from doorkey.config.settings import Settings
        from doorkey.recognition.proposal import get_place
        from doorkey.runtime import Runtime

        settings = Settings.load(self.settings.source, draft=text)
        logs_in = bool(_list_values(table))
        async with Runtime(settings, headed=self.headed, hooks=[say.on_event], pool=pool) as runtime:
            return await Trial(runtime, self.site, get_place(table["url"]), say).run(logs_in=logs_in)


def _reads(table: Mapping[str, Any], name: str, page: Page) -> bool:
    """Whether the token *name* is found on *page*. One that is not read on pages at all counts as found."""
    from doorkey.config.registry import build_sites, make_provider
    from doorkey.config.settings import Settings

    alone = {"provider": "web", "url": table["url"], "tokens": {name: table["tokens"][name]}}
    declared = {key: table[key] for key in ("login", "renew") if key in table}
    try:
        sites = build_sites(Settings.model_validate({"sites": {"site": alone | declared}}))
        provider = make_provider(sites["site"], "web")
    except ConfigurationError:
        return True  # it can't be looked at without the rest of the settings; the trial tells
    try:
        provider.read(page)
    except DoorkeyError:
        return False
    return True


def _list_values(table: Mapping[str, Any]) -> list[str]:
    """List what the login of the site fills in or sends, the password last."""
    steps = (table.get("visit") or {}).get("steps") or ()
    filled = [str(step["value"]) for step in steps if "fill" in step and "value" in step]
    if filled:
        return filled
    request = (table.get("login") or {}).get("request") or {}
    sent = [*(request.get("form") or {}).values(), *(request.get("json") or {}).values()]
    return [value for value in sent if isinstance(value, str) and value.startswith(REFERENCES)]


def _list_literals(table: Mapping[str, Any]) -> Iterator[str]:
    """List the values of login steps that stand in the file themselves, and so must not be printed."""
    for step in (table.get("visit") or {}).get("steps") or ():
        for name in KINDS:
            text = str(step.get(name) or "")
            if text and not text.startswith(REFERENCES):
                yield text


def _names_page(token: Any) -> bool:
    return isinstance(token, Mapping) and "page" in token
