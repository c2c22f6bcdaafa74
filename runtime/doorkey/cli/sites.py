"""`doorkey sites`: the configured sites and how their sessions stand."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from doorkey.cli.options import config_option, json_option
from doorkey.cli.run import run
from doorkey.cli.terminal import print_json, print_table

if TYPE_CHECKING:
    from doorkey.status import SiteStatus

HEADER = ("site", "provider", "state", "generation", "age", "by", "transport", "limits", "robots.txt", "url")
NONE = "no site is configured: add [sites.NAME] with its url to doorkey.toml, or see it work with `doorkey demo`"


@click.command()
@json_option
@config_option
def sites(as_json: bool, config: Path | None) -> None:
    """List the configured sites and how their sessions stand. Enters none.

    \b
    Examples:
      doorkey sites
      doorkey sites --json
    """
    from doorkey.config.settings import Settings

    settings = Settings.load(config)

    async def work() -> list[SiteStatus]:
        from doorkey.runtime import Runtime

        async with Runtime(settings) as runtime:
            return await runtime.known()

    found = run(work())
    if as_json:
        print_json([asdict(status) for status in found])
    elif found:
        print_table(map(_row, found), HEADER)
    else:
        click.echo(NONE)


def _row(status: SiteStatus) -> tuple[str, ...]:
    gen = str(status.gen) if status.gen >= 0 else "-"
    return (
        status.name,
        status.provider,
        status.state if status.retry_after is None else f"{status.state}, {_age(status.retry_after)}",
        gen,
        _age(status.age),
        status.rung or "-",
        status.transport,
        "-" if status.pace is None else f"{status.pace.at_once} at a time, {status.pace.rate:g}/s",
        status.robots or "not read yet",
        status.url,
    )


def _age(age: float | None) -> str:
    if age is None:
        return "-"
    return f"{age:.0f} s" if age < 120 else f"{age / 60:.0f} min" if age < 7200 else f"{age / 3600:.0f} h"
