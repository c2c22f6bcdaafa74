"""One contract, held to by every store."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import stat
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from doorkey.clock import SystemClock
from doorkey.errors import ConfigurationError
from doorkey.model.cookies import Cookie
from doorkey.model.session import Key, Session
from doorkey.model.site import Site
from doorkey.sessions.key_state import KeyState
from doorkey.sessions.memory import MemoryStore
from doorkey.sessions.sqlite import SqliteStore
from doorkey.sessions.store import Backoff, Busy, Claim, Newer, Row, Store
from doorkey.sessions.stored import read_row_text, write_row_text
from doorkey.status import status_of

if TYPE_CHECKING:
    from redis_server import RedisServer
    from stepped_clock import SteppedClock

from .redis_stores import empty, redis_store

sys.path.insert(0, str(Path(__file__).parents[1]))
from watched_clock import WatchedClock

KEY = Key("wiki", "http://127.0.0.1:1/")


def session(clock: SteppedClock | SystemClock, **changes: object) -> Session:
    plain = Session(
        key=KEY,
        gen=0,
        url=KEY.url,
        born=clock.wall(),
        soft=600,
        hard=1200,
        cookies=(Cookie("sid", "s3cret", "127.0.0.1", expires=2e9),),
        headers={"user-agent": "Chrome"},
        tokens={"nonce": "abc", "bots": [1, {"x": None}]},
        local={"a": "b"},
        visitor="v",
    )
    return replace(plain, **changes)  # type: ignore[arg-type]  # a test's own values


@pytest.fixture(params=["memory", "sqlite", pytest.param("redis", marks=pytest.mark.real("redis"))])
async def store(request: pytest.FixtureRequest, clock: SteppedClock, database: Path) -> AsyncIterator[Store]:
    made: Store
    if request.param == "redis":
        server: RedisServer = request.getfixturevalue("redis")
        await empty(server)
        made = redis_store(server, clock, wall=clock.wall)
    else:
        made = MemoryStore(clock) if request.param == "memory" else SqliteStore(database, clock)
    yield made
    await made.close()


async def claimed(store: Store, seen: int = -1) -> Claim:
    claim = await store.begin(KEY, seen, 15)
    assert isinstance(claim, Claim)
    return claim


async def test_what_is_committed_comes_back_whole(store: Store, clock: SteppedClock) -> None:
    committed = await store.commit(await claimed(store), session(clock))
    assert committed is not None
    outcome = await store.begin(KEY, -1, 15)
    assert isinstance(outcome, Newer)
    assert outcome.session == committed == (await store.row(KEY)).session


async def test_only_one_may_visit_at_a_time(store: Store, clock: SteppedClock) -> None:
    await claimed(store)
    assert isinstance(await store.begin(KEY, -1, 15), Busy)
    await clock.advance(16)
    await claimed(store)


async def test_a_renewed_claim_lasts(store: Store, clock: SteppedClock) -> None:
    claim = await claimed(store)
    await clock.advance(10)
    assert await store.renew(claim, 15)
    await clock.advance(10)
    assert isinstance(await store.begin(KEY, -1, 15), Busy)


async def test_a_lost_claim_can_neither_commit_nor_renew_nor_fail(store: Store, clock: SteppedClock) -> None:
    lost = await claimed(store)
    await clock.advance(16)
    holder = await claimed(store)
    assert not await store.renew(lost, 15)
    await store.fail(lost, "late", "", 60)
    assert await store.commit(lost, session(clock)) is None
    assert await store.commit(holder, session(clock)) is not None


async def test_a_shared_text_is_changed_by_one_at_a_time(store: Store) -> None:
    def count(text: str, wall: float) -> tuple[str, int]:
        return str(int(text or "0") + 1), int(text or "0")

    seen = await asyncio.gather(*(store.share("visits", count) for _ in range(20)))
    assert sorted(seen) == list(range(20))
    assert await store.share("visits", lambda text, wall: (None, text)) == "20"
    assert await store.share("others", lambda text, wall: (None, text)) == ""


async def test_generations_rise_above_all_seen(store: Store, clock: SteppedClock) -> None:
    first = await store.commit(await claimed(store), session(clock))
    assert first is not None
    second = await store.commit(await claimed(store, first.gen), session(clock))
    ahead = 10**15
    third = await store.commit(await claimed(store, ahead), session(clock))
    assert second is not None
    assert third is not None
    assert first.gen < second.gen < third.gen
    assert third.gen > ahead


async def test_a_failure_is_known_to_all_until_its_time(store: Store, clock: SteppedClock) -> None:
    await store.fail(await claimed(store), "the site can't be reached", "visit_failed", 30)
    outcome = await store.begin(KEY, -1, 15)
    assert isinstance(outcome, Backoff)
    assert (outcome.seconds, outcome.why) == (pytest.approx(30), "the site can't be reached")
    await clock.advance(31)
    await claimed(store)


async def test_an_old_session_is_not_handed_out_but_what_stays_is(store: Store, clock: SteppedClock) -> None:
    await store.commit(await claimed(store), session(clock))
    await clock.advance(1300)
    previous = (await claimed(store)).previous
    assert previous is not None
    assert previous.local == {"a": "b"}


async def test_a_session_with_a_use_budget_is_not_shared_but_its_login_stays(store: Store, clock: SteppedClock) -> None:
    committed = await store.commit(await claimed(store), session(clock, max_uses=3))
    assert committed is not None
    assert committed.tokens
    claim = await claimed(store)
    assert claim.floor == committed.gen
    assert claim.previous is not None
    assert (claim.previous.tokens, claim.previous.visitor) == ({}, "v")
    assert claim.previous.cookies == committed.cookies


async def test_cookies_that_an_answer_renewed_are_kept_for_their_generation(store: Store, clock: SteppedClock) -> None:
    first = await store.commit(await claimed(store), session(clock))
    assert first is not None
    new = (Cookie("sid", "rotated", "127.0.0.1"),)
    await store.renew_cookies(replace(first, cookies=new, hard=99))
    kept = (await store.row(KEY)).session
    assert kept == replace(first, cookies=new, hard=99)
    second = await store.commit(await claimed(store, first.gen), session(clock))
    await store.renew_cookies(replace(first, cookies=()))
    assert (await store.row(KEY)).session == second


async def test_a_change_is_noticed(clock: SteppedClock) -> None:
    store = MemoryStore(clock)
    claim = await claimed(store)
    waiting = asyncio.create_task(store.changed(KEY, 15))
    await clock.advance(0)
    await store.commit(claim, session(clock))
    await asyncio.wait_for(waiting, 5)


async def test_a_change_by_another_connection_is_noticed(database: Path) -> None:
    watching = WatchedClock()
    one, other = SqliteStore(database, SystemClock()), SqliteStore(database, watching)
    claim = await claimed(one)
    waiting = asyncio.create_task(other.changed(KEY, 15))
    await watching.slept.wait()
    await one.commit(claim, session(SystemClock()))
    await asyncio.wait_for(waiting, 5)
    await one.close()
    await other.close()


async def test_the_file_is_its_owners_alone(database: Path, clock: SteppedClock) -> None:
    store = SqliteStore(database, clock)
    await store.commit(await claimed(store), session(clock))
    for file in database.parent.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(database.parent.stat().st_mode) == 0o700
    await store.close()


async def test_a_file_that_is_no_database_is_a_clear_error(database: Path, clock: SteppedClock) -> None:
    database.parent.mkdir()
    database.write_text("not a database, by any means" * 100)
    store = SqliteStore(database, clock)
    with pytest.raises(ConfigurationError, match=r"store\.url"):
        await store.row(KEY)
    await store.close()


async def test_what_is_no_ordinary_file_is_left_as_it_is(tmp_path: Path, clock: SteppedClock) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe, 0o644)
    store = SqliteStore(pipe, clock)
    with pytest.raises(ConfigurationError, match="is no ordinary file"):
        await store.begin(KEY, -1, 15)
    assert pipe.stat().st_mode & 0o777 == 0o644
    await store.close()


async def test_a_row_of_another_version_counts_as_absent(database: Path, clock: SteppedClock) -> None:
    store = SqliteStore(database, clock)
    await store.commit(await claimed(store), session(clock))
    db = sqlite3.connect(database)
    db.execute("update sessions set session = '{\"other\": 1}'")
    db.commit()
    db.close()
    assert (await store.row(KEY)).session is None
    assert isinstance(await store.begin(KEY, -1, 15), Claim)
    await store.close()


COMMITTER = """
import asyncio, sys
from dataclasses import replace
from pathlib import Path
from doorkey.clock import SystemClock
from doorkey.model.session import Key, Session
from doorkey.sessions.sqlite import SqliteStore
from doorkey.sessions.store import Claim

async def run(path):
    clock, key, done = SystemClock(), Key("wiki", "http://127.0.0.1:1/"), 0
    store = SqliteStore(Path(path), clock)
    while done < 20:
        outcome = await store.begin(key, 2**62, 15)
        if isinstance(outcome, Claim):
            session = Session(key=key, gen=0, url=key.url, born=clock.wall(), soft=600, hard=1200)
            print((await store.commit(replace(outcome, floor=-1), session)).gen)
            done += 1
    await store.close()

asyncio.run(run(sys.argv[1]))
"""


async def test_two_processes_never_commit_one_generation_twice(database: Path) -> None:
    async def commit_often() -> list[int]:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", COMMITTER, str(database), stdout=asyncio.subprocess.PIPE
        )
        async with asyncio.timeout(60):
            out, _ = await process.communicate()
        return [int(line) for line in out.split()]

    results = await asyncio.gather(commit_often(), commit_often())
    gens = [gen for result in results for gen in result]
    assert len(gens) == len(set(gens)) == 40
    assert all(result == sorted(result) for result in results)


DATA = Path(__file__).parent / "data"
MADE = 1_795_824_000.0
"""When the store of version 2 was written."""


class FixedClock(SystemClock):
    def wall(self) -> float:
        return MADE + 60


def write_store(database: Path, script: str) -> None:
    database.parent.mkdir()
    db = sqlite3.connect(database)
    db.executescript(script)
    db.close()


async def test_a_store_of_version_2_is_carried_forward(database: Path) -> None:
    write_store(database, (DATA / "store_version_2.sql").read_text())
    store = SqliteStore(database, FixedClock())
    found = await store.begin(KEY, -1, 15)
    assert isinstance(found, Newer)
    session = found.session
    assert (session.rung, session.cookie("sid"), session.local) == ("a person", "by hand", {"refresh": "r0"})
    down = await store.begin(Key("down", KEY.url), -1, 15)
    assert isinstance(down, Backoff)
    assert (down.seconds, down.why) == (240, "down: the site can't be reached")
    await store.close()
    again = SqliteStore(database, FixedClock())  # at its own version by now
    assert (await again.row(KEY)).session == session
    await again.close()


async def test_the_first_stores_without_a_version_are_carried_forward(database: Path) -> None:
    script = (DATA / "store_version_2.sql").read_text().replace("PRAGMA user_version = 2;", "")
    write_store(database, script + "alter table sessions drop column code;")
    store = SqliteStore(database, FixedClock())
    session = (await store.row(KEY)).session
    assert session is not None
    assert session.cookie("sid") == "by hand"
    await store.close()


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("pragma user_version = 99; create table sessions (key text)", "newer doorkey"),
        ("create table sessions (key text primary key, session text)", "did not make"),
        ("create table cookies (name text, value text)", "did not make"),
        ("pragma user_version = 5; create table cookies (name text, value text)", "did not make"),
        ("pragma user_version = 5; create table sessions (key text)", "did not make"),
        ("pragma user_version = 1; create table sessions (key, session, whole, gen, claim, change)", "did not make"),
    ],
)
async def test_a_file_that_is_not_this_versions_own_is_refused_and_not_changed_by_a_byte(
    database: Path, clock: SteppedClock, script: str, told: str
) -> None:
    write_store(database, script)
    database.chmod(0o644)
    before = database.read_bytes()
    store = SqliteStore(database, clock)
    with pytest.raises(ConfigurationError, match=told) as caught:
        await store.begin(KEY, -1, 15)
    assert "store.url" in caught.value.message
    await store.close()
    assert database.read_bytes() == before
    assert stat.S_IMODE(database.stat().st_mode) == 0o644
    assert [file.name for file in database.parent.iterdir()] == [database.name]


WRONG = [
    "session = '[1, 2]'",
    "session = 'no json'",
    "session = 17",
    "session = json_set(session, '$.born', 'yesterday')",
    "session = json_set(session, '$.hard', null)",
    "session = json_set(session, '$.gen', 'one')",
    "session = json_set(session, '$.local', 5)",
    "session = json_set(session, '$.local', json('{\"a\": 1}'))",
    "session = json_set(session, '$.headers', json('[]'))",
    "session = json_set(session, '$.cookies', json('[1]'))",
    "session = json_set(session, '$.cookies[0].value', 5)",
    "session = json_set(session, '$.cookies[0].expires', 'never')",
    "session = json_set(session, '$.key.site', null)",
    "session = json_set(session, '$.rungs', 'browser')",
]


@pytest.mark.parametrize("wrong", WRONG)
async def test_a_session_of_wrong_types_counts_as_absent_and_is_set_aside(
    database: Path, clock: SteppedClock, wrong: str
) -> None:
    store = SqliteStore(database, clock)
    await store.commit(await claimed(store), session(clock))
    db = change_rows(database, wrong)
    (text,) = db.execute("select session from sessions").fetchone()
    stored = await store.row(KEY)
    assert stored.session is None
    status = status_of(Site(name="wiki", url=KEY.url), "web", KeyState(KEY), stored, clock)
    assert status.state == "none"
    assert await store.commit(await claimed(store), session(clock)) is not None
    assert db.execute("select session from set_aside").fetchone() == (text,)
    db.close()
    await store.close()


@pytest.mark.parametrize(
    "wrong",
    [
        "claimed_until = 'soon'",
        "gen = 'many'",
        "failed_until = x'00'",
        "whole = 'yes'",
        "change = 'often'",
        "why = x'07'",
    ],
)
async def test_a_wrong_value_beside_a_session_does_not_lose_it(database: Path, clock: SteppedClock, wrong: str) -> None:
    store = SqliteStore(database, clock)
    made = await store.commit(await claimed(store), session(clock))
    change_rows(database, wrong).close()
    assert made is not None
    assert (await store.row(KEY)).session == made
    claim = await claimed(store, made.gen)
    assert (claim.previous, claim.floor) == (made, made.gen)
    assert await store.commit(claim, session(clock)) is not None
    assert isinstance(await store.begin(KEY, made.gen, 15), Newer), "the row is whole again"
    await store.close()


def change_rows(database: Path, change: str) -> sqlite3.Connection:
    db = sqlite3.connect(database)
    with db:
        db.execute(f"update sessions set {change}")
    return db


async def test_what_was_kept_in_the_middle_of_a_visit_is_only_for_the_next_visit(
    store: Store, clock: SteppedClock
) -> None:
    first = await store.commit(await claimed(store), session(clock))
    assert first is not None
    claim = await claimed(store, first.gen)
    assert await store.keep(claim, replace(first, local={"refresh": "r1"}))
    await store.fail(claim, "the site went away", "provider_unavailable", 0.0)
    after = await store.begin(KEY, -1, 15)
    assert isinstance(after, Claim), "nobody is handed the session out"
    assert after.previous is not None
    assert (after.previous.gen, after.previous.local) == (first.gen, {"refresh": "r1"})
    assert not await store.keep(claim, session(clock)), "the claim is over"


async def test_a_claim_and_a_failure_by_a_clock_an_hour_ahead_hold_no_longer_than_usual(
    store: Store, clock: SteppedClock
) -> None:
    await clock.advance(3600)
    await claimed(store)
    clock.turn_back(3600)
    assert isinstance(await store.begin(KEY, -1, 15), Busy)
    await clock.advance(15)
    claim = await claimed(store)
    await clock.advance(3600)
    await store.renew(claim, 15)
    await store.fail(claim, "down", "", 30)
    clock.turn_back(3600)
    assert isinstance(await store.begin(KEY, -1, 15), Backoff)
    await clock.advance(30)
    await claimed(store)


def test_a_row_without_a_session_is_whole_and_one_that_cannot_be_read_is_not() -> None:
    row = Row(gen=7, why="the site is down", failed_for=3.0)
    assert read_row_text(KEY, write_row_text(row)) == (row, True)
    text = write_row_text(row).replace('"session": null', '"session": "no json"')
    assert read_row_text(KEY, text) == (row, False)
    assert read_row_text(KEY, "no json") == read_row_text(KEY, "[]") == (Row(), False)


async def test_a_store_in_what_is_no_folder_is_a_clear_error(tmp_path: Path, clock: SteppedClock) -> None:
    (tmp_path / "file").write_text("")
    store = SqliteStore(tmp_path / "file" / "sessions.db", clock)
    with pytest.raises(ConfigurationError, match=r"store\.url"):
        await store.row(KEY)
    await store.close()
