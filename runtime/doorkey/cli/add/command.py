"""The command `doorkey add`: recognises a site and appends it to the settings file."""

from __future__ import annotations

import asyncio
import os
import re
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from doorkey.cli.add.exploration import Exploration
from doorkey.cli.add.names import derive_name_from_host, derive_name_from_kind
from doorkey.cli.add.probe import SETTLE, Probe
from doorkey.cli.add.recorded import read_recorded
from doorkey.cli.add.report import AddReport
from doorkey.cli.add.trial import Trial, Verdict
from doorkey.cli.options import config_option, headed_option, json_option
from doorkey.cli.run import run
from doorkey.cli.settings_file import append_table, check_addable, explain_taken
from doorkey.cli.terminal import Progress, is_terminal, print_json
from doorkey.errors import ConfigurationError, DoorkeyError

if TYPE_CHECKING:
    from doorkey.browser import BrowserPool
    from doorkey.config.settings import Settings
    from doorkey.learning.draft import Draft
    from doorkey.model.page import Page
    from doorkey.recognition.proposal import Proposal
    from doorkey.runtime import Runtime


@click.command()
@click.argument("url", required=False)
@click.option(
    "--har",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    metavar="FILE",
    help="Learn from a HAR file of a login and a write; URL is optional then.",
)
@click.option("--name", help="The name of the site (default: from its host).")
@click.option("--dry-run", is_flag=True, help="Print what would be written; write nothing.")
@click.option("--anyway", is_flag=True, help="Write the site also if it failed when it was tried.")
@headed_option
@json_option
@config_option
def add(
    url: str | None,
    har: Path | None,
    name: str | None,
    dry_run: bool,
    anyway: bool,
    headed: bool,
    as_json: bool,
    config: Path | None,
) -> int:
    """Visit the page at URL, learn how to log in there and what requests must carry, and add it as a site.

    The login takes user and password from the environment variables NAME_USER and NAME_PASSWORD. If they are set, the
    result is tried through a forced logout before it is written. If that fails, nothing is written. The rest of the
    settings file stays unchanged.

    \b
    Examples:
      doorkey add https://wiki.example/
      doorkey add https://shop.example/admin/ --name shop
      doorkey add https://blog.example/chat/ --dry-run
      doorkey add --har recording.har --name shop
    """
    if url is None and har is None:
        raise click.UsageError("Missing argument 'URL': the site's page, or --har FILE.")
    if url is not None:
        _check_url(url)
    if name is not None and not re.fullmatch(r"[a-z0-9_-]+", name):
        raise click.UsageError("--name: expected a name of a-z, 0-9, _ and - only")
    from doorkey.config.settings import Settings

    # A file given by --config that does not exist is created.
    settings = Settings.load(config if config is None or config.exists() else Path(os.devnull))
    known = name or (derive_name_from_host(url) if url and har is None else "")
    adding = SiteAddition(url or "", known, config, settings, headed, dry_run, anyway, har=har)
    added = run(adding.run())
    if as_json:
        print_json(added.as_json())
    else:
        added.show()
        _offer_deletion(added)
    return added.exit


@dataclass(frozen=True, slots=True)
class SiteAddition:
    """Adds one site to the settings file.

    `name` is empty if only the page can tell a name. `har` is a recording to learn from in place of the page. `pool` is
    shared with the caller; `settle`: see SETTLE.
    """

    url: str
    name: str
    config: Path | None
    settings: Settings
    headed: bool
    dry_run: bool
    anyway: bool = False
    pool: BrowserPool | None = None
    settle: float = SETTLE
    har: Path | None = None

    async def run(self) -> AddReport:
        """Look at the site, try what was learned, and write it. Raises DoorkeyError if there is nothing to write."""
        from doorkey.config.settings import variable
        from doorkey.recognition.toml_table import write_table
        from doorkey.runtime import Runtime

        if self.name:
            self._check_free(self.name)
        with Progress(f"adding {self.url or self.har}") as say:
            async with Runtime(self.settings, headed=self.headed, hooks=[say.on_event], pool=self.pool) as runtime:
                holds_password = False
                if self.har is None:
                    site, proposal, page, draft = await self._propose(runtime)
                else:
                    site, recorded = await asyncio.to_thread(read_recorded, self.har, self.url, self.name)
                    proposal, page, draft = recorded.proposal, recorded.page, recorded.draft
                    holds_password = recorded.holds_password
                table = write_table(proposal, site)
                self._check_free(site, table)
                missing = tuple(name for name in proposal.variables if not variable(name))
                by_hand = proposal.login is not None and not proposal.login.by_steps
                tries = not (self.dry_run or missing or by_hand)
                verdict = await self._try(site, table, proposal, runtime.pool, say) if tries else None
                written = not self.dry_run and (self.anyway or verdict is None or not verdict.failed)
                if written:
                    self._append(site, table)
        return AddReport(
            site=site,
            proposal=proposal,
            page=page,
            table=table,
            file=self.file,
            config=self.config,
            settings=self.settings,
            dry_run=self.dry_run,
            written=written,
            missing=missing,
            verdict=verdict,
            draft=draft,
            har=self.har if holds_password else None,
        )

    @property
    def file(self) -> Path:
        from doorkey.config.settings import FILE

        return self.config or self.settings.source or Path(FILE)

    def _append(self, site: str, table: str) -> None:
        """Write the site. A file that was trusted stays so: what is added runs no program and reads no file."""
        from doorkey.config.settings import state_dir
        from doorkey.config.trust import is_trusted, trust

        before = self.file.read_text(encoding="utf-8") if self.file.exists() else ""
        append_table(self.file, site, table)
        if before and is_trusted(self.file, before, state_dir()):
            trust(self.file, self.file.read_text(encoding="utf-8"), state_dir())

    def _check_free(self, site: str, table: str = "") -> None:
        """Raise ConfigurationError if *site* can't be added. Called without *table* before a browser starts."""
        from doorkey.config.registry import build_sites
        from doorkey.config.settings import Settings

        if site in self.settings.sites:
            raise ConfigurationError(explain_taken(site, self.settings.source))
        if not self.dry_run:
            check_addable(self.file, site, table or f"[sites.{site}]\n")
        if table:
            tables = tomllib.loads(table)["sites"]
            build_sites(Settings.load(self.settings.source, sites=tables))

    async def _propose(self, runtime: Runtime) -> tuple[str, Proposal, Page, Draft | None]:
        """The site's name, its proposed settings, its page, and what was learned if user and password are set."""
        from doorkey.config.settings import variable
        from doorkey.learning.known_software import join
        from doorkey.recognition.proposal import propose
        from doorkey.recognition.recognize import recognize

        exploration = Exploration(Probe(runtime, self.headed, self.settle), self.url)
        page = await exploration.see(self.url)
        site = self.name or derive_name_from_kind(recognize(page)[0])
        proposal = await self._find_login(exploration, page, site)
        if proposal.login is None or not proposal.variables or not all(map(variable, proposal.variables)):
            return site, proposal, page, None
        try:
            draft, page = await exploration.learn(_opening(proposal, self.url), site)
        except DoorkeyError as error:
            unset = " and ".join(proposal.variables)
            error.message += f"; without {unset}, the login steps are written without trying them"
            raise
        return site, join(propose(page, self.url, site, proposal), draft, page), page, draft

    async def _find_login(self, exploration: Exploration, page: Page, site: str) -> Proposal:
        """Return the proposal for *page*; with the login that it links to, if the values for one are set."""
        from doorkey.config.settings import variable
        from doorkey.learning.links import find_login_link
        from doorkey.recognition.proposal import name_variables, propose

        proposal = propose(page, self.url, site)
        link = find_login_link(page) if proposal.login is None and proposal.framework.provider == "web" else ""
        if not link:
            return proposal
        if not variable(name_variables(site, with_user=True)[-1]):
            return replace(proposal, login_page=link)
        behind = propose(await exploration.see(link), link, site)
        return behind if behind.login is not None else replace(proposal, login_page=link)

    async def _try(self, site: str, table: str, proposal: Proposal, pool: BrowserPool, say: Progress) -> Verdict:
        """Try the site as it would be written, with settings that have it already."""
        from doorkey.config.settings import Settings
        from doorkey.runtime import Runtime

        settings = Settings.load(self.settings.source, sites=tomllib.loads(table)["sites"])
        async with Runtime(settings, headed=self.headed, hooks=[say.on_event], pool=pool) as runtime:
            return await Trial(runtime, site, proposal.path, say).run(logs_in=bool(proposal.variables))


def _check_url(url: str) -> None:
    from doorkey.config.settings_schema import web_url

    try:
        web_url(url)
    except ValueError as exc:
        hint = f": did you mean https://{url}?" if re.fullmatch(r"[\w-]+(\.[\w-]+)+(:\d+)?(/\S*)?", url) else ""
        raise click.UsageError(f"URL: {exc}{hint}") from exc


def _offer_deletion(added: AddReport) -> None:
    """Offer to delete a recording that holds a password; without a terminal to ask on, only say so."""
    if added.har is None:
        return
    click.echo(f"{added.har} holds the password that was typed. Delete it once the site works.", err=True)
    if added.written and is_terminal(sys.stdin) and click.confirm("Delete it now?", default=False, err=True):
        added.har.unlink(missing_ok=True)


def _opening(proposal: Proposal, asked: str) -> tuple[Mapping[str, str], ...]:
    """Return the login steps of *proposal*, as a visit that opens *asked* has to take them."""
    from doorkey.recognition.proposal import get_place, make_steps

    assert proposal.login is not None
    login = proposal.login
    opens = "" if login.shown_at == asked else get_place(login.shown_at)
    return make_steps(login.form, proposal.variables, opens)[0]
