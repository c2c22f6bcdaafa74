from __future__ import annotations

import asyncio
import stat
import sys
from pathlib import Path

import pytest

from doorkey.accounts.confirmations import LAST_MOMENT, POLL, Confirmations, Decision
from doorkey.errors import RequestError

sys.path.insert(0, str(Path(__file__).parents[1]))
from stepped_clock import SteppedClock, settle


@pytest.fixture
def clock() -> SteppedClock:
    return SteppedClock()


@pytest.fixture
def queue(tmp_path: Path, clock: SteppedClock) -> Confirmations:
    return Confirmations(tmp_path / "queue", clock)


@pytest.mark.parametrize("allowed", [True, False])
async def test_another_process_decides(
    queue: Confirmations, clock: SteppedClock, tmp_path: Path, allowed: bool
) -> None:
    asking = asyncio.create_task(queue.ask("write", "wiki", "POST /x", patience=60, body="{}"))
    await settle()
    other = Confirmations(tmp_path / "queue", clock)
    (pending,) = other.waiting()
    assert (pending.site, pending.title, pending.body) == ("wiki", "POST /x", "{}")
    other.decide(pending.id, allowed=allowed, note="why")
    await clock.advance(POLL)
    assert await asking == Decision(allowed, "why")
    assert list((tmp_path / "queue").iterdir()) == []
    with pytest.raises(RequestError, match="nothing waits"):
        other.decide(pending.id, allowed=True)


async def test_what_nobody_decides_in_time_can_t_be_allowed_any_more(queue: Confirmations, clock: SteppedClock) -> None:
    asking = asyncio.create_task(queue.ask("write", "wiki", "POST /x", patience=5))
    await settle()
    (pending,) = queue.waiting()
    await clock.advance(5 + POLL)
    assert await asking is None
    with pytest.raises(RequestError):
        queue.decide(pending.id, allowed=True)


async def test_it_is_decided_once(queue: Confirmations, clock: SteppedClock) -> None:
    asking = asyncio.create_task(queue.ask("write", "wiki", "POST /x", patience=5))
    await settle()
    (pending,) = queue.waiting()
    queue.decide(pending.id, allowed=False)
    with pytest.raises(RequestError):
        queue.decide(pending.id, allowed=True)
    await clock.advance(POLL)
    assert await asking == Decision(allowed=False)


async def test_an_agent_that_leaves_takes_its_request_back(queue: Confirmations, clock: SteppedClock) -> None:
    asking = asyncio.create_task(queue.ask("write", "wiki", "POST /x", patience=5))
    await settle()
    assert len(queue.waiting()) == 1
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert queue.waiting() == ()


async def test_what_an_ended_process_left_is_dropped(queue: Confirmations, clock: SteppedClock, tmp_path: Path) -> None:
    asking = asyncio.create_task(queue.ask("write", "wiki", "POST /x", patience=5))
    await settle()
    (file,) = (tmp_path / "queue").iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    left = file.read_bytes()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    file.write_bytes(left)
    assert len(queue.waiting()) == 1
    await clock.advance(5 + LAST_MOMENT + 1)
    assert (queue.waiting(), list((tmp_path / "queue").iterdir())) == ((), [])


@pytest.mark.parametrize("name", ["../../etc/passwd", "", "zz", "0" * 8])
def test_a_strange_id_is_refused(queue: Confirmations, name: str) -> None:
    with pytest.raises(RequestError):
        queue.decide(name, allowed=True)
