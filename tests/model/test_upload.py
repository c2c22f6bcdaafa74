"""A body that is read while it is sent arrives whole and once, however often sending it begins anew."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import pytest

from doorkey.model.upload import Upload


class Source:
    """Gives out what a test puts in; None is its end, an exception its failure."""

    def __init__(self) -> None:
        self.given: asyncio.Queue[bytes | Exception | None] = asyncio.Queue()
        self.waiting = asyncio.Event()

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        while True:
            if self.given.empty():
                self.waiting.set()
            piece = await self.given.get()
            if piece is None:
                return
            if isinstance(piece, Exception):
                raise piece
            yield piece

    def give(self, *pieces: bytes | Exception | None) -> None:
        self.waiting.clear()
        for piece in pieces:
            self.given.put_nowait(piece)


@pytest.fixture
def source() -> Source:
    return Source()


async def whole(upload: Upload) -> list[bytes]:
    return [piece async for piece in upload]


async def given_up(upload: Upload, source: Source) -> None:
    """An attempt that sends what is there, and is cancelled as it waits for more."""
    task = asyncio.create_task(whole(upload))
    await source.waiting.wait()
    task.cancel()
    await asyncio.wait([task])


async def read_meanwhile(source: Source, piece: bytes | Exception | None) -> None:
    """Let *piece* come while nobody is sending."""
    source.give(piece)
    while not source.given.empty():
        await asyncio.sleep(0)
    await asyncio.sleep(0)


@pytest.mark.parametrize("attempts", [1, 3])
async def test_a_piece_that_comes_between_two_attempts_is_sent_once(source: Source, attempts: int) -> None:
    upload = Upload(source.pieces())
    source.give(b"a")
    await given_up(upload, source)
    for n in range(attempts):
        await read_meanwhile(source, b"%d" % n)
        if n < attempts - 1:
            await given_up(upload, source)
    source.give(b"z", None)
    expected = [b"a", *(b"%d" % n for n in range(attempts)), b"z"]
    assert await whole(upload) == expected
    assert await whole(upload) == expected


async def test_the_end_that_comes_between_two_attempts_is_the_end(source: Source) -> None:
    upload = Upload(source.pieces())
    source.give(b"a")
    await given_up(upload, source)
    await read_meanwhile(source, None)
    assert await whole(upload) == [b"a"]


async def test_a_failure_that_comes_between_two_attempts_is_told(source: Source) -> None:
    upload = Upload(source.pieces())
    source.give(b"a")
    await given_up(upload, source)
    await read_meanwhile(source, RuntimeError("gone"))
    assert not upload.repeatable
    assert str(upload.failure) == "gone"


async def test_a_piece_too_many_to_be_kept_costs_the_attempt_that_replays_nothing(source: Source) -> None:
    upload = Upload(source.pieces(), keep=4)
    source.give(b"aa", b"bb")
    await given_up(upload, source)
    replay = aiter(upload)
    assert await anext(replay) == b"aa"
    await read_meanwhile(source, b"cc")
    source.give(b"dd", None)
    assert [piece async for piece in replay] == [b"bb", b"cc", b"dd"]
    assert not upload.repeatable


async def test_a_piece_too_many_that_nobody_was_sent_yet_leaves_the_body_repeatable(source: Source) -> None:
    upload = Upload(source.pieces(), keep=2)
    source.give(b"aa")
    await given_up(upload, source)
    await read_meanwhile(source, b"bb")
    assert upload.repeatable
    source.give(None)
    assert await whole(upload) == [b"aa", b"bb"]
    assert not upload.repeatable
    with pytest.raises(ValueError, match="too long to be kept"):
        await whole(upload)


async def test_what_is_known_to_be_too_long_is_not_kept(source: Source) -> None:
    upload = Upload(source.pieces(), 4, keep=2)
    source.give(b"aa", b"bb", None)
    assert await whole(upload) == [b"aa", b"bb"]
    assert not upload.repeatable


async def test_a_closed_upload_ends_the_attempt_that_waits_for_it(source: Source) -> None:
    upload = Upload(source.pieces())
    task = asyncio.create_task(whole(upload))
    await source.waiting.wait()
    await upload.aclose()
    await asyncio.wait([task])
    assert task.cancelled()
