"""Writes a report as plain text: for a terminal, and to be pasted into an issue."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from doorkey.reports.report import Cause, Note, Report

MOST_NOTES = 12


def format_report(report: Report) -> str:
    """Return the report as text without secrets, in Markdown's manner of lists."""
    return "\n".join(_list_lines(report)).rstrip() + "\n"


def describe_end(report: Report) -> str:
    """Return in a few words what the report is of."""
    if report.kind == "window":
        return f"a window of {report.site}, opened by a person"
    return f"a {report.kind} to {report.site} {f'failed ({report.code})' if report.code else 'worked'}"


def format_causes(causes: Iterable[Cause]) -> Iterator[str]:
    """Yield the guesses, a line for each part."""
    for cause in causes:
        yield f"{cause.kind}: {cause.what}"
        if cause.place:
            yield f"  where: {cause.place}"
        if cause.change:
            yield f"  what to do: {cause.change}"


def _list_lines(report: Report) -> Iterator[str]:
    at = datetime.fromtimestamp(report.at, UTC).strftime("%Y-%m-%d %H:%M UTC")
    yield f"doorkey {report.version}: {describe_end(report)}, {at}"
    if report.message:
        yield f"\n{report.message}"
    if report.causes:
        yield "\nProbably:"
        yield from (f"- {line}" if not line.startswith(" ") else line for line in format_causes(report.causes))
    if report.page:
        title = f', titled "{report.title}"' if report.title else ""
        yield f"\nThe page: {report.page}, HTTP {report.status}{title}"
    if report.rules:
        yield "\nSought:"
        for rule in report.rules:
            yield f"- {rule.name}: {rule.sought}: {'found' if rule.found else f'not found; {rule.instead}'}"
    if report.differences:
        yield "\nSince it worked:"
        yield from (f"- {one.what}: {one.before} → {one.now}" for one in report.differences)
    yield from _list_notes("Errors and failed requests", report.troubles)
    yield from _list_notes("Redirects", report.redirects)
    if report.timeline:
        yield "\nTimeline:"
        yield from (f"- {one.after:6.2f} s {one.stage}: {one.text}" for one in report.timeline)


def _list_notes(title: str, notes: tuple[Note, ...]) -> Iterator[str]:
    if notes:
        yield f"\n{title}:"
        yield from (f"- {' '.join(filter(None, (one.kind, one.place, one.text)))}" for one in notes[:MOST_NOTES])


def describe(report: Report) -> str:
    """Return what a list of reports says of one, in a line."""
    if report.kind == "window":
        return "opened by a person, recorded"
    if not report.code:
        return "worked, recorded" if report.recordings else "worked"
    cause = report.causes[0] if report.causes else None
    return f"{cause.kind}: {cause.what}" if cause is not None else report.message
