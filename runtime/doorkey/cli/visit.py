"""`doorkey visit`: visits one site now and shows the session that this makes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from doorkey.cli.failed_window import keep_failed_window
from doorkey.cli.options import config_option, inspection_options, json_option, verbose_option
from doorkey.cli.reports import tell_recordings
from doorkey.cli.run import run
from doorkey.cli.site_name import SITE
from doorkey.cli.terminal import Progress, print_json, print_table
from doorkey.setup.session_report import build_rows, report_session

if TYPE_CHECKING:
    from doorkey.model.inspection import Inspection
    from doorkey.model.session import Session


@click.command()
@click.argument("site", type=SITE)
@click.option("--reveal", is_flag=True, help="Print cookies and tokens unmasked. They are secrets.")
@verbose_option
@inspection_options()
@json_option
@config_option
def visit(site: str, reveal: bool, verbose: bool, inspection: Inspection, as_json: bool, config: Path | None) -> None:
    """Visit SITE now and show the session that this makes.

    All programs that share the store use this session from then on. With --headed, the window of a visit that fails
    stays open until you close it. --pause and --devtools are headed, too.

    \b
    Examples:
      doorkey visit chatgptfree
      doorkey visit chatgptfree --headed -v
      doorkey visit chatgptfree --pause
      doorkey visit chatgptfree --trace --har
      doorkey visit chatgptfree --json --reveal
    """
    from doorkey.config.settings import Settings

    settings = Settings.load(config)

    async def visit_site() -> Session:
        from doorkey.runtime import Runtime

        with Progress(f"visiting {site}", verbose=verbose) as progress:
            async with (
                Runtime(settings, headed=inspection.headed, hooks=[progress.on_event]) as runtime,
                keep_failed_window(runtime, progress, inspection=inspection),
            ):
                return await runtime.visit(site, report=bool(inspection.recordings))

    with tell_recordings(settings, site, inspection):
        session = run(visit_site())
    found = report_session(session, reveal=reveal)
    if as_json:
        print_json(found)
    else:
        print_table(build_rows(found))
