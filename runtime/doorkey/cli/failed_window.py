"""Keeps the window of a visit that failed open until the person closes it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import click

from doorkey.cli.terminal import Progress
from doorkey.errors import DoorkeyError
from doorkey.model.inspection import Inspection
from doorkey.model.printable import harmless

if TYPE_CHECKING:
    from doorkey.runtime import Runtime


@asynccontextmanager
async def keep_failed_window(
    runtime: Runtime, progress: Progress | None = None, *, inspection: Inspection
) -> AsyncIterator[None]:
    """Run a visit. If it fails and is headed, tell why and wait until its window is closed; then raise the error."""
    runtime.pool.inspection = inspection
    try:
        yield
    except DoorkeyError as error:
        if runtime.pool.has_windows:
            if progress is not None:
                progress.hide()
            click.echo(f"The visit failed ({error.code}). The window shows the page as it was then.", err=True)
            for line in _list_guesses(runtime, error):
                click.echo(f"  {harmless(line)}", err=True)
            click.echo(
                f"{'Press Resume in the inspector, or c' if inspection.pause else 'C'}lose the window to go on.",
                err=True,
            )
            await runtime.pool.wait_windows()
        raise


def _list_guesses(runtime: Runtime, error: DoorkeyError) -> list[str]:
    from doorkey.assembly import open_archive
    from doorkey.reports.text import format_causes

    report = open_archive(runtime.settings).find(error.report) if error.report else None
    return list(format_causes(report.causes)) if report is not None else []
