"""The `doorkey` command."""

from __future__ import annotations

import errno
import logging
import os
import sys
from typing import Any

import click

from doorkey.cli.commands import CommandTable
from doorkey.cli.exit_codes import EXIT_CODES, INTERRUPTED, READER_LEFT, fail
from doorkey.cli.terminal import is_terminal
from doorkey.errors import DoorkeyError

UNWRITABLE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


class Commands(click.Group):
    """All commands. A closed pipe and an interrupt end a command with their exit codes, without a message."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            raise click.exceptions.Exit(READER_LEFT) from None
        except KeyboardInterrupt:
            if is_terminal(sys.stderr):
                click.echo(err=True)  # a new line below the terminal's ^C
            raise click.exceptions.Exit(INTERRUPTED) from None


@click.group(
    cls=Commands,
    commands=CommandTable(),
    epilog=EXIT_CODES,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name="doorkey", message="%(package)s %(version)s")
@click.option(
    "--log",
    type=click.Choice(["debug", "info", "warning", "error"]),
    help="Log level, on standard error (default: info for serve, warning for demo, else error).",
)
@click.pass_context
def cli(context: click.Context, log: str | None) -> None:
    """Enter a web site once, by browser or by hand; then all your programs call it with plain HTTP.

    \b
    Examples:
      doorkey demo                       see doorkey work on local copies of sites
      doorkey serve                      start the local service
      doorkey ask -m chatgptfree "Hi"    ask a chat site one question
      doorkey check -v                   visit each configured site, step by step
      doorkey COMMAND -h                 help for one command
    """
    usual = {"serve": "info", "demo": "warning"}.get(context.invoked_subcommand or "", "error")
    logging.basicConfig(level="WARNING", format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    logging.getLogger("doorkey").setLevel((log or usual).upper())


def main() -> None:
    """Run the command line and exit. An error becomes one message on standard error and an exit code."""
    _open_standard_streams()
    try:
        code = _run_command()
        if code == READER_LEFT:
            _discard_output()
        elif sys.stdout is not None:
            sys.stdout.flush()
    except BrokenPipeError:
        code = READER_LEFT
        _discard_output()
    except OSError as error:
        if error.errno not in UNWRITABLE:
            raise
        click.echo(f"doorkey: the output can't be written: {error.strerror}", err=True)
        code = 2
        _discard_output()
    sys.exit(code)


def _run_command() -> int:
    try:
        result = cli.main(standalone_mode=False)
    except DoorkeyError as error:
        return fail(error)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        return INTERRUPTED
    return result if isinstance(result, int) else 0


def _open_standard_streams() -> None:
    """Replace characters that the locale can't show, and keep sockets from getting a closed stream's number."""
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.reconfigure(errors="replace")  # type: ignore[union-attr]  # TextIO of the interpreter's own
    for number, stream in enumerate((sys.stdin, sys.stdout, sys.stderr)):
        if stream is None:
            taken = os.open(os.devnull, os.O_RDWR)
            if taken != number:
                os.close(taken)


def _discard_output() -> None:
    # The interpreter flushes again at exit, which would fail.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
