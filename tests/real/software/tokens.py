"""Django REST framework with Simple JWT, from PyPI: bearer tokens in local storage, refresh tokens that serve once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from software.application import PASSWORD, USER, Application, Write, counted
from software.packages import Packages, run
from software.process import free_port, server

PROJECT = Path(__file__).with_name("tokens_project.py")


@contextmanager
def tokens(packages: Packages, folder: Path) -> Iterator[Application]:
    wanted = ["django>=5.2,<6", "djangorestframework-simplejwt>=5.5,<6"]
    python, port = str(packages.python("tokens", wanted)), free_port()
    manage = [python, str(PROJECT), str(folder)]
    run([*manage, "migrate", "--verbosity=0"], folder)
    run([*manage, "account", USER, PASSWORD], folder)
    with server([*manage, "runserver", "--noreload", f"127.0.0.1:{port}"], port, folder):
        yield Application(
            name="tokens",
            url=f"http://127.0.0.1:{port}/",
            write=lambda mark: Write("POST", "/api/notes/", json={"note": {"text": mark, "tags": []}}),
            writes=lambda mark: _notes(folder / "notes.jsonl", mark),
            kill_sessions=lambda: _revoke(manage, folder),
            refusals={},
            environment={"NOTES_USER": USER, "NOTES_PASSWORD": PASSWORD},
            enter=(("input[name=username]", USER), ("input[name=password]", PASSWORD), ("#enter", "")),
            use=(("input[name=text]", "shown"), ("#save", "")),
        )


def _notes(file: Path, mark: str) -> dict[str, int]:
    lines = file.read_text().splitlines() if file.exists() else []
    return counted(text for line in lines if (text := json.loads(line)).startswith(mark))


def _revoke(manage: list[str], folder: Path) -> None:
    run([*manage, "revoke", PASSWORD], folder)
