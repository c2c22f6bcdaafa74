"""What a test needs of an application: to enter it, to write into it, to end its sessions, to count what it holds."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from software.packages import Packages

USER, PASSWORD = "Ada", "correct horse battery"


@dataclass(frozen=True, slots=True)
class Write:
    """One write, as any HTTP client would send it without a session: a form, or JSON."""

    method: str
    path: str
    form: Mapping[str, str] | None = None
    json: dict[str, Any] | None = None
    accepted: Callable[[int, bytes], bool] = lambda status, body: 200 <= status < 400
    """Whether the application says that it was written."""


@dataclass(frozen=True, slots=True)
class Application:
    """`environment` holds what the recipe's steps refer to. `enter` and `use` are what a person does to log in, and to
    write once: a selector, and the text to type there (empty: click), or the path of a page to open."""

    name: str
    url: str
    write: Callable[[str], Write]
    """The write that leaves this mark."""
    writes: Callable[[str], dict[str, int]]
    """How often each mark that begins like this is in the application's own database."""
    kill_sessions: Callable[[], None]
    """End all sessions, as an administrator would at the server."""
    refusals: Mapping[str, Write]
    """Writes that the application refuses whoever sends them, by the reason. `accepted`: refused for that one."""
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    password: str = field(default=PASSWORD, repr=False)
    enter: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    use: tuple[tuple[str, str], ...] = ()
    write_as_used: Callable[[str], Write] | None = None
    """The write that `use` sends, where it is another one than `write`."""


class Group(Protocol):
    def __call__(self, packages: Packages, folder: Path) -> AbstractContextManager[Application]: ...


@contextmanager
def opened(database: Path) -> Iterator[sqlite3.Connection]:
    """A database of the application's, while it runs."""
    with closing(sqlite3.connect(database, timeout=20)) as connection, connection:
        yield connection


def counted(marks: Iterator[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for mark in marks:
        found[mark] = found.get(mark, 0) + 1
    return found
