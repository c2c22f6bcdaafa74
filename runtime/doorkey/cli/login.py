"""`doorkey login`: logs in to a site by steps, by hand, or with a login from a file."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

import click

from doorkey.cli.failed_window import keep_failed_window
from doorkey.cli.link import PORT, LinkPlace, serve_link, watch_input
from doorkey.cli.options import config_option, inspection_options, json_option, verbose_option
from doorkey.cli.run import run
from doorkey.cli.site_name import SITE
from doorkey.cli.terminal import Progress, print_json
from doorkey.errors import Unavailable
from doorkey.model.printable import harmless
from doorkey.setup.session_report import report_session

if TYPE_CHECKING:
    from doorkey.accounts.imports import Imported
    from doorkey.model.inspection import Inspection
    from doorkey.model.session import Session
    from doorkey.runtime import Runtime
    from doorkey.sessions.login_end import LoginEnd


Way: TypeAlias = Literal["any", "by hand", "window", "link"]


@click.command()
@click.argument("site", type=SITE)
@click.option(
    "--from",
    "file",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Take the login from a file: Playwright's storage state, a JSON list of cookies, a cookies.txt, a HAR or "
    "CookieCloud's data.",
)
@click.option("--by-hand", is_flag=True, help="Log in by hand, even if doorkey could log in by itself.")
@click.option("--window", is_flag=True, help="Log in by hand in a window here (the default where there is a screen).")
@click.option(
    "--link", is_flag=True, help="Log in by hand in any browser, by a link (the default where there is no screen)."
)
@click.option("--host", help="The address on which the link is served (default: 127.0.0.1).")
@click.option("--port", type=click.IntRange(0, 65535), help=f"The port of the link; 0: any (default: {PORT}).")
@verbose_option
@inspection_options(records=False)
@json_option
@config_option
def login(
    site: str,
    file: Path | None,
    by_hand: bool,
    window: bool,
    link: bool,
    host: str | None,
    port: int | None,
    verbose: bool,
    inspection: Inspection,
    as_json: bool,
    config: Path | None,
) -> None:
    """Log in to SITE. From then on doorkey keeps the session alive for all programs.

    A site with login.request or visit.steps is logged in to by these. Otherwise your own browser opens, and you log in
    as usual. The login is complete when the page contains the site's `ready`, or when you press Enter here. Then
    doorkey closes the window.

    Without a screen, or with --link, doorkey opens the site in a browser of its own and prints a link. Any browser that
    reaches this machine, such as a phone's, shows the page there, and you log in in it.

    --headed, --pause, --devtools and --slow are for a login by steps: they show how it goes. The window of one that
    fails stays open until you close it.

    \b
    Examples:
      doorkey login wiki
      doorkey login wiki --link
      doorkey login wiki --from cookies.txt
      doorkey logout wiki
    """
    from doorkey.config.settings import Settings

    if file is not None and (by_hand or window or link):
        raise click.UsageError(
            "--from excludes --by-hand, --window and --link: take the login from a file, or log in by hand"
        )
    if window and link:
        raise click.UsageError("--window and --link exclude each other: log in in a window here, or by a link")
    settings = Settings.load(config)
    served = {name: value for name, value in (("host", host), ("port", port)) if value is not None}
    way: Way = "link" if link or served else "window" if window else "by hand" if by_hand else "any"

    async def log_in() -> tuple[Session, Imported | None, LoginEnd | None]:
        from doorkey.runtime import Runtime
        from doorkey.sessions.login_end import find_end

        with Progress(f"logging in to {site}", verbose=verbose) as progress:
            async with Runtime(settings, headed=inspection.headed, hooks=[progress.on_event]) as runtime:
                if _logs_in_itself(runtime, site, file, way):
                    async with keep_failed_window(runtime, progress, inspection=inspection):
                        session = await runtime.visit(site)
                    _check_kept(runtime, site)
                    return session, None, None
                _check_unseen(inspection)
                session, taken = await _log_in(runtime, site, file, way, LinkPlace.of(settings.service, host, port))
                _check_kept(runtime, site)
                return session, taken, find_end(session, runtime.provider(site).cookies_needed)

    session, taken, end = run(log_in())
    if as_json:
        print_json(report_session(session))
        return
    if taken is not None:
        _report_import(taken)
    click.echo(f"logged in to {site}: {len(session.cookies)} cookies, {len(session.tokens)} tokens")
    if end is not None:
        click.echo(harmless(f"the login ends on {end}, unless the site extends it before"))


def _logs_in_itself(runtime: Runtime, site: str, file: Path | None, way: Way) -> bool:
    """Whether doorkey logs in, by a request or by steps, and no person does."""
    provider = runtime.provider(site)
    return file is None and way == "any" and bool(provider.steps or provider.has_login)


def _check_unseen(inspection: Inspection) -> None:
    """Raise UsageError for options that a login by a person or from a file has no use for."""
    if inspection.pause or inspection.devtools or inspection.slow:
        raise click.UsageError(
            "--pause, --devtools and --slow show a login by steps. Here a person logs in, or a file holds the login: "
            "leave them out, or use doorkey open"
        )


async def _log_in(
    runtime: Runtime, site: str, file: Path | None, way: Way, place: LinkPlace
) -> tuple[Session, Imported | None]:
    if file is not None:
        return await runtime.logins.import_login(runtime.target(site), file)
    if way == "link" or (way != "window" and not runtime.logins.has_window(runtime.target(site))):
        target = runtime.target(site)
        log_in = partial(runtime.logins.log_in_by_link, target)
        return await serve_link(runtime, site, place, f"Log in to {site}", log_in), None
    if not runtime.logins.has_window(runtime.target(site)):
        raise click.UsageError(
            "--window: there is no screen here (DISPLAY is not set). Use --link to log in in any browser by a link"
        )
    click.echo(_explain(site, runtime.provider(site).ready is not None), err=True)
    with watch_input() as done:
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
