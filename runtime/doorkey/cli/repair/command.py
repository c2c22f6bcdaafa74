"""The command `doorkey repair`: corrects the settings of a site that has changed."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from doorkey.cli.options import config_option, headed_option, json_option
from doorkey.cli.run import run
from doorkey.cli.site_name import SITE
from doorkey.cli.terminal import is_terminal, print_json

if TYPE_CHECKING:
    pass

from doorkey.cli.repair.report import Repaired
from doorkey.cli.repair.site_repair import SiteRepair


@click.command()
@click.argument("site", type=SITE)
@click.option("--yes", is_flag=True, help="Write the changed lines without asking.")
@click.option("--try-write", is_flag=True, help="Send the first of the site's `examples` once, to try the result.")
@headed_option
@json_option
@config_option
def repair(site: str, yes: bool, try_write: bool, headed: bool, as_json: bool, config: Path | None) -> int:
    """Visit SITE, find out which of its settings no longer hold, and correct them.

    The command looks at the site as a stranger and in two logins, and compares the login's fields, `ready` and the
    tokens with the settings. It prints the lines to change, tries them through a forced logout, and writes them if you
    agree. What still holds stays as it is, and so does the rest of the file. A write is sent only with --try-write.

    \b
    Examples:
      doorkey repair shop
      doorkey repair shop --yes
    """
    from doorkey.config.settings import Settings

    repaired = run(SiteRepair(site, config, Settings.load(config), headed, tries_write=try_write).run())
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
