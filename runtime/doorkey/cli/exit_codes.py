"""Exit codes, and the error message that goes with them."""

from __future__ import annotations

import click

from doorkey.cli.terminal import harmless
from doorkey.errors import ConfigurationError, DoorkeyError, Enough, NeedsPerson, RequestError, SiteError

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


def exit_code(error: DoorkeyError) -> int:
    match error:
        case RequestError() | ConfigurationError():
            return 2
        case SiteError():
            return 1
        case NeedsPerson():
            return 3
        case Enough():
            return 4
        case _:
            return 5


def describe_error(error: DoorkeyError) -> str:
    """The message of *error*, with the site's name and the time after which to try again."""
    message = error.message
    if error.site and not message.startswith(f"{error.site}: "):
        message = f"{error.site}: {message}"
    # Waiting does not help if a person has to change something first.
    if error.retry_after and exit_code(error) in (4, 5):
        message += f". Try again in {max(1, round(error.retry_after))} s"
    return harmless(message)


def fail(error: DoorkeyError) -> int:
    """Print *error* on standard error and return its exit code."""
    click.echo(f"doorkey: {describe_error(error)}", err=True)
    return exit_code(error)
