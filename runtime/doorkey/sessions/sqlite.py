"""Sessions in a file that outlives the process and that several processes may share."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from doorkey.clock import Clock
from doorkey.errors import ConfigurationError, Unavailable
from doorkey.model.session import Key, Session
from doorkey.sessions.sqlite_table import prepare_table, read_learned, read_row, write_learned, write_row
from doorkey.sessions.store import BeginResult, Claim, Row

T = TypeVar("T")
POLL = 0.05
"""Seconds between two looks for a change that another process made."""
BUSY = 10.0
"""Seconds to wait for another process's write, which takes about a millisecond."""


class SqliteStore:
    """One connection, used from one thread of its own; the file is readable by its owner only (0600).

    A table of an older version is carried forward, one of a newer version is refused; see `prepare_table`. A row that
    can't be read counts as absent: the site is visited again.
    """

    def __init__(self, path: Path, clock: Clock) -> None:
        self._path = path
        self._clock = clock
        self._thread: ThreadPoolExecutor | None = None
        self._db: sqlite3.Connection | None = None

    async def begin(self, key: Key, seen: int, ttl: float, *, patient: bool = True) -> BeginResult:
        def step(row: Row, wall: float) -> tuple[Row, BeginResult]:
            return row.begin(key, seen, ttl, wall, patient)

        return await self._step(key, step)

    async def renew(self, claim: Claim, ttl: float) -> bool:
        def step(row: Row, wall: float) -> tuple[Row | None, bool]:
            kept = row.renew(claim, ttl, wall)
            return kept, kept is not None

        return await self._step(claim.key, step)

    async def commit(self, claim: Claim, session: Session) -> Session | None:
        def step(row: Row, wall: float) -> tuple[Row | None, Session | None]:
            return row.commit(claim, session, wall) or (None, None)

        return await self._step(claim.key, step)

    async def keep(self, claim: Claim, session: Session) -> bool:
        def step(row: Row, wall: float) -> tuple[Row | None, bool]:
            kept = row.keep(claim, session)
            return kept, kept is not None

        return await self._step(claim.key, step)

    async def renew_cookies(self, session: Session) -> None:
        def step(row: Row, wall: float) -> tuple[Row | None, None]:
            return row.renew_cookies(session), None

        await self._step(session.key, step)

    async def fail(self, claim: Claim, why: str, code: str, after: float) -> None:
        def step(row: Row, wall: float) -> tuple[Row | None, None]:
            return row.fail(claim, why, code, after, wall), None

        await self._step(claim.key, step)

    async def row(self, key: Key) -> Row:
        return await self._run(lambda db: read_row(db, key)[0])

    async def changed(self, key: Key, timeout: float) -> None:
        end = self._clock.now() + timeout
        first = await self._run(lambda db: read_row(db, key)[1])
        while (left := end - self._clock.now()) > 0:
            await self._clock.sleep(min(POLL, left))
            if await self._run(lambda db: read_row(db, key)[1]) != first:
                return

    async def learned(self, key: Key) -> str:
        return await self._run(lambda db: read_learned(db, key))

    async def learn(self, key: Key, text: str) -> None:
        await self._run(lambda db: write_learned(db, key, text))

    async def close(self) -> None:
        if self._thread is not None:
            await asyncio.get_running_loop().run_in_executor(self._thread, self._disconnect)
            self._thread.shutdown()
            self._thread = None

    async def _step(self, key: Key, step: Callable[[Row, float], tuple[Row | None, T]]) -> T:
        """Read, decide, write, under one write lock; a None for the row leaves it as it was."""

        def run(db: sqlite3.Connection) -> T:
            db.execute("begin immediate")
            try:
                row, change = read_row(db, key)
                after, result = step(row, self._clock.wall())
                if after is not None and after is not row:
                    write_row(db, key, after, change + 1)
            except BaseException:
                db.execute("rollback")
                raise
            db.execute("commit")
            return result

        return await self._run(run)

    async def _run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="doorkey-store")

        def call() -> T:
            try:
                return work(self._db or self._connect())
            except sqlite3.OperationalError as error:
                raise Unavailable(f"the session store {self._path} can't be used now: {error}") from error
            except sqlite3.DatabaseError as error:
                raise ConfigurationError(
                    f"the session store {self._path} is no database of doorkey's ({error}): "
                    "move it away, or name another file in store.url"
                ) from error

        return await asyncio.get_running_loop().run_in_executor(self._thread, call)

    def _connect(self) -> sqlite3.Connection:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            # Made with its mode before SQLite opens it: the journal files beside it inherit that mode.
            os.close(os.open(self._path, os.O_CREAT | os.O_RDWR, 0o600))
            self._path.chmod(0o600)
        except OSError as error:
            raise ConfigurationError(
                f"the session store {self._path} can't be opened: {error.strerror}. store.url names the file"
            ) from error
        db = sqlite3.connect(self._path, timeout=BUSY, isolation_level=None, check_same_thread=False)
        try:
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
