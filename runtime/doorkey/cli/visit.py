"""`doorkey visit`: goes into one site now, and shows what that yields."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from doorkey.cli.options import config_option, headed_option, json_option, verbose_option
from doorkey.cli.report import rows, session_report
from doorkey.cli.run import run
from doorkey.cli.terminal import Progress, print_json, print_table

if TYPE_CHECKING:
    from doorkey.model.session import Session


@click.command()
@click.argument("site")
@click.option("--reveal", is_flag=True, help="Show cookies and tokens in full. They are keys: treat them so.")
@verbose_option
@headed_option
@json_option
@config_option
def visit(site: str, reveal: bool, verbose: bool, headed: bool, as_json: bool, config: Path | None) -> None:
    """Visit SITE now and show what that yields.

    It becomes the current session, for every program that shares the store.

    \b
    Examples:
      doorkey visit chatgptfree
      doorkey visit chatgptfree --headed -v
      doorkey visit chatgptfree --json --reveal
    """
    from doorkey.config.settings import Settings

    settings = Settings.load(config)

    async def work() -> Session:
        from doorkey.runtime import Runtime

        with Progress(f"visiting {site}", verbose=verbose) as progress:
            async with Runtime(settings, headed=headed, hooks=[progress.on_event]) as runtime:
                return await runtime.visit(site)

    found = session_report(run(work()), reveal=reveal)
    if as_json:
        print_json(found)
    else:
        print_table(rows(found))
