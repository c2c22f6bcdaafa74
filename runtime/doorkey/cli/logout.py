"""`doorkey logout`: deletes a site's session and the browser state of its login."""

from __future__ import annotations

from pathlib import Path

import click

from doorkey.cli.options import config_option
from doorkey.cli.run import run
from doorkey.cli.site_name import SITE


@click.command()
@click.argument("site", type=SITE)
@config_option
def logout(site: str, config: Path | None) -> None:
    """Delete SITE's session and the browser state of its login. Sends nothing to the site.

    A doorkey process that is already running keeps its session until the site refuses it.

    \b
    Examples:
      doorkey logout wiki
    """
    from doorkey.config.settings import Settings

    settings = Settings.load(config)

    async def log_out() -> bool:
        from doorkey.runtime import Runtime

        async with Runtime(settings) as runtime:
            return await runtime.logins.log_out(runtime.target(site))

    click.echo(f"logged out of {site}" if run(log_out()) else f"nobody was logged in to {site}")
