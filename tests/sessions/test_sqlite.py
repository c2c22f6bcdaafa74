"""What the SQLite store adds to the contract: when it writes, what it waits for, and how a broken file is told."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from doorkey.errors import ConfigurationError, Unavailable
from doorkey.model.session import Session
from doorkey.sessions.sqlite import POLL, SqliteStore
from doorkey.sessions.sqlite_table import SHARED_KEPT
from doorkey.sessions.store import Claim, Newer, Row
from stepped_clock import SteppedClock

from .conftest import KEY, made


class CountedClock(SteppedClock):
    """Nobody sleeps by it: each sleep is noted, does *then*, and takes its time at once."""

    def __init__(self, then: Callable[[], None] = lambda: None) -> None:
        super().__init__()
        self.slept: list[float] = []
        self.then = then

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self._now += seconds
        assert len(self.slept) < 100, "it never ends"
        self.then()


@pytest.fixture
async def store(database: Path, clock: SteppedClock) -> AsyncIterator[SqliteStore]:
    store = SqliteStore(database, clock)
    await store.row(KEY)
    yield store
    await store.close()


@pytest.fixture
def other(store: SqliteStore, database: Path) -> Iterator[sqlite3.Connection]:
    """Another process's connection."""
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        yield connection


def writes(other: sqlite3.Connection) -> int:
    """A number that another one's write changes."""
    (number,) = other.execute("pragma data_version").fetchone()
    return int(number)


async def claimed(store: SqliteStore, seen: int = -1) -> Claim:
    claim = await store.begin(KEY, seen, 15)
    assert isinstance(claim, Claim)
    return claim


async def committed(store: SqliteStore, session: Session, seen: int = -1) -> Session:
    done = await store.commit(await claimed(store, seen), session)
    assert done is not None
    return done


async def test_what_changes_nothing_writes_nothing(
    store: SqliteStore, other: sqlite3.Connection, clock: SteppedClock
) -> None:
    session = await committed(store, made(1, clock))
    await store.learn(KEY, lambda held: "a form")
    await store.share("visits", lambda text, wall: ("1", None))
    lost = Claim(KEY, "lost", -1, None)
    before = writes(other)
    assert await store.begin(KEY, -1, 15) == Newer(session)
    assert not await store.renew(lost, 15)
    assert await store.commit(lost, session) is None
    assert not await store.keep(lost, session)
    await store.fail(lost, "late", "", 60)
    await store.renew_cookies(replace(session, gen=1))
    assert await store.learn(KEY, lambda held: held) == "a form"
    assert await store.learned(KEY) == "a form"
    await store.share("visits", lambda text, wall: (None, None))
    await store.row(KEY)
    assert writes(other) == before
    await store.learn(KEY, lambda held: "another form")
    assert writes(other) != before


async def test_each_change_has_a_number_of_its_own(
    store: SqliteStore, other: sqlite3.Connection, clock: SteppedClock
) -> None:
    numbers = []
    claim = await claimed(store)
    for step in (store.renew(claim, 20), store.keep(claim, made(1, clock)), store.commit(claim, made(2, clock))):
        numbers += other.execute("select change from sessions").fetchone()
        await step
    numbers += other.execute("select change from sessions").fetchone()
    assert numbers == [1, 2, 3, 4]


async def test_the_wait_ends_at_once_where_nobody_visits(database: Path) -> None:
    clock = CountedClock()
    store = SqliteStore(database, clock)
    await store.changed(KEY, 60)
    await committed(store, made(1, clock))
    await store.changed(KEY, 60)
    assert clock.slept == []
    await store.close()


async def test_the_wait_ends_at_the_look_that_sees_a_change_and_at_its_limit(database: Path) -> None:
    clock = CountedClock()
    store = SqliteStore(database, clock)
    await claimed(store)
    await store.changed(KEY, 0.12)
    assert clock.slept == pytest.approx([POLL, POLL, 0.02])
    with closing(sqlite3.connect(database, isolation_level=None)) as other:
        clock.slept, clock.then = [], lambda: other.execute("update sessions set change = change + 1").close()
        await store.changed(KEY, 60)
        assert clock.slept == [POLL]
        other.execute("update sessions set change = 'often'")
        clock.slept, clock.then = [], lambda: other.execute("delete from sessions").close()
        await store.changed(KEY, 0.06)
        assert len(clock.slept) == 2, "without a row, or with a wrong number, it counts as 0"
    await store.close()


async def test_a_shared_text_that_nobody_wrote_for_a_day_makes_room_for_a_new_one(
    store: SqliteStore, clock: SteppedClock
) -> None:
    async def write(name: str) -> None:
        await store.share(name, lambda text, wall: (text + "x", None))

    async def read(name: str) -> str:
        return await store.share(name, lambda text, wall: (None, text))

    await write("old")
    await write("kept")
    await clock.advance(SHARED_KEPT)
    await write("kept")
    assert await read("old") == "x", "only a new one makes room"
    await clock.advance(1)
    await write("new")
    assert (await read("old"), await read("kept"), await read("new")) == ("", "xx", "x")


async def test_a_step_that_fails_leaves_the_file_as_it_was_and_unlocked(
    store: SqliteStore, other: sqlite3.Connection
) -> None:
    def fail(text: str, wall: float) -> tuple[str, None]:
        raise RuntimeError("a fault")

    before = writes(other)
    with pytest.raises(RuntimeError, match="a fault"):
        await store.share("visits", fail)
    assert writes(other) == before
    other.execute("begin immediate")
    other.execute("rollback")


async def test_a_broken_table_is_told_as_a_store_that_is_away(
    store: SqliteStore, other: sqlite3.Connection, database: Path
) -> None:
    other.execute("drop table sessions")
    with pytest.raises(Unavailable, match="can't be used now: no such table") as caught:
        await store.begin(KEY, -1, 15)
    assert str(database) in caught.value.message
    assert store.trouble == "", "nothing waits in memory"


@pytest.mark.parametrize("column", ["whole", "failed_for"])
async def test_a_table_of_this_version_without_a_column_is_not_taken_for_an_empty_one(
    store: SqliteStore, other: sqlite3.Connection, column: str
) -> None:
    other.execute(f"alter table sessions drop column {column}")
    with pytest.raises(Unavailable, match="no such column"):
        await store.row(KEY)


async def test_a_folder_in_the_place_of_the_file_and_a_file_in_that_of_a_folder_are_told(
    tmp_path: Path, clock: SteppedClock
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("")
    for path, told in (
        (tmp_path / "folder", "is no ordinary file"),
        (tmp_path / "file" / "store.db", "can't be opened"),
    ):
        store = SqliteStore(path, clock)
        with pytest.raises(ConfigurationError, match=told) as caught:
            await store.row(KEY)
        assert str(path) in caught.value.message
        await store.close()


async def test_a_store_that_was_closed_opens_again_and_one_that_never_opened_closes(
    database: Path, clock: SteppedClock
) -> None:
    store = SqliteStore(database, clock)
    await store.close()
    assert not database.exists()
    session = await committed(store, made(1, clock))
    await store.close()
    await store.close()
    assert (await store.row(KEY)).session == session
    await store.close()


async def test_many_steps_at_once_follow_one_another(store: SqliteStore, clock: SteppedClock) -> None:
    results = await asyncio.gather(*(store.begin(KEY, -1, 15) for _ in range(20)))
    assert sum(isinstance(result, Claim) for result in results) == 1


async def test_the_file_is_in_wal_mode_and_synced_at_checkpoints(database: Path, clock: SteppedClock) -> None:
    store = SqliteStore(database, clock)
    await store.row(KEY)
    with closing(sqlite3.connect(database)) as other:
        assert other.execute("pragma journal_mode").fetchone() == ("wal",)
    await store.close()
    assert [file.name for file in database.parent.iterdir()] == ["sessions.db"], "closed, it leaves one file"


async def test_a_fresh_file_holds_no_row(store: SqliteStore) -> None:
    assert await store.row(KEY) == Row()
    assert await store.learned(KEY) == ""


def shape(database: Path) -> dict[str, list[tuple[object, ...]]]:
    """The tables of a file with their columns by name."""
    with closing(sqlite3.connect(database)) as db:
        names = [name for (name,) in db.execute("select name from sqlite_master where type = 'table'")]
        columns = {name: db.execute(f"pragma table_info({name})").fetchall() for name in names}
        version = db.execute("pragma user_version").fetchall()
    return {"version": version, **{name: sorted(row[1:4] for row in rows) for name, rows in columns.items()}}


@pytest.mark.parametrize("version", [0, 2, 3, 4])
async def test_an_older_store_is_carried_forward_to_the_shape_of_a_new_one(
    tmp_path: Path, clock: SteppedClock, version: int
) -> None:
    old, new = tmp_path / "old.db", tmp_path / "new.db"
    fresh = SqliteStore(new, clock)
    await committed(fresh, made(1, clock))
    await fresh.close()
    if version < 3:
        script = (Path(__file__).parent / "data" / "store_version_2.sql").read_text()
        if version == 0:
            script = script.replace("PRAGMA user_version = 2;", "") + "alter table sessions drop column code;"
    else:
        with closing(sqlite3.connect(new)) as db:
            script = "\n".join(db.iterdump()) + "drop table shared;" + ("drop table learned;" if version == 3 else "")
        script += f"pragma user_version = {version};"
    with closing(sqlite3.connect(old)) as db:
        db.executescript(script)
    store = SqliteStore(old, clock)
    row = await store.row(KEY)
    await store.close()
    assert shape(old) == shape(new)
    assert row.session is not None, "nothing in it is lost"


async def test_a_closed_store_leaves_no_thread(database: Path, clock: SteppedClock) -> None:
    store, before = SqliteStore(database, clock), set(threading.enumerate())
    await store.row(KEY)
    [ours] = set(threading.enumerate()) - before
    assert ours.name.startswith("doorkey-store")
    await store.close()
    assert not ours.is_alive()


async def test_only_a_session_that_can_not_be_read_is_set_aside(
    store: SqliteStore, other: sqlite3.Connection, clock: SteppedClock
) -> None:
    first = await committed(store, made(1, clock))
    await committed(store, made(2, clock), first.gen)
    assert other.execute("select * from set_aside").fetchall() == []


async def test_a_note_of_a_wrong_type_counts_as_absent(store: SqliteStore, other: sqlite3.Connection) -> None:
    await store.learn(KEY, lambda held: "a form")
    await store.share("visits", lambda text, wall: ("1", None))
    other.execute("update learned set what = x'07'")
    other.execute("update shared set what = x'07'")
    assert await store.learned(KEY) == ""
    assert await store.share("visits", lambda text, wall: (None, text)) == ""
