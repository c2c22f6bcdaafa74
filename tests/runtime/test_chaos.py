"""A browser, a renderer or the driver is killed at random under load, while sessions die all the time.

`make chaos` runs it for ten minutes; CI for one.
"""

from __future__ import annotations

import asyncio
import math
import os
import random
import signal
import statistics
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from doorkey import Runtime
from doorkey.browser.process import Process
from doorkey.errors import BrowserFailed, DoorkeyError, SiteDown, TimeLimit, VisitFailed
from doorkey_providers.twins.twin import Twin

pytestmark = [pytest.mark.browser, pytest.mark.slow]
SECONDS = float(os.environ.get("CHAOS_SECONDS", "60"))
CALLERS = 6
CLEAN = (BrowserFailed, VisitFailed, SiteDown, TimeLimit)
"""What a call may end in when its visit was killed again and again."""
Blow = Callable[[Runtime, Twin], Awaitable[None]]


class Tally:
    """What became of the questions. `took` holds the seconds of each answer; `recovered` those from each blow to the
    end of the first answer that was begun after it.
    """

    def __init__(self) -> None:
        self.took: list[float] = []
        self.recovered: list[float] = []
        self.struck: float | None = None
        self.failed: Counter[str] = Counter()
        self.unclean: list[BaseException] = []

    @property
    def asked(self) -> int:
        return len(self.took) + self.failed.total() + len(self.unclean)

    def answer(self, began: float, now: float) -> None:
        self.took.append(now - began)
        if self.struck is not None and began >= self.struck:
            self.recovered.append(now - self.struck)
            self.struck = None

    @property
    def interval(self) -> tuple[float, float]:
        """The share of answered questions, as far as this run tells: Wilson's interval of 95 %."""
        asked, z = self.asked, 1.96
        share, spread = len(self.took) / asked, z * z / asked
        half = z * math.sqrt(share * (1 - share) / asked + spread / (4 * asked))
        return (share + spread / 2 - half) / (1 + spread), (share + spread / 2 + half) / (1 + spread)


def kill(pid: int | None) -> None:
    if pid is not None:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


async def kill_browser(runtime: Runtime, twin: Twin) -> None:
    kill(runtime.pool.browser_pid)


async def kill_driver(runtime: Runtime, twin: Twin) -> None:
    browser = runtime.pool.browser_pid
    if browser is not None:
        kill(Process.of(browser).parent)


async def kill_renderer(runtime: Runtime, twin: Twin) -> None:
    browser = runtime.pool.browser_pid
    for pid in [] if browser is None else Process.of(browser).list_family():
        with suppress(OSError):
            if b"--type=renderer" in Path(f"/proc/{pid}/cmdline").read_bytes():
                kill(pid)


async def end_sessions(runtime: Runtime, twin: Twin) -> None:
    twin.switch(rotate=True)


async def expire_cookies(runtime: Runtime, twin: Twin) -> None:
    twin.switch(expire_cookies=True)


BLOWS: tuple[Blow, ...] = (kill_browser, kill_driver, kill_renderer, end_sessions, expire_cookies)


async def test_what_is_killed_at_random_costs_no_answers(
    twin: Twin, runtimes: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    runtime = await runtimes(overrides=True)
    seed = int(os.environ.get("CHAOS_SEED", "1"))
    chance, tally, end = random.Random(seed), Tally(), time.monotonic() + SECONDS
    answered = asyncio.Event()

    async def ask(caller: int) -> None:
        number = 0
        while time.monotonic() < end:
            number += 1
            text, began = f"question {caller}-{number}.", time.monotonic()
            try:
                parts = [part async for part in runtime.ask(twin.name, [{"role": "user", "content": text}], timeout=60)]
            except CLEAN as error:
                tally.failed[type(error).__name__] += 1
            except DoorkeyError as error:
                tally.unclean.append(error)
            else:
                assert text in "".join(map(str, parts))
                tally.answer(began, time.monotonic())
                answered.set()
            await asyncio.sleep(chance.uniform(0.0, 0.05))  # the caller's own pace

    async def strike() -> None:
        while time.monotonic() < end:
            answered.clear()
            await asyncio.sleep(chance.uniform(1.0, 6.0))  # the pace of the chaos
            # One death at a time: a session that dies again before its first use is refused for good.
            with suppress(TimeoutError):
                await asyncio.wait_for(answered.wait(), max(0.0, end - time.monotonic()))
            await chance.choice(BLOWS)(runtime, twin)
            tally.struck = time.monotonic()
            twin.switch(rotate=True)  # so that the next call needs the browser

    striking = asyncio.create_task(strike())
    await asyncio.gather(*(ask(caller) for caller in range(CALLERS)))
    await striking
    recovered = statistics.quantiles(tally.recovered, n=20)
    late = statistics.quantiles(tally.took, n=1000)
    with capsys.disabled():
        print(
            f"\nchaos, seed {seed}, {SECONDS:.0f} s: {tally.asked} asked, {len(tally.took)} answered, failed: "
            f"{dict(tally.failed)}; {twin.counts.page_loads} page loads; slowest of a thousand {late[998]:.1f} s; "
            f"answered {tally.interval[0]:.4%} to {tally.interval[1]:.4%}; {len(tally.recovered)} blows, recovered in "
            f"{recovered[9]:.1f} s (median), {recovered[18]:.1f} s (p95), {max(tally.recovered):.1f} s (longest)"
        )
    assert tally.unclean == []
    assert len(tally.took) > SECONDS  # it was under load
    assert tally.failed.total() <= max(1, tally.asked // 1000)
