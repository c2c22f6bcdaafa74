"""Django's admin, from PyPI: a CSRF cookie beside a form's token, sessions in a table."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from software.application import PASSWORD, USER, Application, Write, counted, opened
from software.packages import Packages, run
from software.process import free_port, server

PROJECT = Path(__file__).with_name("django_project.py")


@contextmanager
def django_admin(packages: Packages, folder: Path) -> Iterator[Application]:
    python, port = str(packages.python("django", ["django>=5.2,<6"])), free_port()
    manage = [python, str(PROJECT), str(folder)]
    for command in (["migrate", "--verbosity=0", "--run-syncdb"], ["account", USER, PASSWORD]):
        run([*manage, *command], folder)
    with server([*manage, "runserver", "--noreload", f"127.0.0.1:{port}"], port, folder):
        yield Application(
            name="django",
            url=f"http://127.0.0.1:{port}/admin/",
            write=_add,
            writes=lambda mark: _notes(folder / "db.sqlite3", mark),
            kill_sessions=lambda: _truncate(folder / "db.sqlite3"),
            refusals={"validation": _empty(), "wrong field": _strange()},
            environment={"ADMIN_USER": USER, "ADMIN_PASSWORD": PASSWORD},
            enter=(("[name=username]", USER), ("[name=password]", PASSWORD), ("[type=submit]", "")),
            use=(("/admin/notes/note/add/", ""), ("[name=text]", "shown"), ("[name=_save]", "")),
        )


def _add(mark: str) -> Write:
    # What was saved leads on to the list; what was not is the form again.
    return Write("POST", "/admin/notes/note/add/", form={"text": mark}, accepted=lambda status, body: status < 400)


def _empty() -> Write:
    """A note must have a text: the form comes again."""
    form = {"text": ""}
    return Write("POST", "/admin/notes/note/add/", form=form, accepted=lambda _, body: b"errorlist" in body)


def _strange() -> Write:
    """No field is called so."""
    path = "/admin/notes/note/add/?_to_field=strange"
    return Write("POST", path, form={"text": "x"}, accepted=lambda status, _: status == 400)


def _notes(database: Path, mark: str) -> dict[str, int]:
    with opened(database) as notes:
        rows = notes.execute("SELECT text FROM notes_note WHERE text LIKE ?", (f"{mark}%",))
        return counted(str(text) for (text,) in rows)


def _truncate(database: Path) -> None:
    with opened(database) as sessions:
        assert sessions.execute("DELETE FROM django_session").rowcount, "there was no session to end"
