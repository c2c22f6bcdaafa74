"""`doorkey open`: opens a site in a browser window for a person."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from doorkey.cli.link import PORT, LinkPlace, serve_link
from doorkey.cli.options import config_option, inspection_options, json_option
from doorkey.cli.reports import tell_recordings
from doorkey.cli.run import run
from doorkey.cli.site_name import SITE
from doorkey.cli.terminal import Progress, print_json
from doorkey.setup.session_report import report_session

if TYPE_CHECKING:
    from doorkey.model.inspection import Inspection
    from doorkey.model.session import Session


@click.command("open")
@click.argument("site", type=SITE)
@click.option("--keep", is_flag=True, help="When the window closes, keep its cookies and tokens as the site's session.")
@click.option("--link", is_flag=True, help="Open it in any browser, by a link (the default where there is no screen).")
@click.option("--host", help="The address on which the link is served (default: 127.0.0.1).")
@click.option("--port", type=click.IntRange(0, 65535), help=f"The port of the link; 0: any (default: {PORT}).")
@inspection_options(headed=True)
@json_option
@config_option
def open_site(
    site: str,
    keep: bool,
    link: bool,
    host: str | None,
    port: int | None,
    inspection: Inspection,
    as_json: bool,
    config: Path | None,
) -> None:
    """Open SITE in a browser window until you close it.

    The page is the one that a visit sees. The window is always on your screen; --headed makes no difference.

    Without a screen, or with --link, doorkey opens it in a browser of its own and prints a link. Any browser that
    reaches this machine, such as a phone's, shows the page there, until you press Done.

    --pause opens Playwright's inspector beside it, --devtools the browser's developer tools.
    With --json, the kept session is printed, masked.

    \b
    Examples:
      doorkey open chatgptfree
      doorkey open chatgptfree --keep
      doorkey open chatgptfree --link
    """
    from doorkey.config.settings import Settings, screen

    settings = Settings.load(config)

    by_link = link or host is not None or port is not None or screen() is None
    place = LinkPlace.of(settings.service, host, port)

    async def show_window() -> Session | None:
        from doorkey.runtime import Runtime

        with Progress(f"{site} is open until you close its window"):
            async with Runtime(settings, headed=True) as runtime:
                runtime.pool.inspection = inspection
                return await runtime.open(site, keep=keep)

    async def show_link() -> Session | None:
        from doorkey.runtime import Runtime

        async with Runtime(settings) as runtime:
            runtime.pool.inspection = replace(inspection, headed=False)
            opened = partial(runtime.logins.open_window, runtime.target(site), keep=keep)
            return await serve_link(runtime, site, place, f"Open {site}", lambda handovers: opened(handovers=handovers))

    if by_link and (inspection.pause or inspection.devtools):
        raise click.UsageError("--pause and --devtools need a screen (DISPLAY is not set), and exclude --link")
    with tell_recordings(settings, site, inspection):
        session = run(show_link() if by_link else show_window())
    if as_json:
        print_json(report_session(session) if session is not None else None)
    elif session is not None:
        click.echo(f"kept as the session of {site}: {len(session.cookies)} cookies, {len(session.tokens)} tokens")
