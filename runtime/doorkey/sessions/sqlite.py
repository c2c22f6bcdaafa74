"""Sessions in a file that outlives the process and that several processes may share."""

from __future__ import annotations

import asyncio
import errno
import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from doorkey.clock import Clock
from doorkey.errors import ConfigurationError, Unavailable
from doorkey.model.session import Key, Session
from doorkey.sessions.row_store import RowStore
from doorkey.sessions.sqlite_table import (
    check_table,
    prepare_table,
    read_change,
    read_learned,
    read_row,
    read_shared,
    read_unopened,
    write_learned,
    write_row,
    write_shared,
)
from doorkey.sessions.store import Claim, Row
from doorkey.sessions.unwritten import UnwrittenRows

T = TypeVar("T")
POLL = 0.05
"""Seconds between two looks for a change that another process made."""
BUSY = 10.0
"""Seconds to wait for another process's write, which takes about a millisecond."""
UNWRITABLE = (
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_PERM,
)
NO_FOLDER = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.EIO)
"""The errors of SQLite, and of the system, for a full disk and for a file or folder that can't be written."""


class SqliteStore(RowStore):
    """One connection, used from one thread of its own; the file is readable by its owner only (0600).

    A table of an older version is carried forward, one of a newer version is refused; see `prepare_table`. A row that
    can't be read counts as absent: the site is visited again. What can't be written, as on a full disk, stays in memory
    until it can.
    """

    def __init__(self, path: Path, clock: Clock) -> None:
        self._path = path
        self._unwritten = UnwrittenRows(f"the session store {path}")
        self._clock = clock
        self._thread: ThreadPoolExecutor | None = None
        self._db: sqlite3.Connection | None = None

    async def commit(self, claim: Claim, session: Session) -> Session | None:
        def step(row: Row, wall: float) -> tuple[Row | None, Session | None]:
            return row.commit(claim, session, wall) or (None, None)

        return await self._step(claim.key, step)

    async def row(self, key: Key) -> Row:
        def stored(db: sqlite3.Connection) -> Row:
            return self._unwritten.over(key, read_row(db, key)[0])

        return await self._run(stored, lambda: self._unwritten.over(key, read_unopened(self._path, key)))

    async def changed(self, key: Key, timeout: float) -> None:
        async def change() -> int:
            return await self._run(lambda db: read_change(db, key), lambda: 0)

        end = self._clock.now() + timeout
        first = await change()
        if not (await self.row(key)).claim:
            return  # it changed before we looked
        while (left := end - self._clock.now()) > 0:
            await self._clock.sleep(min(POLL, left))
            if await change() != first:
                return

    async def learned(self, key: Key) -> str:
        return await self._run(lambda db: read_learned(db, key), lambda: "")

    async def learn(self, key: Key, merge: Callable[[str], str]) -> str:
        def run(db: sqlite3.Connection) -> str:
            with _write_lock(db):
                held = read_learned(db, key)
                text = merge(held)
                if text != held:
                    write_learned(db, key, text)
            return text

        return await self._run(run, lambda: merge(""))

    async def share(self, name: str, step: Callable[[str, float], tuple[str | None, T]]) -> T:
        def run(db: sqlite3.Connection) -> T:
            with _write_lock(db):
                wall = self._clock.wall()
                text, result = step(read_shared(db, name), wall)
                if text is not None:
                    write_shared(db, name, text, wall)
            return result

        def fail() -> T:
            raise Unavailable(self.trouble)

        return await self._run(run, fail)

    @property
    def trouble(self) -> str:
        return self._unwritten.trouble

    async def close(self) -> None:
        if self._thread is not None:
            if self._unwritten:
                await self._run(lambda db: None, lambda: None)
                self._unwritten.give_up()
            await asyncio.get_running_loop().run_in_executor(self._thread, self._disconnect)
            self._thread.shutdown()
            self._thread = None

    async def _step(self, key: Key, step: Callable[[Row, float], tuple[Row | None, T]]) -> T:
        """Read, decide, write, under one write lock; a None for the row leaves it as it was."""
        last: list[Row] = []

        def run(db: sqlite3.Connection) -> T:
            with _write_lock(db):
                row, change = read_row(db, key)
                row = self._unwritten.over(key, row)
                last[:] = [row]
                after, result = step(row, self._clock.wall())
                if after is not None and after is not row:
                    write_row(db, key, after, change + 1)
            return result

        def run_in_memory() -> T:
            row = self._unwritten.over(key, last[0] if last else read_unopened(self._path, key))
            after, result = step(row, self._clock.wall())
            if after is not None and after is not row:
                self._unwritten.keep(key, after)
            return result

        return await self._run(run, run_in_memory)

    async def _run(self, work: Callable[[sqlite3.Connection], T], without: Callable[[], T]) -> T:
        """The result of *work*, or of *without* where the file can't be written (or opened) now."""
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="doorkey-store")

        def call() -> T:
            try:
                db = self._db or self._connect()
                self._write_rest(db)
                return work(db)
            except sqlite3.OperationalError as error:
                if not _is_unwritable(error):
                    raise Unavailable(f"the session store {self._path} can't be used now: {error}") from error
                self._unwritten.begin(str(error))
            except sqlite3.DatabaseError as error:
                raise ConfigurationError(
                    f"the session store {self._path} is no database of doorkey's ({error}): "
                    "move it away, or name another file in store.url"
                ) from error
            except OSError as error:
                if error.errno not in NO_FOLDER:
                    raise ConfigurationError(
                        f"the session store {self._path} can't be opened: {error.strerror}. store.url names the file"
                    ) from error
                self._unwritten.begin(str(error.strerror))
            self._disconnect()  # the file may be another one when it can be written again
            return without()

        return await asyncio.get_running_loop().run_in_executor(self._thread, call)

    def _write_rest(self, db: sqlite3.Connection) -> None:
        """Write what could not be written before, if that is possible now."""
        if not self._unwritten:
            return
        rows = list(self._unwritten)
        try:
            with _write_lock(db):
                for key, row in rows:
                    stored, change = read_row(db, key)
                    if row.gen >= stored.gen:
                        write_row(db, key, row, change + 1)
        except sqlite3.OperationalError as error:
            if not _is_unwritable(error):
                raise
        else:
            for key, row in rows:
                self._unwritten.took(key, row)

    def _connect(self) -> sqlite3.Connection:
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if self._path.exists() and not self._path.is_file():
            raise ConfigurationError(f"the session store {self._path} is no ordinary file: name another in store.url")
        # Made with its mode before SQLite opens it: the journal files beside it inherit that mode.
        os.close(os.open(self._path, os.O_CREAT | os.O_RDWR, 0o600))
        db = sqlite3.connect(self._path, timeout=BUSY, isolation_level=None)
        try:
            check_table(db, self._path)  # before anything is changed: it may be another program's file
            self._path.chmod(0o600)
            _switch_to_wal(db)
            db.execute("pragma synchronous=normal")
            prepare_table(db, self._path)
        except BaseException:
            db.close()
            raise
        self._db = db
        return db

    def _disconnect(self) -> None:
        if self._db is not None:
            self._db.close()
            self._db = None


@contextmanager
def _write_lock(db: sqlite3.Connection) -> Iterator[None]:
    """One transaction, which no other process writes in: all of it, or nothing when it raises."""
    db.execute("begin immediate")
    try:
        yield
        db.execute("commit")
    except BaseException:
        if db.in_transaction:  # SQLite itself has rolled back after some errors
            db.execute("rollback")
        raise


def _is_unwritable(error: sqlite3.OperationalError) -> bool:
    return error.sqlite_errorcode & 0xFF in UNWRITABLE


def _switch_to_wal(db: sqlite3.Connection) -> None:
    """SQLite's own waiting does not cover this switch: two processes that start at once would find it locked."""
    end = time.monotonic() + BUSY
    while True:
        try:
            db.execute("pragma journal_mode=wal")
        except sqlite3.OperationalError:
            if time.monotonic() >= end:
                raise
            time.sleep(POLL)  # in the store's own thread
        else:
            return
