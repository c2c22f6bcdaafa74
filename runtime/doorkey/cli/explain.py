"""`doorkey explain`: tells step by step what a visit or a call does, and what broke."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from doorkey.cli.failed_window import keep_failed_window
from doorkey.cli.options import config_option, inspection_options
from doorkey.cli.reports import find_report, tell_recordings
from doorkey.cli.run import run
from doorkey.cli.site_name import SITE
from doorkey.errors import ConfigurationError, DoorkeyError
from doorkey.model.failure import describe_error, exit_code
from doorkey.model.printable import harmless
from doorkey.setup.session_report import build_rows, describe_rules, report_session

if TYPE_CHECKING:
    from doorkey.config.settings import Settings
    from doorkey.model.inspection import Inspection
    from doorkey.reports.report import Report
    from doorkey.runtime import Runtime


@click.command()
@click.argument("what", metavar="SITE|ID", type=SITE)
@click.option("--call", metavar="PATH", help="Also send one GET request for PATH with the session.")
@inspection_options()
@config_option
def explain(what: str, call: str | None, inspection: Inspection, config: Path | None) -> int:
    """Visit SITE once and tell each step, what was found and what broke. ID is a report's, or a call's x-request-id.

    It ends with a report, as a visit that fails does (doorkey reports -h). With an ID, nothing is visited: the report
    of that failure is told.

    \b
    Examples:
      doorkey explain wiki
      doorkey explain wiki --call /api/items
      doorkey explain wiki-1128-063112
    """
    from doorkey.assembly import open_archive
    from doorkey.config.settings import Settings

    settings = Settings.load(config)
    if what not in settings.sites:
        archive = open_archive(settings)
        if archive.find(what) is None:
            known = f"; the sites are {', '.join(settings.sites)}" if settings.sites else ""
            raise ConfigurationError(f"{what} is no site, no report and no call that failed lately{known}")
        tell_report(find_report(archive, what), settings)
        return 0
    with tell_recordings(settings, what, inspection):
        return run(_explain_site(settings, what, call, inspection))


async def _explain_site(settings: Settings, site: str, call: str | None, inspection: Inspection) -> int:
    from doorkey.model.events import Event, VisitEvent
    from doorkey.runtime import Runtime

    began = 0.0

    def show(event: Event) -> None:
        if isinstance(event, VisitEvent):
            click.echo(f"{event.at - began:7.2f} s  {event.step:<9} {harmless(event.detail)}")

    async with Runtime(settings, headed=inspection.headed, hooks=[show]) as runtime:
        provider = runtime.provider(site)
        configured = runtime.sites[site]
        click.echo(f"{site}: {configured.url} (profile {configured.profile}, settings {settings.source or 'none'})")
        for rule in describe_rules(provider):
            click.echo(f"  rule: {rule}")
        for name, source in provider.sought.items():
            click.echo(f"  rule: {name} is read from {source}")
        click.echo()
        began = runtime.clock.wall()
        code = 0
        try:
            async with keep_failed_window(runtime, inspection=inspection):
                session = await runtime.visit(site, report=True)
        except DoorkeyError as error:
            click.echo(f"\nThe visit failed: {describe_error(error)}")
            code = exit_code(error)
        else:
            click.echo(f"\nThe visit worked, in {runtime.clock.wall() - began:.2f} s:")
            for kind, name, value in build_rows(report_session(session)):
                click.echo(harmless(f"  {kind:<10} {name:<24} {value}".rstrip()))
            if call is not None:
                began = runtime.clock.wall()
                code = await _send(runtime, site, call)
    _tell_newest(settings, site)
    return code


async def _send(runtime: Runtime, site: str, path: str) -> int:
    """Send one request and tell what became of it. Returns the exit code."""
    from doorkey.clients.aio import client

    click.echo(f"\nGET {path}")
    try:
        async with client(site, runtime=runtime) as way, way.get(path) as answer:
            size = len(await answer.read())
            kind = answer.headers.get("content-type", "no type")
            click.echo(harmless(f"\nThe site answered HTTP {answer.status}, {kind}, {size} bytes"))
            if answer.refused:
                click.echo("That is a refusal, and renewing the session does not help")
            return 1 if answer.refused else 0
    except DoorkeyError as error:
        click.echo(f"\nThe call failed: {describe_error(error)}")
        return exit_code(error)


def _tell_newest(settings: Settings, site: str) -> None:
    from doorkey.assembly import open_archive

    found = open_archive(settings).list_reports(site)
    if found and settings.reports.keep:
        click.echo()
        tell_report(found[0], settings, whole=False)


def tell_report(report: Report, settings: Settings, *, whole: bool = True) -> None:
    """Print a report: all of its text, or the guesses only; then where its page is."""
    from doorkey.assembly import open_archive
    from doorkey.reports.text import format_causes, format_report

    if whole:
        click.echo(harmless(format_report(report)))
    else:
        for line in format_causes(report.causes):
            click.echo(harmless(line))
        for one in report.differences:
            click.echo(harmless(f"since it worked: {one.what}: {one.before} → {one.now}"))
    click.echo(f"Report: {open_archive(settings).page(report)}")
