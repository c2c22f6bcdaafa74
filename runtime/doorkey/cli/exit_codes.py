"""The exit codes of the commands, and the end of a command that failed."""

from __future__ import annotations

import click

from doorkey.errors import DoorkeyError
from doorkey.model.failure import describe_error, exit_code

EXIT_CODES = """\b
Exit codes:
  0    success
  1    the site failed, refused the request or has changed
  2    wrong usage or settings, no browser, or output that can't be written
  3    a person is needed
  4    the site's rate limit or quota is reached
  5    try later: the site or the browser is unavailable, or a time limit was reached
  130  interrupted (Ctrl-C, SIGTERM, SIGHUP; serve ends with 0 after the latter two)
  141  the reader of the output closed the pipe

Progress and errors go to standard error. Progress is shown on a terminal only."""
INTERRUPTED = 130
READER_LEFT = 141


def fail(error: DoorkeyError) -> int:
    """Print *error* on standard error and return its exit code."""
    click.echo(f"doorkey: {describe_error(error)}", err=True)
    return exit_code(error)
