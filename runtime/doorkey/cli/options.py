"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

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


def json_option(command: F) -> F:
    return click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")(command)


def verbose_option(command: F) -> F:
    return click.option("-v", "--verbose", is_flag=True, help="Print every step on standard error.")(command)
