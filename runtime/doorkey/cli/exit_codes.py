"""How a command ends: its exit code, and the one message that says why."""

from __future__ import annotations

import click

from doorkey.cli.terminal import harmless
from doorkey.errors import ConfigurationError, DoorkeyError, Enough, NeedsPerson, RequestError, SiteError

EXIT_CODES = """\b
Exit codes:
  0    done
  1    the site failed, refused or changed
  2    wrong usage or settings, no browser, or output that can't be written
  3    a person is needed
  4    the site says "enough": a rate limit or a quota
  5    not now: site or browser are away, or a limit on waiting was reached
  130  interrupted (Ctrl-C, SIGTERM, SIGHUP)
  141  whoever read the output left

Progress and errors go to standard error; progress only on a terminal."""
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


def told(error: DoorkeyError) -> str:
    """The error in one message, with the site it is about and the time after which another try makes sense."""
    message = error.message
    if error.site and error.site not in message:
        message = f"{error.site}: {message}"
    # What a person has to change first is not helped by waiting.
    if error.retry_after and exit_code(error) in (4, 5):
        message += f". Try again in {max(1, round(error.retry_after))} s"
    return harmless(message)


def fail(error: DoorkeyError) -> int:
    """Say on standard error what went wrong; returns the exit code."""
    click.echo(f"doorkey: {told(error)}", err=True)
    return exit_code(error)
