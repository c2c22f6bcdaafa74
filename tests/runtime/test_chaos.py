"""A browser, a renderer or the driver is killed at random under load, while sessions die all the time. The site is slow
or lies for a while, or the disk is full.

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
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from doorkey import Runtime
from doorkey.browser.process import Process
from doorkey.errors import BrowserFailed, DoorkeyError, SiteDown, TimeLimit, VisitFailed
from doorkey_providers.twins.twin import Twin
from small_disk import Disk, NoDisk, small_disk

pytestmark = [pytest.mark.browser, pytest.mark.slow]
SECONDS = float(os.environ.get("CHAOS_SECONDS", "60"))
CALLERS = 6
CLEAN = (BrowserFailed, VisitFailed, SiteDown, TimeLimit)
"""What a call may end in when its visit was killed again and again."""


@dataclass
class Scene:
    """What is struck. `disk` holds the store; None where no file system can be mounted. `lied_until`: until when the
    site answered something else than what was asked for.
    """

    runtime: Runtime
    twin: Twin
    disk: Disk | None
    chance: random.Random
    lied_until: float = 0.0

    def mend(self) -> None:
        """End what the last blow has begun."""
        self.twin.switch(slow=0.0, page_cache=False)
        if self.disk is not None:
            self.disk.empty()

    def tell_the_truth(self) -> None:
        self.twin.switch(garbage=False)
        self.lied_until = time.monotonic()


Blow = Callable[[Scene], Awaitable[None]]


class Tally:
    """What became of the questions. `took` holds the seconds of each answer; `recovered` those from each blow to the
    end of the first answer that was begun after it. `recovers` is set once each caller has had one: those in `served`
    have, and the last blow was at the time `blow`. `lied` counts errors while the site answered something else.
    """

    def __init__(self) -> None:
        self.took: list[float] = []
        self.recovered: list[float] = []
        self.recovers = asyncio.Event()
        self.struck: float | None = None
        self.blow = 0.0
        self.served: set[int] = set()
        self.failed: Counter[str] = Counter()
        self.unclean: list[DoorkeyError] = []
        self.lied = 0

    @property
    def asked(self) -> int:
        """How many questions the site has not lied about."""
        return len(self.took) + self.failed.total() + len(self.unclean)

    def strike(self) -> None:
        self.struck = self.blow = time.monotonic()
        self.served.clear()
        self.recovers.clear()

    def answer(self, caller: int, began: float, now: float) -> None:
        self.took.append(now - began)
        if began < self.blow:
            return
        if self.struck is not None:
            self.recovered.append(now - self.struck)
            self.struck = None
        self.served.add(caller)
        if len(self.served) == CALLERS:
            self.recovers.set()

    def fail(self, error: DoorkeyError, *, lied: bool) -> None:
        if lied:
            self.lied += 1
        elif isinstance(error, CLEAN):
            self.failed[type(error).__name__] += 1
        else:
            self.unclean.append(error)

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


async def kill_browser(scene: Scene) -> None:
    kill(scene.runtime.pool.browser_pid)


async def kill_driver(scene: Scene) -> None:
    browser = scene.runtime.pool.browser_pid
    if browser is not None:
        kill(Process.of(browser).parent)


async def kill_renderer(scene: Scene) -> None:
    browser = scene.runtime.pool.browser_pid
    for pid in [] if browser is None else Process.of(browser).list_family():
        with suppress(OSError):
            if b"--type=renderer" in Path(f"/proc/{pid}/cmdline").read_bytes():
                kill(pid)


async def end_session(scene: Scene) -> None:
    """Nothing more than what follows each blow."""


async def slow_down(scene: Scene) -> None:
    scene.twin.switch(slow=scene.chance.uniform(0.1, 0.5))


async def lie_about_the_page(scene: Scene) -> None:
    """A cache before the site hands out pages whose nonces are dead."""
    scene.twin.switch(page_cache=True)


async def lie_about_answers(scene: Scene) -> None:
    """The site answers with a page in the place of what was asked for, and HTTP 200."""
    scene.twin.switch(garbage=True)
    scene.lied_until = math.inf


async def fill_disk(scene: Scene) -> None:
    if scene.disk is not None:
        scene.disk.fill()


BLOWS: tuple[Blow, ...] = (
    kill_browser, kill_driver, kill_renderer, end_session, slow_down, lie_about_the_page, lie_about_answers, fill_disk,
)  # fmt: skip


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk | None]:
    try:
        with small_disk(tmp_path / "disk", "1m") as made:
            yield made
    except NoDisk:
        yield None


async def test_what_is_killed_at_random_costs_no_answers(
    twin: Twin, runtimes: Callable[..., Any], disk: Disk | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path if disk is None else disk.folder
    runtime = await runtimes(overrides=True, store={"url": f"sqlite://{folder / 'sessions.db'}"})
    seed = int(os.environ.get("CHAOS_SEED", "1"))
    chance, tally, end = random.Random(seed), Tally(), time.monotonic() + SECONDS
    scene = Scene(runtime, twin, disk, chance)

    async def ask(caller: int) -> None:
        number = 0
        while time.monotonic() < end:
            number += 1
            text, began = f"question {caller}-{number}.", time.monotonic()
            try:
                parts = [part async for part in runtime.ask(twin.name, [{"role": "user", "content": text}], timeout=60)]
            except DoorkeyError as error:
                tally.fail(error, lied=began <= scene.lied_until)
            else:
                assert text in "".join(map(str, parts))
                tally.answer(caller, began, time.monotonic())
            await asyncio.sleep(chance.uniform(0.0, 0.05))  # the caller's own pace

    async def strike() -> None:
        while time.monotonic() < end:
            if scene.lied_until > end:
                await asyncio.sleep(chance.uniform(1.0, 6.0))  # for so long it lies
                scene.tell_the_truth()
                tally.strike()
            # One death at a time: a session that dies again before its first use is refused for good. So no call may
            # wait for a session still: each caller has had an answer since the last blow.
            with suppress(TimeoutError):
                await asyncio.wait_for(tally.recovers.wait(), max(0.0, end - time.monotonic()))
            await asyncio.sleep(chance.uniform(1.0, 6.0))  # the pace of the chaos
            scene.mend()
            await chance.choice(BLOWS)(scene)
            twin.switch(rotate=True)
            twin.switch(expire_cookies=True)  # so that the next call needs the browser
            tally.strike()

    striking = asyncio.create_task(strike())
    await asyncio.gather(*(ask(caller) for caller in range(CALLERS)))
    await striking
    recovered = statistics.quantiles(tally.recovered, n=20)
    late = statistics.quantiles(tally.took, n=1000)
    with capsys.disabled():
        print(
            f"\nchaos, seed {seed}, {SECONDS:.0f} s: {tally.asked} asked, {len(tally.took)} answered, failed: "
            f"{dict(tally.failed)}; {tally.lied} told of the site's lies; {twin.counts.page_loads} page loads; "
            f"slowest of a thousand {late[998]:.1f} s; "
            f"answered {tally.interval[0]:.4%} to {tally.interval[1]:.4%}; {len(tally.recovered)} blows, recovered in "
            f"{recovered[9]:.1f} s (median), {recovered[18]:.1f} s (p95), {max(tally.recovered):.1f} s (longest)"
        )
    assert tally.unclean == []
    assert len(tally.took) > SECONDS  # it was under load
    assert tally.failed.total() <= max(1, tally.asked // 1000)
