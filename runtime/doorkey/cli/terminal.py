"""Output: tables and JSON on standard output, progress on standard error."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Self, TextIO

import click

from doorkey.model.events import Event, VisitEvent
from doorkey.model.printable import harmless

if TYPE_CHECKING:
    from rich.status import Status

PIPED = 10_000
"""Width of tables without a terminal: nothing is cut or wrapped for a program that reads them."""


def is_terminal(stream: TextIO | None) -> bool:
    """Whether *stream* is a terminal. None is a closed stream."""
    return stream is not None and stream.isatty()


def print_json(data: object) -> None:
    click.echo(json.dumps(data, indent=2, ensure_ascii=False, default=str))


def print_table(rows: Iterable[Sequence[str]], header: Sequence[str] = ()) -> None:
    """Print aligned columns. On a terminal the last column is wrapped to the width."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(width=None if is_terminal(sys.stdout) else PIPED, highlight=False)
    table = Table(box=None, show_header=bool(header), pad_edge=False, padding=(0, 2, 0, 0))
    shown = [[harmless(cell) for cell in row] for row in rows]
    widest = max((len(row) for row in [*shown, header]), default=0)
    for at in range(widest):
        name = header[at] if header else ""
        table.add_column(Text(name, "bold"), overflow="fold", no_wrap=at < widest - 1)
    for row in shown:
        table.add_row(*map(Text, row))
    with console.capture() as captured:
        console.print(table)
    click.echo("\n".join(line.rstrip() for line in captured.get().rstrip("\n").splitlines()))


class Progress:
    """Shows the steps of a command on standard error.

    In verbose mode each step is a line. Otherwise a terminal shows one line that changes, and a pipe gets nothing.
    After `hide`, later steps (such as a renewal behind an answer that is being printed) are not shown.
    """

    def __init__(self, about: str = "", *, verbose: bool = False) -> None:
        self._verbose = verbose
        self._about = about
        self._shown = not verbose and is_terminal(sys.stderr)
        self._status: Status | None = None

    def on_event(self, event: Event) -> None:
        """Show a step of a visit or a call: a hook for `Runtime`."""
        if isinstance(event, VisitEvent):
            self(event.detail)

    def __call__(self, step: str) -> None:
        if self._verbose:
            click.echo(f"  {harmless(step)}", err=True)
        elif self._status is not None:
            from rich.markup import escape

            self._status.update(escape(harmless(f"{self._about} … {step}".removeprefix(" … "))))

    def print(self, text: str) -> None:
        """Print *text* on standard output without disturbing the progress line."""
        # While its status line is shown, rich redirects standard output to its own stream.
        if self._status is not None:
            self._status.stop()
        click.echo(text)
        if self._status is not None:
            self._status.start()

    def hide(self) -> None:
        if self._status is not None:
            self._status.stop()
            self._status = None

    def __enter__(self) -> Self:
        if self._shown:
            from rich.console import Console
            from rich.markup import escape

            self._status = Console(stderr=True, highlight=False).status(escape(harmless(self._about)))
            self._status.start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.hide()
