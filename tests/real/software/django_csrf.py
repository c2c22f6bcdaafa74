"""Django's CSRF check, from PyPI: a token on the page that belongs to a cookie, changed while it is in use."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from software.packages import Packages
from software.process import free_port, server

PROJECT = Path(__file__).with_name("django_csrf_project.py")


@dataclass(frozen=True, slots=True)
class Notes:
    url: str

    def counts(self) -> dict[str, int]:
        """Pages that were given out, notes taken (calls), and how often the token was changed (turned)."""
        with urllib.request.urlopen(f"{self.url}/counts", timeout=5) as answer:
            return dict(json.load(answer))


@contextmanager
def notes(packages: Packages, folder: Path, kept: str, often: int) -> Iterator[Notes]:
    """Notes whose secret is kept in the "session" or a "cookie", and is another one after so many. Raises Unavailable.

    In a session the secret changes at the server: every token that is out is dead. In a cookie Django hands out the new
    one in the answer, and the old pair stays as good as it was.
    """
    python, port = str(packages.python("django", ["django>=5.2,<6"])), free_port()
    folder.mkdir(exist_ok=True)
    with server([python, str(PROJECT), str(folder), str(port), kept, str(often)], port, folder):
        yield Notes(f"http://127.0.0.1:{port}")
