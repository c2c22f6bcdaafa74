"""Keeps the window of a visit that failed open until the person closes it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import click

from doorkey.cli.exit_codes import describe_error
from doorkey.cli.terminal import Progress
from doorkey.errors import DoorkeyError

if TYPE_CHECKING:
    from doorkey.runtime import Runtime


@asynccontextmanager
async def keep_failed_window(
    runtime: Runtime, progress: Progress | None = None, *, headed: bool
) -> AsyncIterator[None]:
    """Run a visit. If it fails and is *headed*, tell why and wait until its window is closed; then raise the error."""
    runtime.pool.keeps_failed = headed
    try:
        yield
    except DoorkeyError as error:
        if runtime.pool.has_windows:
            if progress is not None:
                progress.hide()
            click.echo(f"doorkey: {describe_error(error)}", err=True)
            click.echo("The window shows the page as it was then. Close it to go on.", err=True)
            await runtime.pool.wait_windows()
        raise
