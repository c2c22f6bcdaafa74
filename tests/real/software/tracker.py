"""Roundup, from PyPI: an issue tracker whose tokens serve once, with a login form on each page for strangers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from software.application import PASSWORD, USER, Application, Write, counted, opened
from software.packages import Packages
from software.process import free_port, server

PROJECT = Path(__file__).with_name("tracker_project.py")


@contextmanager
def roundup(packages: Packages, folder: Path) -> Iterator[Application]:
    python, port, home = str(packages.python("roundup", ["roundup>=2.4,<3"])), free_port(), folder / "tracker"
    environment = {"APP_USER": USER, "APP_PASSWORD": PASSWORD}
    with server([python, str(PROJECT), str(home), str(port)], port, folder, environment):
        yield Application(
            name="roundup",
            url=f"http://127.0.0.1:{port}/",
            write=lambda mark: Write(
                "POST",
                "/issue",
                form={"title": mark, "priority": "3", "status": "1", "@action": "new"},
                accepted=lambda status, body: status < 400 and b"error-message" not in body,
            ),
            writes=lambda mark: _issues(home / "db" / "db", mark),
            kill_sessions=lambda: _end(home / "db" / "db-session"),
            refusals={},
            environment={"TRACKER_USER": USER, "TRACKER_PASSWORD": PASSWORD},
            enter=(
                ("[name=__login_name]", USER),
                ("[name=__login_password]", PASSWORD),
                ("[type=submit][value=Login]", ""),
            ),
            use=(("/issue?@template=item", ""), ("[name=title]", "shown"), ("[name=submit_button]", "")),
        )


def _issues(database: Path, mark: str) -> dict[str, int]:
    with opened(database) as issues:
        found = issues.execute("SELECT _title FROM _issue WHERE _title LIKE ?", (f"{mark}%",))
        return counted(str(title) for (title,) in found)


def _end(database: Path) -> None:
    with opened(database) as sessions:
        assert sessions.execute("DELETE FROM sessions").rowcount, "nobody was logged in"
