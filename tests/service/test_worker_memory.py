"""What the workers of a service share: texts, numbers of requests, and the states of sites."""

from __future__ import annotations

import asyncio
import os
import signal
from dataclasses import replace

import pytest

from doorkey.rate.limiter import Place as QueuePlace
from doorkey.rate.limiter import RateStatus
from doorkey.service.failure import Refusal
from doorkey.service.running import RunningRequests
from doorkey.service.workers.merged_status import grow_older, merge_statuses
from doorkey.service.workers.place import Place, SharedMemory, SharedNames
from doorkey.service.workers.shared_text import ProcessLock, SharedText
from doorkey.status import SiteStatus

SITE = SiteStatus(name="wiki", provider="web", url="https://wiki.example/", state="none")


def in_child(work: object) -> int:
    """Run *work* in a forked process, and return how that ended."""
    pid = os.fork()
    if pid == 0:
        assert callable(work)
        work()
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_a_text_is_shared_with_forked_processes_and_no_change_is_lost() -> None:
    text = SharedText(1000, ProcessLock())

    def count() -> None:
        for _ in range(200):
            text.update(lambda number: (str(int(number or "0") + 1), None))

    pids = []
    for _ in range(3):
        pid = os.fork()
        if pid == 0:
            count()
            os._exit(0)
        pids.append(pid)
    count()
    assert [os.waitpid(pid, 0)[1] for pid in pids] == [0, 0, 0]
    assert text.read() == "800"


def test_a_process_that_is_killed_in_the_middle_of_a_change_leaves_the_text_as_it_was() -> None:
    text = SharedText(1000, ProcessLock())
    text.write("as it was")

    def die(_: str) -> tuple[str, None]:
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError

    assert in_child(lambda: text.update(die)) == -signal.SIGKILL
    assert text.read() == "as it was"
    text.write("changed")
    assert text.read() == "changed"


def test_a_text_that_is_too_long_is_refused_and_the_old_one_stays() -> None:
    text = SharedText(10)
    text.write("0123456789")
    with pytest.raises(ValueError, match="at most 10 bytes"):
        text.write("01234567890")
    assert text.read() == "0123456789"


def test_names_that_one_process_adds_are_there_for_the_other() -> None:
    names = SharedNames(SharedText(1000, ProcessLock()))
    names.add("wiki")
    assert in_child(lambda: (names.discard("wiki"), names.add("chat"))) == 0
    assert (list(names), "wiki" in names, "chat" in names) == (["chat"], False, True)


async def test_the_limit_of_requests_holds_over_all_workers() -> None:
    memory = SharedMemory.make(2)
    one, other = (RunningRequests(1, 1, Place(number, memory)) for number in range(2))
    first, second, third = (asyncio.create_task(asyncio.Event().wait()) for _ in range(3))
    one.add(first)
    assert not one.full
    other.add(second)
    assert other.full
    waiting = asyncio.create_task(other.wait_turn())
    await asyncio.sleep(0)
    one.add(third)
    with pytest.raises(Refusal):
        await one.wait_turn()
    one.remove(third, 0.1)
    assert not waiting.done()
    one.remove(first, 0.1)
    async with asyncio.timeout(5):
        await waiting
    assert not other.full
    for task in (first, second, third):
        task.cancel()


@pytest.mark.parametrize(
    ("states", "told"),
    [
        ([("fresh", 3), ("none", -1)], "fresh"),
        ([("pausing", 2), ("fresh", 3)], "fresh"),
        ([("pausing", 3), ("fresh", 3)], "pausing"),
        ([("visiting", 2), ("stale", 3)], "visiting"),
        ([("paused", 3), ("fresh", 4)], "paused"),
    ],
)
def test_a_site_is_told_as_the_worker_with_the_newest_session_sees_it(states: list[tuple[str, int]], told: str) -> None:
    statuses = [replace(SITE, state=state, gen=gen) for state, gen in states]  # type: ignore[arg-type]  # of the table
    for order in (statuses, statuses[::-1]):
        assert merge_statuses(order).state == told


def test_counts_and_queues_of_workers_are_put_together() -> None:
    pace = RateStatus(2, 1.0, 1, (QueuePlace("a", 1, 1.0),), 2.0, None)
    other = RateStatus(2, 1.0, 1, (QueuePlace("b", 1, 0.5),), 3.0, 4.0)
    merged = merge_statuses(
        [replace(SITE, visits=1, checks=2, waiting=1, pace=pace), replace(SITE, visits=3, waiting=2, pace=other)]
    )
    assert (merged.visits, merged.checks, merged.waiting) == (4, 2, 3)
    assert merged.pace == RateStatus(2, 1.0, 2, (QueuePlace("b", 1, 0.5), QueuePlace("a", 2, 1.0)), 3.0, 4.0)


def test_a_report_of_a_moment_ago_grows_older() -> None:
    older = grow_older(replace(SITE, age=5.0, retry_after=2.0), 3.0, SITE)
    assert (older.age, older.retry_after) == (8.0, None)


@pytest.mark.parametrize(("age", "state"), [(1.0, "none"), (5.0, "visiting")])
def test_a_visit_has_ended_that_was_told_of_before_a_newer_session_was_made(age: float, state: str) -> None:
    newest = replace(SITE, state="fresh", gen=7, age=age)
    told = grow_older(replace(SITE, state="visiting"), 3.0, newest)
    assert told.state == state
    assert merge_statuses([newest, told]).state == ("fresh" if state == "none" else "visiting")
