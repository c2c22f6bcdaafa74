"""`doorkey logout`: forgets a site's session and whoever logged in there."""

from __future__ import annotations

from pathlib import Path

import click

from doorkey.cli.options import config_option
from doorkey.cli.run import run


@click.command()
@click.argument("site")
@config_option
def logout(site: str, config: Path | None) -> None:
    """Forget SITE's session, and your browser's state there. The site itself is not asked.

    A doorkey that runs already goes on with the session it holds until the site refuses it.

    \b
    Examples:
      doorkey logout wiki
    """
    from doorkey.config.settings import Settings

    settings = Settings.load(config)

    async def work() -> bool:
        from doorkey.runtime import Runtime

        async with Runtime(settings) as runtime:
            return await runtime.logins.log_out(runtime.target(site))

    click.echo(f"logged out of {site}" if run(work()) else f"nobody was logged in to {site}")
