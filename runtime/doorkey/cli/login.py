"""`doorkey login`: logs in to a site by steps, by hand, or with a login from a file."""

from __future__ import annotations

import asyncio
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from doorkey.cli.options import config_option, headed_option, json_option, verbose_option
from doorkey.cli.report import report_session
from doorkey.cli.run import run
from doorkey.cli.terminal import Progress, harmless, print_json
from doorkey.errors import Unavailable

if TYPE_CHECKING:
    from doorkey.accounts.imports import Imported
    from doorkey.model.session import Session
    from doorkey.runtime import Runtime


@click.command()
@click.argument("site")
@click.option(
    "--from",
    "file",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Take the login from a file: Playwright's storage state, a JSON list of cookies, a cookies.txt, a HAR or "
    "CookieCloud's data.",
)
@click.option("--by-hand", is_flag=True, help="Log in by hand, even if doorkey could log in by itself.")
@verbose_option
@headed_option
@json_option
@config_option
def login(
    site: str,
    file: Path | None,
    by_hand: bool,
    verbose: bool,
    headed: bool,
    as_json: bool,
    config: Path | None,
) -> None:
    """Log in to SITE. From then on doorkey keeps the session alive for all programs.

    A site with login.request or visit.steps is logged in to by these. Otherwise your own browser opens, and you log in
    as usual. The login is complete when the page contains the site's `ready`, or when you press Enter here. Then
    doorkey closes the window.

    \b
    Examples:
      doorkey login wiki
      doorkey login wiki --from cookies.txt
      doorkey logout wiki
    """
    from doorkey.config.settings import Settings

    if file is not None and by_hand:
        raise click.UsageError("--from and --by-hand exclude each other: take the login from a file, or log in by hand")
    settings = Settings.load(config)

    async def log_in() -> tuple[Session, Imported | None]:
        from doorkey.runtime import Runtime

        with Progress(f"logging in to {site}", verbose=verbose) as progress:
            async with Runtime(settings, headed=headed, hooks=[progress.on_event]) as runtime:
                found = await _log_in(runtime, site, file, by_hand)
                _check_kept(runtime, site)
                return found

    session, taken = run(log_in())
    if as_json:
        print_json(report_session(session))
        return
    if taken is not None:
        _report_import(taken)
    click.echo(f"logged in to {site}: {len(session.cookies)} cookies, {len(session.tokens)} tokens")


async def _log_in(runtime: Runtime, site: str, file: Path | None, by_hand: bool) -> tuple[Session, Imported | None]:
    provider = runtime.provider(site)
    if file is not None:
        return await runtime.logins.import_login(runtime.target(site), file)
    if (provider.steps or provider.has_login) and not by_hand:
        return await runtime.visit(site), None
    click.echo(_explain(site, provider.ready is not None), err=True)
    with _watch_input() as done:
        return await runtime.logins.log_in_by_hand(runtime.target(site), done), None


def _check_kept(runtime: Runtime, site: str) -> None:
    """Raise Unavailable where the login is only in this process's memory, which ends with the command."""
    trouble = next((status.store for status in runtime.status() if status.name == site), "")
    if trouble:
        raise Unavailable(f"{site}: the login was taken, but is not kept: {trouble}", site=site)


def _explain(site: str, sees: bool) -> str:
    if sees:
        return f"Log in to {site} in the window that opens. Leave it open: doorkey notices when you are logged in."
    return f"Log in to {site} in the window that opens. Leave it open, and press Enter here when you are logged in."


def _report_import(taken: Imported) -> None:
    click.echo(
        harmless(f"imported from the {taken.kind}: {', '.join(cookie.name for cookie in taken.cookies) or 'no cookie'}")
    )
    if taken.local:
        click.echo(harmless(f"imported from local storage: {', '.join(taken.local)}"))
    if taken.seeds:
        click.echo(f"imported for the browser: {', '.join(taken.seeds)}")
    if taken.expired:
        click.echo(harmless(f"left out, expired: {', '.join(taken.expired)}"))
    if taken.refused:
        click.echo(harmless(f"left out, not valid as cookies: {', '.join(map(ascii, taken.refused))}"))
    if taken.foreign:
        click.echo(harmless(f"left out, of other hosts: {', '.join(taken.foreign)}"))
    if taken.warning:
        click.echo(harmless(f"note: {taken.warning}"), err=True)


@contextmanager
def _watch_input() -> Iterator[asyncio.Event]:
    """Yield an event that is set when a line arrives on standard input, if that is a terminal, a pipe or a socket."""
    done = asyncio.Event()
    loop = asyncio.get_running_loop()
    number = sys.stdin.fileno() if sys.stdin is not None and not sys.stdin.closed else -1
    mode = os.fstat(number).st_mode if number >= 0 else 0
    if not (stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or (number >= 0 and os.isatty(number))):
        yield done
        return

    def came() -> None:
        line = os.read(number, 4096)
        if not line:
            loop.remove_reader(number)
        elif b"\n" in line:
            done.set()

    loop.add_reader(number, came)
    try:
        yield done
    finally:
        loop.remove_reader(number)
