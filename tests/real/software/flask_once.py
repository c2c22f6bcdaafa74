"""A Flask application with Flask-WTF, from PyPI: its forms' tokens serve once, each answer carries the next."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from software.application import PASSWORD, USER, Application, Write, counted, opened
from software.packages import Packages
from software.process import free_port, server

APP = Path(__file__).with_name("flask_project.py")


@contextmanager
def flask_once(packages: Packages, folder: Path) -> Iterator[Application]:
    python, port = str(packages.python("flask", ["flask>=3", "flask-wtf>=1.2"])), free_port()
    environment = {"APP_USER": USER, "APP_PASSWORD": PASSWORD}
    database = folder / "app.sqlite3"
    with server([python, str(APP), str(database), str(port)], port, folder, environment):
        yield Application(
            name="flask",
            url=f"http://127.0.0.1:{port}/",
            write=lambda mark: Write("POST", "/items", form={"text": mark}, accepted=lambda status, _: status == 200),
            writes=lambda mark: _items(database, mark),
            refusals={"wrong field": Write("POST", "/items", form={}, accepted=lambda status, _: status == 400)},
            kill_sessions=lambda: _truncate(database),
            environment=environment,
        )


def _items(database: Path, mark: str) -> dict[str, int]:
    with opened(database) as items:
        rows = items.execute("SELECT text FROM items WHERE text LIKE ?", (f"{mark}%",))
        return counted(str(text) for (text,) in rows)


def _truncate(database: Path) -> None:
    with opened(database) as logins:
        assert logins.execute("DELETE FROM logins").rowcount, "nobody was logged in"
        logins.execute("DELETE FROM tokens")
