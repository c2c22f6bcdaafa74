"""`doorkey session export`: gives a site's session to another program."""

from __future__ import annotations

import os
import time
from pathlib import Path

import click

from doorkey.accounts.exports import FORMS
from doorkey.cli.options import config_option
from doorkey.cli.run import run
from doorkey.cli.site_name import SITE


@click.group()
def session() -> None:
    """Give a site's session to another program.

    \b
    Examples:
      doorkey session export wiki -o state.json
    """


@session.command()
@click.argument("site", type=SITE)
@click.option("--as", "form", type=click.Choice([*FORMS]), default="storage-state", show_default=True, help="The form.")
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Write to this file (mode 0600).")
@config_option
def export(site: str, form: str, output: Path | None, config: Path | None) -> None:
    """Print SITE's current session in a form that another program reads. It holds secrets.

    The site's page is fetched first, so that a dead session is renewed. The copy is not: it serves until the session
    ends. At a site that changes its cookies with each answer, only one program can use a session.

    \b
    Examples:
      doorkey session export wiki -o state.json         Playwright's storage state
      doorkey session export wiki --as cookies.txt -o cookies.txt
      doorkey session export wiki --as curl
    """
    from doorkey.clients.live_session import live_session
    from doorkey.config.settings import Settings
    from doorkey.runtime import Runtime

    settings = Settings.load(config)

    async def read() -> str:
        async with Runtime(settings) as runtime:
            return FORMS[form](await live_session(runtime, site), time.time())

    text = run(read())
    if output is None:
        click.echo(text)
        return
    try:
        write_private(output, text + "\n")
    except OSError as error:
        raise click.FileError(str(output), hint=error.strerror) from error
    click.echo(f"{output}: the session of {site} as {form}. It holds secrets.", err=True)


def write_private(path: Path, text: str) -> None:
    """Write *text* to *path*, which nobody else may read from its first byte on. Raises OSError."""
    path = path.resolve()  # a link stays one
    if path.exists() and not path.is_file():
        path.write_text(text, encoding="utf-8")  # a pipe or a terminal
        return
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(beside, path)
    except OSError:
        beside.unlink(missing_ok=True)
        raise
