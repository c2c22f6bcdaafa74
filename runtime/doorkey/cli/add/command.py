"""The command `doorkey add`: recognises a site and appends it to the settings file."""

from __future__ import annotations

import os
import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from doorkey.cli.add.report import AddReport
from doorkey.cli.add.showing import Showing, ask_to_try
from doorkey.cli.options import config_option, headed_option, json_option
from doorkey.cli.run import run
from doorkey.cli.terminal import Progress, is_terminal, print_json
from doorkey.setup.names import derive_name_from_host
from doorkey.setup.site_setup import SiteSetup, allow, refuse

if TYPE_CHECKING:
    from doorkey.learning.sample import Sample


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
    setup = SiteSetup(
        url=url or "",
        name=known,
        config=config,
        settings=settings,
        headed=headed,
        dry_run=dry_run,
        har=har,
        showing=Showing() if show else None,
        agrees=allow if try_write else ask_to_try if may_ask else refuse,
    )
    added = run(add_site(setup, anyway=anyway))
    if as_json:
        print_json(added.as_json())
    else:
        added.show()
        _offer_deletion(added)
    return added.exit


async def add_site(setup: SiteSetup, *, anyway: bool = False) -> AddReport:
    """Look at the site of *setup*, try what was learned, and write it; with *anyway* also if that failed.

    Raises DoorkeyError if there is nothing to write.
    """
    with Progress(f"adding {setup.url or setup.har}") as say:

        async def agrees(sample: Sample) -> bool:
            say.hide()
            return await setup.agrees(sample)

        found = await replace(setup, agrees=agrees, say=say, hooks=[say.on_event]).find()
        written = not (setup.dry_run or found.unchanged) and (anyway or not found.failed)
        if written:
            setup.write(found)
    return AddReport(
        found=found,
        file=setup.target.file,
        config=setup.config,
        settings=setup.settings,
        dry_run=setup.dry_run,
        written=written,
        har=setup.har if found.holds_password else None,
        asked=setup.url if setup.har is None and setup.showing is None else "",
    )


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
