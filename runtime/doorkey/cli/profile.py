"""`doorkey profile`: what is kept of the browsers that enter the sites."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from doorkey.cli.options import config_option, json_option
from doorkey.cli.run import run
from doorkey.cli.site_name import SITE
from doorkey.cli.terminal import print_json, print_table

if TYPE_CHECKING:
    from doorkey.runtime import Runtime


@click.group()
def profile() -> None:
    """Show, or delete, what is kept of the browsers that enter the sites.

    \b
    Examples:
      doorkey profile list
      doorkey profile reset wiki
    """


@profile.command("list")
@json_option
@config_option
def list_profiles(as_json: bool, config: Path | None) -> None:
    """List the sites with their browser profiles, and the folders of logins by hand. Makes no visit.

    \b
    Examples:
      doorkey profile list
      doorkey profile list --json
    """
    from doorkey.config.settings import Settings

    settings = Settings.load(config)

    async def read() -> list[dict[str, Any]]:
        from doorkey.runtime import Runtime

        async with Runtime(settings) as runtime:
            return list(_describe(runtime))

    found = run(read())
    if as_json:
        print_json(found)
    elif not found:
        click.echo(settings.sources.explain_no_sites())
    else:
        rows = [(row["site"], row["profile"], _say_login(row), row["folder"] or "-") for row in found]
        print_table(rows, ("site", "profile", "login by hand", "folder"))


@profile.command()
@click.argument("site", type=SITE)
@config_option
def reset(site: str, config: Path | None) -> None:
    """Delete all that is kept of SITE's browser: the folder of a login by hand, cookies, local storage.

    The next visit comes as a new visitor. It is what `doorkey logout` does. Fails while a login is in progress.

    \b
    Examples:
      doorkey profile reset wiki
    """
    from doorkey.config.settings import Settings

    settings = Settings.load(config)

    async def delete() -> bool:
        from doorkey.runtime import Runtime

        async with Runtime(settings) as runtime:
            return await runtime.logins.log_out(runtime.target(site))

    click.echo(f"the next visit of {site} comes as a new visitor" if run(delete()) else f"nothing was kept of {site}")


def _describe(runtime: Runtime) -> Iterator[dict[str, Any]]:
    for name, site in runtime.sites.items():
        home = runtime.logins.home(runtime.target(name).key)
        kept = home is not None and home.path.exists()
        yield {
            "site": name,
            "profile": site.profile,
            "login_by_hand": home is not None and home.login_mark.exists(),
            "with_a_window": home is not None and home.windowed,
            "folder": str(home.path) if home is not None and kept else None,
            "used_by": home.find_user() if home is not None and kept else None,
        }


def _say_login(row: dict[str, Any]) -> str:
    if row["used_by"]:
        return f"in progress ({row['used_by']})"
    return "no" if not row["login_by_hand"] else "yes, with a window" if row["with_a_window"] else "yes"
