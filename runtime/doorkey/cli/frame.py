"""What commands share: where settings come from, how a command's work is run, and what its exit code means."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import click

from doorkey.errors import ConfigurationError, DoorkeyError, Enough, NeedsPerson, RequestError, SiteError

if TYPE_CHECKING:
    from rich.console import Console

    from doorkey.settings import Settings

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])

EXIT_CODES = """\b
Exit codes:
  0  done
  1  the site failed, refused or changed
  2  wrong usage or settings, or no browser
  3  a person is needed
  4  the site says "enough": a rate limit or a quota
  5  not now: the site or the browser is away, or a limit on waiting was reached
  130  interrupted"""


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


def config_option(command: F) -> F:
    return click.option(
        "--config",
        type=click.Path(path_type=Path, dir_okay=False),
        help="The settings file, in place of ./doorkey.toml or the one in the user's configuration directory.",
    )(command)


def headed_option(command: F) -> F:
    return click.option("--headed", is_flag=True, help="Show the browser.")(command)


def json_option(command: F) -> F:
    return click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")(command)


def load(config: Path | None, **overrides: Any) -> Settings:
    """The settings of this call. Raises ConfigurationError listing every fault."""
    from doorkey.settings import Settings

    return Settings.load(config, **overrides)


def run(work: Coroutine[Any, Any, T]) -> T:
    """The work's result; SIGTERM ends it as Ctrl-C does, so that everything it started is taken down."""

    async def ended_by_signal() -> T:
        task = asyncio.current_task()
        assert task is not None
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, task.cancel)
        return await work

    try:
        return asyncio.run(ended_by_signal())
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None


def console(*, to_stderr: bool = False) -> Console:
    from rich.console import Console

    return Console(stderr=to_stderr, highlight=False, soft_wrap=True)


def print_json(data: object) -> None:
    click.echo(json.dumps(data, indent=2, ensure_ascii=False, default=str))


def fail(error: DoorkeyError) -> NoReturn:
    """Say what went wrong on standard error, and exit with its code."""
    pause = f" Next attempt in {error.retry_after:.0f} s." if error.retry_after else ""
    click.echo(f"doorkey: {error.message}{pause}", err=True)
    sys.exit(exit_code(error))
