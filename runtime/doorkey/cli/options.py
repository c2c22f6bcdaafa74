"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar, cast

import click

from doorkey.model.inspection import Inspection, RecordingKind

F = TypeVar("F", bound=Callable[..., Any])


def config_option(command: F) -> F:
    return click.option(
        "--config",
        type=click.Path(path_type=Path, dir_okay=False),
        metavar="FILE",
        help="The settings file (default: ./doorkey.toml, else doorkey.toml in your configuration directory).",
    )(command)


def headed_option(command: F) -> F:
    return click.option("--headed", is_flag=True, help="Show the browser on your screen.")(command)


def inspection_options(*, headed: bool = False, records: bool = True) -> Callable[[F], F]:
    """Add --headed and the options for who looks at a visit; pass them on as `inspection`.

    *headed*: the command shows a window in any case. *records*: it can keep Playwright's recordings.
    """

    def add(command: F) -> F:
        @wraps(command)
        def inspect(**given: Any) -> Any:
            pause, devtools, slow = given.pop("pause"), given.pop("devtools"), given.pop("slow")
            shown = given.pop("headed") or headed or pause or devtools
            if slow and not shown:
                raise click.UsageError("--slow lets you follow each action in a window: add --headed")
            wanted: list[RecordingKind] = [kind for kind, name in RECORDED.items() if given.pop(name, False)]
            inspection = Inspection(
                headed=shown, pause=pause, devtools=devtools, slow=slow / 1000, recordings=frozenset(wanted)
            )
            return command(inspection=inspection, **given)

        for option in reversed((*INSPECTION, *(RECORDING if records else ()))):
            inspect = option(inspect)
        return cast("F", inspect)

    return add


INSPECTION = (
    headed_option,
    click.option("--pause", is_flag=True, help="Stop on the way in Playwright's inspector, which picks selectors."),
    click.option("--devtools", is_flag=True, help="Open the browser's developer tools with the window."),
    click.option(
        "--slow",
        type=click.IntRange(0, 10_000),
        default=0,
        metavar="MS",
        help="Wait MS milliseconds before each action.",
    ),
)
"""Options for who looks at a visit."""
RECORDING = (
    click.option("--trace", is_flag=True, help="Keep Playwright's trace. It holds cookies, tokens and passwords."),
    click.option("--har", is_flag=True, help="Keep all requests and answers as a HAR file. It holds the same."),
    click.option("--record", is_flag=True, help="Keep a video. It shows what the page shows."),
)
"""Options for Playwright's recordings."""
RECORDED: dict[RecordingKind, str] = {"trace": "trace", "har": "har", "video": "record"}
"""The options' names."""


def json_option(command: F) -> F:
    return click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")(command)


def verbose_option(command: F) -> F:
    return click.option("-v", "--verbose", is_flag=True, help="Print every step on standard error.")(command)
