"""The command `doorkey add`: recognises a site and appends it to the settings file."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from doorkey.cli.add.report import AddReport
from doorkey.cli.add.showing import Showing, ask_to_try
from doorkey.cli.options import config_option, headed_option, json_option
from doorkey.cli.run import run
from doorkey.cli.terminal import Progress, is_terminal, print_json
from doorkey.errors import ConfigurationError, DoorkeyError
from doorkey.setup.names import derive_name_from_host
from doorkey.setup.probe import SETTLE, Probe
from doorkey.setup.recorded import Recorded, propose_recorded, read_recorded
from doorkey.setup.survey import Survey
from doorkey.setup.target import Target, find_values, list_missing, with_values
from doorkey.setup.trial import Trial, Verdict

if TYPE_CHECKING:
    from doorkey.browser import BrowserPool
    from doorkey.config.settings import Settings
    from doorkey.learning.draft import Draft
    from doorkey.learning.sample import Sample
    from doorkey.recognition.proposal import Line, Proposal
    from doorkey.runtime import Runtime


@click.command()
@click.argument("url", required=False)
@click.option(
    "--har",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    metavar="FILE",
    help="Learn from a HAR file of a login and a write; URL is optional then.",
)
@click.option("--show", is_flag=True, help="Open a window, and learn from what you do there: a login, and a write.")
@click.option("--try-write", is_flag=True, help="Send the write that was shown once more, to try the result.")
@click.option("--name", help="The name of the site (default: from its host).")
@click.option("--dry-run", is_flag=True, help="Print what would be written; write nothing.")
@click.option("--anyway", is_flag=True, help="Write the site also if it failed when it was tried.")
@headed_option
@json_option
@config_option
def add(
    url: str | None,
    har: Path | None,
    show: bool,
    try_write: bool,
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
    settings file stays unchanged. Run again, the command completes a site that it made.

    \b
    Examples:
      doorkey add https://wiki.example/
      doorkey add https://shop.example/admin/ --name shop
      doorkey add https://blog.example/chat/ --dry-run
      doorkey add https://shop.example/ --show
      doorkey add --har recording.har --name shop
    """
    if show and (har is not None or url is None):
        raise click.UsageError("--show needs the URL of the site's page, and no --har")
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
    may_ask = is_terminal(sys.stdin) and not as_json
    adding = SiteAddition(
        url or "",
        known,
        config,
        settings,
        headed,
        dry_run,
        anyway,
        har=har,
        showing=Showing() if show else None,
        agrees=(lambda _: True) if try_write else ask_to_try if may_ask else (lambda _: False),
    )
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

    `name` is empty if only the page can tell a name. `har` is a recording to learn from in place of the page, `showing`
    the window in which a person shows the site. `agrees` says whether a write may be sent to try it. `pool` is shared
    with the caller; `settle`: see SETTLE.
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
    showing: Showing | None = None
    agrees: Callable[[Sample], bool] = lambda _: False

    async def run(self) -> AddReport:
        """Look at the site, try what was learned, and write it. Raises DoorkeyError if there is nothing to write."""
        from doorkey.config.settings import lend_variables
        from doorkey.recognition.toml_table import write_table
        from doorkey.runtime import Runtime

        target = self.target
        if self.name:
            target.check(self.name, self.url)
        with Progress(f"adding {self.url or self.har}") as say:
            async with Runtime(self.settings, headed=self.headed, hooks=[say.on_event], pool=self.pool) as runtime:
                recorded: Recorded | None = None
                if self.har is None and self.showing is None:
                    site, proposal, page, draft = await self._survey(runtime).propose()
                else:
                    site, recorded = await self._read_recorded(runtime, say)
                    proposal, page, draft = recorded.proposal, recorded.page, recorded.draft
                values = find_values(target.read_table(site), proposal.variables)
                proposal = replace(proposal, lines=tuple(with_values(proposal.lines, values)))
                table, missing = write_table(proposal, site), list_missing(values)
                _check_clean(table, recorded)
                target.check(site, proposal.url, table)
                completes = target.completes(site, proposal.url)
                lent = {name: recorded.typed[name] for name in missing if name in recorded.typed} if recorded else {}
                unknown = [name for name in missing if name not in lent]
                # Without the values nothing new was learned of a site that has its login already.
                unchanged = completes and recorded is None and (bool(missing) or proposal.login_page != "")
                texts = target.compose(site, proposal.lines) if completes and not unchanged else None
                by_hand = proposal.login is not None and not proposal.login.by_steps
                tries = not (self.dry_run or unknown or by_hand or unchanged)
                verdict = None
                if tries:
                    sample = recorded.sample if recorded is not None else None
                    say.hide() if sample is not None else None
                    sample = sample if sample is not None and self.agrees(sample) else None
                    with lend_variables(lent):
                        settings = target.load(table, texts)
                        spent = await self._find_single_use(site, settings, proposal, draft, runtime.pool, say)
                        if spent:
                            proposal = replace(proposal, lines=_with_single_use(proposal.lines, spent))
                            table = write_table(proposal, site)
                            texts = target.compose(site, proposal.lines) if texts is not None else None
                            settings = target.load(table, texts)
                        verdict = await self._try(site, settings, proposal, runtime.pool, say, sample)
                written = not (self.dry_run or unchanged) and (self.anyway or verdict is None or not verdict.failed)
                if written:
                    target.write(site, table, texts)
        return AddReport(
            site=site,
            proposal=proposal,
            page=page,
            table=table,
            file=target.file,
            config=self.config,
            settings=self.settings,
            dry_run=self.dry_run,
            written=written,
            missing=missing,
            verdict=verdict,
            draft=draft,
            har=self.har if recorded is not None and recorded.holds_password else None,
            asked=self.url if recorded is None else "",
            texts=texts if completes else None,
            unchanged=unchanged,
        )

    async def _read_recorded(self, runtime: Runtime, say: Progress) -> tuple[str, Recorded]:
        """Return the site's name and what a recording shows: the file, or a window in which a person shows the site."""
        if self.showing is None:
            assert self.har is not None
            site, recorded = await asyncio.to_thread(read_recorded, self.har, self.url, self.name)
            return site, recorded if self.dry_run else await self._survey(runtime).complete(site, recorded)
        say("showing: log in, do once what your programs shall do, and press “Done”")
        recording = await self.showing.record(runtime, self.url)
        return await asyncio.to_thread(propose_recorded, recording, self.name, "shown in a window")

    def _survey(self, runtime: Runtime) -> Survey:
        return Survey(Probe(runtime, self.headed, self.settle), self.url, self.name, self.target)

    @property
    def target(self) -> Target:
        return Target(self.config, self.settings, self.dry_run)

    async def _find_single_use(
        self,
        site: str,
        settings: Settings,
        proposal: Proposal,
        draft: Draft | None,
        pool: BrowserPool,
        say: Progress,
    ) -> list[str]:
        """Return the names of tokens that seem to serve once. Where the site can't be asked, the trial says why."""
        from doorkey.runtime import Runtime
        from doorkey.setup.single_use import find_single_use

        if draft is None or not draft.tokens or proposal.token is not None:
            return []
        try:
            async with Runtime(settings, headed=self.headed, hooks=[say.on_event], pool=pool) as runtime:
                return await find_single_use(runtime, site, draft)
        except DoorkeyError:
            return []

    async def _try(
        self,
        site: str,
        settings: Settings,
        proposal: Proposal,
        pool: BrowserPool,
        say: Progress,
        sample: Sample | None,
    ) -> Verdict:
        """Try the site with *settings* that have it as it would be written."""
        from doorkey.runtime import Runtime

        async with Runtime(settings, headed=self.headed, hooks=[say.on_event], pool=pool) as runtime:
            trial = Trial(runtime, site, proposal.path, say)
            return await trial.run(logs_in=bool(proposal.variables), sample=sample)


def _with_single_use(lines: Sequence[Line], spent: Sequence[str]) -> tuple[Line, ...]:
    """Return *lines* with the setting by which the tokens *spent* are read anew for each request."""
    from doorkey.recognition.proposal import Line

    said = f"each load of the page has another {' and '.join(spent)}: it is read anew for each request"
    first = [line for line in lines if line.key in ("provider", "url")]
    return (*first, Line("max_uses", 1, said), *(line for line in lines if line not in first))


def _check_url(url: str) -> None:
    from doorkey.config.settings_schema import web_url

    try:
        web_url(url)
    except ValueError as exc:
        hint = f": did you mean https://{url}?" if re.fullmatch(r"[\w-]+(\.[\w-]+)+(:\d+)?(/\S*)?", url) else ""
        raise click.UsageError(f"URL: {exc}{hint}") from exc


def _check_clean(table: str, recorded: Recorded | None) -> None:
    """Raise ConfigurationError if *table* holds what was typed as a secret. The analysis leaves all of it out."""
    from doorkey.learning.values import holds_secret

    if recorded is not None and holds_secret(table, recorded.secrets):
        raise ConfigurationError("the new lines would hold a password that was typed, so nothing was written")


def _offer_deletion(added: AddReport) -> None:
    """Offer to delete a recording that holds a password; without a terminal to ask on, only say so."""
    if added.har is None:
        return
    click.echo(f"{added.har} holds the password that was typed. Delete it once the site works.", err=True)
    if added.written and is_terminal(sys.stdin) and click.confirm("Delete it now?", default=False, err=True):
        added.har.unlink(missing_ok=True)
