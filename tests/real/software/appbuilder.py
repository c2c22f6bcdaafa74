"""Flask-AppBuilder, from PyPI: forms of Flask-WTF, and the application's own login and lists."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from software.application import PASSWORD, USER, Application, Write, counted, opened
from software.packages import Packages
from software.process import free_port, server

PROJECT = Path(__file__).with_name("appbuilder_project.py")


@contextmanager
def appbuilder(packages: Packages, folder: Path) -> Iterator[Application]:
    python, port = str(packages.python("appbuilder", ["flask-appbuilder>=5,<6"])), free_port()
    environment, database = {"APP_USER": USER, "APP_PASSWORD": PASSWORD}, folder / "app.sqlite3"
    with server([python, str(PROJECT), str(database), str(port)], port, folder, environment):
        yield Application(
            name="appbuilder",
            url=f"http://127.0.0.1:{port}/",
            write=lambda mark: Write("POST", "/noteview/add", form={"text": mark}),
            writes=lambda mark: _notes(database, mark),
            kill_sessions=lambda: _truncate(database),
            refusals={},
            environment={"NOTES_USER": USER, "NOTES_PASSWORD": PASSWORD},
            enter=(("/login/", ""), ("#username", USER), ("#password", PASSWORD), ("input[type=submit]", "")),
            use=(("/noteview/add", ""), ("#text", "shown"), ("button[type=submit]", "")),
        )


def _notes(database: Path, mark: str) -> dict[str, int]:
    with opened(database) as notes:
        return counted(
            str(text) for (text,) in notes.execute("SELECT text FROM notes WHERE text LIKE ?", (f"{mark}%",))
        )


def _truncate(database: Path) -> None:
    with opened(database) as logins:
        assert logins.execute("DELETE FROM logins").rowcount, "nobody was logged in"
