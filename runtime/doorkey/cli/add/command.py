"""The command `doorkey add`: recognises a site and appends it to the settings file."""

from __future__ import annotations

import os
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import click

from doorkey.cli.add.probe import SETTLE, Probe
from doorkey.cli.add.report import AddReport
from doorkey.cli.check import Check
from doorkey.cli.options import config_option, headed_option, json_option
from doorkey.cli.run import run
from doorkey.cli.settings_file import append_table, check_addable, explain_taken
from doorkey.cli.terminal import Progress, print_json
from doorkey.errors import ConfigurationError, DoorkeyError

if TYPE_CHECKING:
    from doorkey.browser import BrowserPool
    from doorkey.config.settings import Settings
    from doorkey.model.page import Page
    from doorkey.recognition.framework import Framework
    from doorkey.recognition.proposal import Proposal
    from doorkey.runtime import Runtime


@click.command()
@click.argument("url")
@click.option("--name", help="The name of the site (default: from its host).")
@click.option("--dry-run", is_flag=True, help="Print what would be written; write nothing.")
@headed_option
@json_option
@config_option
def add(url: str, name: str | None, dry_run: bool, headed: bool, as_json: bool, config: Path | None) -> int:
    """Visit the page at URL, recognise its software, and add it to your settings file as a site.

    The rest of the file stays unchanged. For a page that asks for a login, the steps of the login are added; they take
    user and password from environment variables. Then the site is visited as by `doorkey check`.

    \b
    Examples:
      doorkey add https://wiki.example/
      doorkey add https://shop.example/admin/ --name shop
      doorkey add https://blog.example/chat/ --dry-run
    """
    from doorkey.config.settings_schema import web_url

    try:
        web_url(url)
    except ValueError as exc:
        hint = f": did you mean https://{url}?" if re.fullmatch(r"[\w-]+(\.[\w-]+)+(:\d+)?(/\S*)?", url) else ""
        raise click.UsageError(f"URL: {exc}{hint}") from exc
    if name is not None and not re.fullmatch(r"[a-z0-9_-]+", name):
        raise click.UsageError("--name: expected a name of a-z, 0-9, _ and - only")
    from doorkey.config.settings import Settings

    # A file given by --config that does not exist is created.
    settings = Settings.load(config if config is None or config.exists() else Path(os.devnull))
    adding = SiteAddition(url, name or derive_name_from_host(url), config, settings, headed, dry_run)
    added = run(adding.run())
    if as_json:
        print_json(added.as_json())
    else:
        added.show()
    return added.exit


@dataclass(frozen=True, slots=True)
class SiteAddition:
    """Adds one site to the settings file.

    `name` is empty if only the page can tell a name. `pool` is shared with the caller; `settle`: see SETTLE.
    """

    url: str
    name: str
    config: Path | None
    settings: Settings
    headed: bool
    dry_run: bool
    pool: BrowserPool | None = None
    settle: float = SETTLE

    async def run(self) -> AddReport:
        """Visit the page, write the settings and check them. Raises DoorkeyError if nothing was written."""
        from doorkey.config.settings import variable
        from doorkey.recognition.toml_table import write_table
        from doorkey.runtime import Runtime

        if self.name:
            self._check_free(self.name)
        with Progress(f"adding {self.url}") as say:
            async with Runtime(self.settings, headed=self.headed, hooks=[say.on_event], pool=self.pool) as runtime:
                site, proposal, page = await self._propose(runtime, say)
                table = write_table(proposal, site)
                self._check_free(site, table)
                if not self.dry_run:
                    append_table(self.file, site, table)
                missing = tuple(name for name in proposal.variables if not variable(name))
                by_hand = proposal.login is not None and not proposal.login.by_steps
                check = None if self.dry_run or missing or by_hand else await self._check(site, runtime.pool, say)
        return AddReport(
            site=site,
            proposal=proposal,
            page=page,
            table=table,
            file=self.file,
            config=self.config,
            settings=self.settings,
            dry_run=self.dry_run,
            missing=missing,
            check=check,
        )

    @property
    def file(self) -> Path:
        from doorkey.config.settings import FILE

        return self.config or self.settings.source or Path(FILE)

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

    async def _propose(self, runtime: Runtime, say: Progress) -> tuple[str, Proposal, Page]:
        """The site's name, its proposed settings, and its page (after the login, if user and password are set)."""
        from doorkey.config.settings import variable
        from doorkey.recognition.proposal import propose
        from doorkey.recognition.recognize import recognize

        probe = Probe(runtime, self.headed, self.settle)
        page = await probe.snapshot(self.url)
        site = self.name or derive_name_from_kind(recognize(page)[0])
        proposal = propose(page, self.url, site)
        if proposal.login is None or not proposal.variables or not all(map(variable, proposal.variables)):
            return site, proposal, page
        try:
            page = await probe.snapshot(proposal.url, proposal.steps, proposal.login.ready)
        except DoorkeyError as error:
            unset = " and ".join(proposal.variables)
            error.message += f"; without {unset}, the login steps are written without trying them"
            raise
        return site, propose(page, self.url, site, proposal), page

    async def _check(self, site: str, pool: BrowserPool, say: Progress) -> dict[str, Any]:
        from doorkey.config.settings import Settings
        from doorkey.runtime import Runtime

        async with Runtime(Settings.load(self.file), headed=self.headed, hooks=[say.on_event], pool=pool) as runtime:
            return await Check(runtime, site, say, verbose=False).run(probe=False)


def derive_name_from_host(url: str) -> str:
    """A site's name from its host, without `www` and the last part; empty for an IP address or localhost."""
    host = (urlsplit(url).hostname or "").removeprefix("www.")
    if re.fullmatch(r"[\d.]+|.*:.*|localhost", host):
        return ""
    return re.sub(r"[^a-z0-9_-]+", "-", host.rpartition(".")[0] or host).strip("-")


def derive_name_from_kind(framework: Framework) -> str:
    """A site's name from its software, or `site`."""
    if framework.provider != "web":
        return framework.provider
    found = re.match(r"[A-Z][\w.]*", framework.name)
    return found[0].lower().replace(".", "") if found else "site"
