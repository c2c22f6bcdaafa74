"""`doorkey sites`: the configured sites and the state of their sessions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from doorkey.cli.options import config_option, json_option
from doorkey.cli.run import run
from doorkey.cli.terminal import print_json, print_table

if TYPE_CHECKING:
    from doorkey.status import SiteStatus


@click.command()
@click.option("-v", "--verbose", is_flag=True, help="Also show limits, transport, robots.txt and the last error.")
@json_option
@config_option
def sites(verbose: bool, as_json: bool, config: Path | None) -> None:
    """List the configured sites and the state of their sessions. Makes no visit.

    \b
    Examples:
      doorkey sites
      doorkey sites -v
      doorkey sites --json
    """
    from doorkey.config.settings import Settings

    settings = Settings.load(config)

    async def read() -> list[SiteStatus]:
        from doorkey.runtime import Runtime

        async with Runtime(settings) as runtime:
            return await runtime.known()

    found = run(read())
    if as_json:
        print_json([asdict(status) for status in found])
        return
    if not found:
        click.echo(settings.sources.explain_no_sites())
    elif verbose:
        for at, status in enumerate(found):
            click.echo(("\n" if at else "") + status.name)
            print_table([(f"  {name}", value) for name, value in details(status)])
    else:
        rows = [(status.name, status.provider, describe_session(status), status.url) for status in found]
        print_table(rows, ("site", "provider", "session", "page"))
        for trouble in {status.store for status in found if status.store}:
            click.echo(trouble, err=True)


def details(status: SiteStatus) -> Iterator[tuple[str, str]]:
    """Everything that is known of one site, as names and values."""
    from doorkey.status import ORIGINS

    yield "page", status.url
    yield "provider", status.provider
    yield "session", describe_session(status)
    if status.rung:
        yield "made", ORIGINS.get(status.rung, f"by {status.rung}")
    yield "transport", status.transport
    pace = status.pace
    yield "limits", "none" if pace is None else f"{pace.at_once} at a time, {pace.rate:g}/s"
    yield "robots.txt", status.robots or "not read yet"
    if status.store:
        yield "store", status.store
    if status.last_error:
        yield "last error", status.last_error


def describe_session(status: SiteStatus) -> str:
    """The state of a site's session with its age, and the time for which visits still pause."""
    parts: list[str] = ["refused: new sessions don't work" if status.state == "open" else status.state]
    if status.retry_after is not None:
        parts.append(f"{describe_age(status.retry_after)} left")
    if status.age is not None:
        parts.append(f"{describe_age(status.age)} old")
    return ", ".join(parts)


def describe_age(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.0f} h"
