"""A store whose disk is full or can't be written: sessions stay in memory, and are written as soon as that works."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from doorkey.errors import Unavailable
from doorkey.model.cookies import Cookie
from doorkey.model.session import Key, Session
from doorkey.sessions.sqlite import SqliteStore
from doorkey.sessions.store import Backoff, Claim, Newer, Row
from doorkey.sessions.unwritten import UnwrittenRows
from small_disk import Disk, NoDisk, small_disk

if TYPE_CHECKING:
    from stepped_clock import SteppedClock

KEY = Key("wiki", "http://127.0.0.1:1/")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    try:
        with small_disk(tmp_path / "disk") as made:
            yield made
    except NoDisk as none:
        pytest.skip(str(none))


def session(clock: SteppedClock, sid: str, **changes: object) -> Session:
    cookies = (Cookie("sid", sid, "127.0.0.1"),)
    plain = Session(key=KEY, gen=0, url=KEY.url, born=clock.wall(), soft=600, hard=1200, cookies=cookies)
    return replace(plain, **changes)  # type: ignore[arg-type]  # a test's own values


async def visit(store: SqliteStore, made: Session, seen: int = -1) -> Session:
    claim = await store.begin(KEY, seen, 15)
    assert isinstance(claim, Claim)
    committed = await store.commit(claim, made)
    assert committed is not None
    return committed


async def stored_sid(disk: Disk, clock: SteppedClock) -> str | None:
    """What a process that starts now finds."""
    other = SqliteStore(disk.folder / "sessions.db", clock)
    held = (await other.row(KEY)).session
    await other.close()
    return held.cookie("sid") if held else None


async def test_on_a_full_disk_sessions_go_on_in_memory_until_there_is_room(
    disk: Disk, clock: SteppedClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    store = SqliteStore(disk.folder / "sessions.db", clock)
    first = await visit(store, session(clock, "first"))
    disk.fill()
    big = {"state": "x" * 100_000}
    second = await visit(store, session(clock, "second", local=big), first.gen)
    assert second.gen > first.gen
    found = await store.begin(KEY, first.gen, 15)
    assert found == Newer(second)
    assert (await store.row(KEY)).session == second
    assert "full" in store.trouble
    third = await visit(store, session(clock, "third", local=big), second.gen)
    assert [record.levelname for record in caplog.records] == ["WARNING"], "said once"
    assert await stored_sid(disk, clock) == "first"
    disk.empty()
    assert (await store.row(KEY)).session == third
    assert store.trouble == ""
    assert await stored_sid(disk, clock) == "third"
    await store.close()
    assert "x" * 100 not in caplog.text


async def test_a_store_that_closes_on_a_full_disk_says_whose_sessions_are_lost(
    disk: Disk, clock: SteppedClock, caplog: pytest.LogCaptureFixture
) -> None:
    store = SqliteStore(disk.folder / "sessions.db", clock)
    first = await visit(store, session(clock, "first"))
    disk.fill()
    await visit(store, session(clock, "second", local={"state": "x" * 100_000}), first.gen)
    await store.close()
    assert "the last sessions of wiki are lost" in caplog.text
    disk.empty()
    assert await stored_sid(disk, clock) == "first"


async def test_what_a_process_made_meanwhile_is_not_written_over(disk: Disk, clock: SteppedClock) -> None:
    store, other = (SqliteStore(disk.folder / "sessions.db", clock) for _ in range(2))
    first = await visit(store, session(clock, "first"))
    disk.fill()
    second = await visit(store, session(clock, "second", local={"state": "x" * 100_000}), first.gen)
    disk.empty()
    await clock.advance(1)
    third = await visit(other, session(clock, "third"), second.gen)
    assert (await store.row(KEY)).session == third
    await store.close()
    await other.close()
    assert await stored_sid(disk, clock) == "third"


async def test_a_folder_that_cannot_be_written_is_read_and_memory_does_the_rest(
    disk: Disk, clock: SteppedClock
) -> None:
    store = SqliteStore(disk.folder / "sessions.db", clock)
    first = await visit(store, session(clock, "first"))
    await store.close()
    disk.mount("remount,ro")
    store = SqliteStore(disk.folder / "sessions.db", clock)
    assert await store.begin(KEY, -1, 15) == Newer(first), "what is there is used"
    claim = await store.begin(KEY, first.gen, 15)
    assert isinstance(claim, Claim)
    await store.fail(claim, "down", "", 30)
    assert isinstance(await store.begin(KEY, first.gen, 15), Backoff)
    assert await store.learn(KEY, lambda held: held + "a form") == "a form"
    assert "Read-only" in store.trouble
    disk.mount("remount,rw")
    await store.row(KEY)
    assert store.trouble == ""
    assert isinstance(await store.begin(KEY, first.gen, 15), Backoff)
    await store.close()


async def test_a_new_store_in_a_folder_that_cannot_be_written_is_kept_in_memory(
    disk: Disk, clock: SteppedClock
) -> None:
    disk.mount("remount,ro")
    store = SqliteStore(disk.folder / "state" / "sessions.db", clock)
    made = await visit(store, session(clock, "first"))
    assert await store.begin(KEY, -1, 15) == Newer(made)
    assert store.trouble
    await store.close()


async def test_what_is_in_memory_is_written_at_the_end_where_there_is_room_again(
    disk: Disk, clock: SteppedClock
) -> None:
    store = SqliteStore(disk.folder / "sessions.db", clock)
    first = await visit(store, session(clock, "first"))
    disk.fill()
    await visit(store, session(clock, "second", local={"filler": "x" * 20_000}), first.gen)
    assert store.trouble
    disk.empty()
    await store.close()
    assert await stored_sid(disk, clock) == "second"


async def test_a_shared_text_is_not_kept_in_memory(disk: Disk, clock: SteppedClock) -> None:
    store = SqliteStore(disk.folder / "sessions.db", clock)
    await store.share("visits", lambda text, wall: ("1", None))
    disk.fill()
    with pytest.raises(Unavailable, match="full"):
        await store.share("visits", lambda text, wall: ("2" * 100_000, None))
    disk.empty()
    assert await store.share("visits", lambda text, wall: (None, text)) == "1"
    await store.close()


async def test_a_file_that_was_replaced_while_it_could_not_be_written_is_the_one_that_is_written(
    disk: Disk, clock: SteppedClock
) -> None:
    store = SqliteStore(disk.folder / "sessions.db", clock)
    first = await visit(store, session(clock, "first"))
    disk.fill()
    second = await visit(store, session(clock, "second", local={"state": "x" * 100_000}), first.gen)
    disk.empty()
    for file in disk.folder.glob("sessions.db*"):
        file.unlink()
    assert (await store.row(KEY)).session == second
    assert await stored_sid(disk, clock) == "second"
    await store.close()


async def test_a_broken_table_does_not_lose_what_waits_in_memory(disk: Disk, clock: SteppedClock) -> None:
    store = SqliteStore(disk.folder / "sessions.db", clock)
    first = await visit(store, session(clock, "first"))
    disk.fill()
    second = await visit(store, session(clock, "second", local={"state": "x" * 100_000}), first.gen)
    disk.empty()
    with closing(sqlite3.connect(disk.folder / "sessions.db", isolation_level=None)) as other:
        other.execute("alter table sessions rename column why to wherefore")
        with pytest.raises(Unavailable, match="no such column"):
            await store.learned(KEY)
        assert store.trouble
        other.execute("alter table sessions rename column wherefore to why")
    assert (await store.row(KEY)).session == second
    assert store.trouble == ""
    await store.close()


def test_the_newer_one_of_a_row_and_what_waits_in_memory_counts() -> None:
    rows, row = UnwrittenRows("the store"), Row(gen=5)
    assert (bool(rows), list(rows), rows.over(KEY, Row(gen=1))) == (False, [], Row(gen=1))
    rows.keep(KEY, row)
    assert (bool(rows), list(rows)) == (True, [(KEY, row)])
    assert [rows.over(KEY, Row(gen=gen, why="stored")).why for gen in (4, 5, 6)] == ["", "", "stored"]
    rows.begin("disk full")
    rows.took(KEY, Row(gen=5))
    assert rows.trouble, "it took an older one, and another waits since"
    rows.took(KEY, row)
    assert (bool(rows), rows.trouble) == (False, "")


def test_a_trouble_is_logged_once_and_so_are_its_end_and_what_is_lost(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    rows = UnwrittenRows("the store")
    rows.took(KEY, Row())
    rows.give_up()
    assert caplog.text == ""
    rows.begin("disk full")
    rows.begin("still full")
    assert rows.trouble == "the store can't be written (still full): new sessions stay in this process's memory"
    kept = Row(gen=1)
    rows.keep(KEY, kept)
    rows.give_up()
    assert len(caplog.records) == 1, "a row without a session is no loss"
    rows.took(KEY, kept)
    assert len(caplog.records) == 2
