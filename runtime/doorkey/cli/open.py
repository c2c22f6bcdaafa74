"""`doorkey open`: opens a site in a browser window for a person."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from doorkey.cli.options import config_option, inspection_options, json_option
from doorkey.cli.report import report_session
from doorkey.cli.reports import tell_recordings
from doorkey.cli.run import run
from doorkey.cli.terminal import Progress, print_json

if TYPE_CHECKING:
    from doorkey.model.inspection import Inspection
    from doorkey.model.session import Session


@click.command("open")
@click.argument("site")
@click.option("--keep", is_flag=True, help="When the window closes, keep its cookies and tokens as the site's session.")
@inspection_options(headed=True)
@json_option
@config_option
def open_site(site: str, keep: bool, inspection: Inspection, as_json: bool, config: Path | None) -> None:
    """Open SITE in a browser window until you close it.

    The page is the one that a visit sees. The window is always on your screen; --headed makes no difference.
    --pause opens Playwright's inspector beside it, --devtools the browser's developer tools.
    With --json, the kept session is printed, masked.

    \b
    Examples:
      doorkey open chatgptfree
      doorkey open chatgptfree --keep
    """
    from doorkey.config.settings import Settings

    settings = Settings.load(config)

    async def show_window() -> Session | None:
        from doorkey.runtime import Runtime

        with Progress(f"{site} is open until you close its window"):
            async with Runtime(settings, headed=True) as runtime:
                runtime.pool.inspection = inspection
                return await runtime.open(site, keep=keep)

    with tell_recordings(settings, site, inspection):
        session = run(show_window())
    if as_json:
        print_json(report_session(session) if session is not None else None)
    elif session is not None:
        click.echo(f"kept as the session of {site}: {len(session.cookies)} cookies, {len(session.tokens)} tokens")
