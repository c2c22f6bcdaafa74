"""What the store in memory adds to the contract: it keeps what was written last, and no more than so much."""

from __future__ import annotations

import asyncio

import pytest

from doorkey.model.session import Key
from doorkey.sessions.memory import ROWS, MemoryStore
from doorkey.sessions.store import Claim
from stepped_clock import SteppedClock, settle

from .conftest import KEY, made


def key_of(number: int) -> Key:
    return KEY._replace(site=f"site{number}")


async def claimed(store: MemoryStore, key: Key = KEY) -> Claim:
    claim = await store.begin(key, -1, 15)
    assert isinstance(claim, Claim)
    return claim


async def test_the_rows_that_were_written_last_are_kept(clock: SteppedClock) -> None:
    store = MemoryStore(clock)
    claims = [await claimed(store, key_of(number)) for number in range(ROWS)]
    assert await store.renew(claims[0], 15)
    for number in (ROWS, ROWS + 1):
        await claimed(store, key_of(number))
    held = [number for number in (0, 1, 2, 3, ROWS, ROWS + 1) if (await store.row(key_of(number))).claim]
    assert held == [0, 3, ROWS, ROWS + 1]


async def test_the_notes_that_were_written_last_are_kept(clock: SteppedClock) -> None:
    store = MemoryStore(clock)
    for number in [*range(ROWS), 0, ROWS, ROWS + 1]:
        await store.learn(key_of(number), lambda held: held + "x")
        await store.share(str(number), lambda text, wall: (text + "x", None))
    numbers = (0, 1, 2, 3, ROWS, ROWS + 1)
    assert [await store.learned(key_of(number)) for number in numbers] == ["xx", "", "", "x", "x", "x"]
    shared = [await store.share(str(number), lambda text, wall: (None, text)) for number in numbers]
    assert shared == ["xx", "", "", "x", "x", "x"]


@pytest.mark.parametrize("how", ["commit", "fail"])
async def test_who_waits_is_told_of_the_end_of_the_visit_and_not_of_its_beats(clock: SteppedClock, how: str) -> None:
    store = MemoryStore(clock)
    claim = await claimed(store)
    waiting = [asyncio.create_task(store.changed(KEY, 600)) for _ in range(3)]
    await settle()
    await store.renew(claim, 15)
    await store.keep(claim, made(1, clock))
    await store.fail(Claim(KEY, "lost", -1, None), "", "", 0)
    await store.commit(Claim(KEY, "lost", -1, None), made(1, clock))
    await settle()
    assert not any(task.done() for task in waiting)
    await (store.commit(claim, made(1, clock)) if how == "commit" else store.fail(claim, "", "", 0))
    await asyncio.gather(*waiting)


async def test_a_wait_ends_by_itself_and_a_closed_store_holds_nothing(clock: SteppedClock) -> None:
    store = MemoryStore(clock)
    await claimed(store)
    await store.changed(KEY, 0.001)
    assert store.trouble == ""
    await store.close()
    assert (await store.row(KEY)).claim == ""
