"""The table of the SQLite store: its versions, and a row's way into it and out of it."""

from __future__ import annotations

import logging
import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from doorkey.errors import ConfigurationError
from doorkey.model.session import Key
from doorkey.sessions.store import Row
from doorkey.sessions.stored import KINDS, make_row, read_session, write_session

log = logging.getLogger("doorkey.store")

VERSION = 5
"""Of the tables, as the file's `user_version` says it. Version 0 stands for the first one, which had no number."""
CREATE = (
    """
    create table sessions (
        key text primary key, session text, whole integer not null, gen integer not null,
        claim text not null, claimed_until real not null,
        failed_until real not null, failed_for real not null, why text not null, code text not null,
        change integer not null
    ) without rowid
    """,
    "create table set_aside (key text not null, session text, at text not null default current_timestamp)",
    "create table learned (key text primary key, what text not null) without rowid",
    "create table shared (name text primary key, what text not null, at real not null) without rowid",
)
"""`set_aside` holds sessions that could not be read when a new one took their place; `learned` what is known of the
forms of a site's answers; `shared` the short texts of `Store.share`, each with the wall time of its last change."""
SHARED_KEPT = 86400.0
"""Seconds after which a shared text that nobody has written is dropped."""
STEPS = {
    0: ("alter table sessions add column code text not null default ''",),
    2: ("alter table sessions add column failed_for real not null default 3600", CREATE[1]),
    3: (CREATE[2],),
    4: (CREATE[3],),
}
"""How a table of each older version is carried forward."""
COLUMNS = ("session", *KINDS, "change")
READ = f"select {', '.join(COLUMNS)} from sessions where key = ?"  # noqa: S608 - the names above, nothing from outside
WRITE = f"replace into sessions (key, {', '.join(COLUMNS)}) values (?{', ?' * len(COLUMNS)})"  # noqa: S608


def check_table(db: sqlite3.Connection, path: object) -> None:
    """Raise ConfigurationError for a table of a newer version, and for a file that is not doorkey's. Writes nothing."""
    version = _version_of(db)
    if version > VERSION:
        raise ConfigurationError(
            f"the session store {path} was written by a newer doorkey (store version {version}; this one reads up to "
            f"{VERSION}). Update doorkey, or name another file in store.url. The file was not changed"
        )
    tables = {str(name) for (name,) in db.execute("select name from sqlite_master where type = 'table'")}
    columns = {str(column[1]) for column in db.execute("pragma table_info(sessions)")}
    # What each version wrote has at least these columns.
    ours = columns >= {"key", "session", "whole", "gen", "claim", "change"} and version in (*STEPS, VERSION)
    if tables and not ours:
        raise ConfigurationError(
            f"the session store {path} holds tables that doorkey did not make ({', '.join(sorted(tables)[:3])}): name "
            "another file in store.url. The file was not changed"
        )


def prepare_table(db: sqlite3.Connection, path: object) -> None:
    """Create the table, or carry one of an older version forward; nothing in it is lost. Raises as `check_table`."""
    if _version_of(db) == VERSION:
        return  # without a write: the disk may be full
    db.execute("begin immediate")
    try:
        check_table(db, path)  # another process may have been here since it was looked at
        _carry_forward(db, path)
    except BaseException:
        db.execute("rollback")
        raise
    db.execute("commit")


def _carry_forward(db: sqlite3.Connection, path: object) -> None:
    version = _version_of(db)
    if db.execute("select 1 from sqlite_master").fetchone() is None:
        for statement in CREATE:
            db.execute(statement)
    elif version < VERSION:
        for older in range(version, VERSION):
            for statement in STEPS.get(older, ()):
                db.execute(statement)
        log.info("the session store %s was carried forward from version %d to %d", path, version, VERSION)
    db.execute(f"pragma user_version = {VERSION}")


def _version_of(db: sqlite3.Connection) -> int:
    return int(db.execute("pragma user_version").fetchone()[0])


def read_row(db: sqlite3.Connection, key: Key) -> tuple[Row, int]:
    """The row of *key* and the number of its last change. A value that can't be read counts as absent."""
    found = db.execute(READ, (str(key),)).fetchone()
    if found is None:
        return Row(), 0
    values = dict(zip(COLUMNS, found, strict=True))
    session, change = read_session(key, values.pop("session")), values.pop("change")
    return make_row(key, session, values), change if isinstance(change, int) else 0


def read_change(db: sqlite3.Connection, key: Key) -> int:
    """The number of the last change of *key*'s row; 0 without one."""
    found = db.execute("select change from sessions where key = ?", (str(key),)).fetchone()
    return found[0] if found is not None and isinstance(found[0], int) else 0


def read_unopened(path: Path, key: Key) -> Row:
    """The row of *key* in a file that can't be opened for writing; an empty one when it can't be read either."""
    try:
        with closing(sqlite3.connect(f"file:{quote(str(path))}?immutable=1", uri=True)) as db:
            return read_row(db, key)[0]
    except sqlite3.Error:
        return Row()


def write_row(db: sqlite3.Connection, key: Key, row: Row, change: int) -> None:
    """Write the row. A session in its place that can't be read is set aside first."""
    held = db.execute("select session from sessions where key = ?", (str(key),)).fetchone()
    if held is not None and held[0] is not None and read_session(key, held[0]) is None:
        db.execute("insert into set_aside (key, session) values (?, ?)", (str(key), held[0]))
    values = (
        write_session(row.session),
        *(getattr(row, name) for name in COLUMNS if name not in ("session", "change")),
        change,
    )
    db.execute(WRITE, (str(key), *values))


def read_learned(db: sqlite3.Connection, key: Key) -> str:
    """What was learned of the answers that *key* gets; empty without any."""
    found = db.execute("select what from learned where key = ?", (str(key),)).fetchone()
    return found[0] if found is not None and isinstance(found[0], str) else ""


def write_learned(db: sqlite3.Connection, key: Key, text: str) -> None:
    db.execute("replace into learned (key, what) values (?, ?)", (str(key), text))


def read_shared(db: sqlite3.Connection, name: str) -> str:
    """The shared text *name*; empty without one."""
    found = db.execute("select what from shared where name = ?", (name,)).fetchone()
    return found[0] if found is not None and isinstance(found[0], str) else ""


def write_shared(db: sqlite3.Connection, name: str, text: str, wall: float) -> None:
    """Write a shared text; a new one takes the place of those that nobody has written for long."""
    if db.execute("update shared set what = ?, at = ? where name = ?", (text, wall, name)).rowcount == 0:
        db.execute("delete from shared where at < ?", (wall - SHARED_KEPT,))
        db.execute("insert into shared (name, what, at) values (?, ?, ?)", (name, text, wall))
