"""`doorkey reports`: lists, opens and deletes the reports of failures."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from doorkey.cli.options import config_option, json_option
from doorkey.cli.site_name import SITE
from doorkey.cli.terminal import print_json, print_table
from doorkey.errors import RequestError
from doorkey.model.printable import harmless

if TYPE_CHECKING:
    from doorkey.config.settings import Settings
    from doorkey.model.inspection import Inspection
    from doorkey.reports.archive import Archive
    from doorkey.reports.report import Report

SHOWN = 90
"""Characters of a guess in a list."""


class ReportGroup(click.Group):
    """`doorkey reports` and `doorkey reports SITE` list; a word that is a command is one."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in self.commands and not args[0].startswith("-"):
            return "list", self.commands["list"], args
        return super().resolve_command(ctx, args)


@click.group(cls=ReportGroup, invoke_without_command=True)
@click.pass_context
def reports(context: click.Context) -> None:
    """List the reports of visits that failed and of calls that were refused, the newest first.

    A report shows the page as it was, what was sought and what is there, the errors of its scripts, and a guess at
    what to change. It holds no cookies, tokens or filled-in values.

    \b
    Examples:
      doorkey reports                          list all
      doorkey reports list wiki                list those of one site
      doorkey reports open wiki-1128-063112    look at one
      doorkey reports text wiki-1128-063112    a text for an issue
      doorkey reports try wiki-1128-063112 '#logout'
      doorkey reports delete --all
    """
    if context.invoked_subcommand is None:
        context.invoke(list_reports)


@reports.command("list")
@click.argument("site", type=SITE, default="")
@json_option
@config_option
def list_reports(site: str = "", as_json: bool = False, config: Path | None = None) -> None:
    """List the reports, or those of SITE.

    \b
    Examples:
      doorkey reports list
      doorkey reports list wiki
    """
    found = open_archive(config).list_reports(site)
    if as_json:
        print_json([report.to_json() for report in found])
    elif found:
        print_table((build_row(report) for report in found), ("report", "when", "what"))
    else:
        click.echo(f"there are no reports{f' of {site}' if site else ''}: nothing has failed", err=True)


@reports.command("open")
@click.argument("report", metavar="[ID]", default="")
@click.option("--path", "only_path", is_flag=True, help="Print the file's path; open nothing.")
@config_option
def open_report(report: str, only_path: bool, config: Path | None) -> None:
    """Open a report in your browser: ID, or the newest. Without a screen, its path is printed.

    \b
    Examples:
      doorkey reports open
      doorkey reports open wiki-1128-063112
      doorkey reports open --path
    """
    from doorkey.config.settings import screen

    archive = open_archive(config)
    path = archive.page(find_report(archive, report))
    if only_path or screen() is None or click.launch(str(path)) != 0:
        click.echo(str(path))


@reports.command("text")
@click.argument("report", metavar="[ID]", default="")
@config_option
def print_text(report: str, config: Path | None) -> None:
    """Print a report as text without secrets, for an issue: ID, or the newest.

    \b
    Examples:
      doorkey reports text
      doorkey reports text wiki-1128-063112
    """
    from doorkey.reports.text import format_report

    click.echo(harmless(format_report(find_report(open_archive(config), report))), nl=False)


@reports.command("try")
@click.argument("report", metavar="ID")
@click.argument("selector")
@config_option
def try_selector(report: str, selector: str, config: Path | None) -> None:
    """Try SELECTOR on the page that is stored with the report ID. The exit code is 1 if nothing is found.

    SELECTOR is what a setting such as `ready` or `tokens.csrf` would be: a CSS selector, with @attribute or without.
    The stored page has no values: it tells whether there was one.

    \b
    Examples:
      doorkey reports try wiki-1128-063112 '#logout'
      doorkey reports try wiki-1128-063112 'meta[name=csrf-token]@content'
    """
    from doorkey.reports.stored_page import try_rule

    archive = open_archive(config)
    found = find_report(archive, report)
    page = archive.read_page(found)
    if not page:
        raise RequestError(f"no page is stored with {found.id}: it is of a call, or its page could not be read")
    tried = try_rule(selector, page)
    if not tried.count:
        near = f"; near: {', '.join(tried.near)}" if tried.near else ""
        click.echo(harmless(f"{selector} finds nothing{near}"))
        click.get_current_context().exit(1)
    click.echo(harmless(f"{selector} finds {tried.count} element{'s' if tried.count > 1 else ''}; {tried.reads}"))
    for tag in tried.tags:
        click.echo(harmless(f"  {tag}"))
    if tried.count > len(tried.tags):
        click.echo(f"  and {tried.count - len(tried.tags)} more")


@reports.command("delete")
@click.argument("names", metavar="[ID]...", nargs=-1)
@click.option("--all", "every", is_flag=True, help="Delete all reports.")
@config_option
def delete(names: tuple[str, ...], every: bool, config: Path | None) -> None:
    """Delete reports by ID, or all of them.

    \b
    Examples:
      doorkey reports delete wiki-1128-063112
      doorkey reports delete --all
    """
    if bool(names) == every:
        raise click.UsageError("expected one ID or more, or --all")
    archive = open_archive(config)
    found = archive.list_reports() if every else [find_report(archive, name) for name in names]
    archive.delete(found)
    click.echo(f"deleted {len(found)} report{'s' if len(found) != 1 else ''}")


def open_archive(config: Path | None) -> Archive:
    from doorkey.assembly import open_archive
    from doorkey.config.settings import Settings

    return open_archive(Settings.load(config))


@contextmanager
def tell_recordings(settings: Settings, site: str, inspection: Inspection) -> Iterator[None]:
    """Say at the end of the `with` where the recordings are that were made in it, if any were wanted."""
    from doorkey.assembly import open_archive

    archive = open_archive(settings)
    before = {report.id for report in archive.list_reports(site)} if inspection.recordings else set()
    try:
        yield
    finally:
        if inspection.recordings:
            made = [report for report in archive.list_reports(site) if report.id not in before]
            _tell_files([file for report in made for file in archive.list_recordings(report)])


def _tell_files(found: list[Path]) -> None:
    if not found:
        click.echo("nothing was recorded: no page was opened, or its window was not closed in order", err=True)
        return
    click.echo(
        "recorded, WITH CREDENTIALS (cookies, tokens, filled-in passwords): never send these to anybody", err=True
    )
    for path in found:
        click.echo(f"  {path}", err=True)
        if path.suffix == ".zip":
            click.echo(f"  to look at it: python -m playwright show-trace {path}", err=True)


def find_report(archive: Archive, name: str) -> Report:
    """Return the report with this id, or of the call with this request id; the newest for an empty *name*.

    Raises RequestError.
    """
    newest = archive.list_reports()
    found = archive.find(name) if name else next(iter(newest), None)
    if found is None:
        known = f"; the newest is {newest[0].id}" if newest else "; there are none"
        raise RequestError(
            f"there is no report {name}{known}. See: doorkey reports" if name else "there are no reports"
        )
    return found


def build_row(report: Report) -> tuple[str, str, str]:
    from doorkey.reports.html_page import describe_time
    from doorkey.reports.text import describe

    what = describe(report)
    return report.id, describe_time(report.at), what if len(what) <= SHOWN else f"{what[: SHOWN - 1]}…"
