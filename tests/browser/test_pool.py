"""Browsers are started once, shared, replaced, recycled and ended; nothing is left behind."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from doorkey.browser import BrowserPool, Profile, open_window
from doorkey.browser.process import Process
from doorkey.browser.running_browser import HUNG
from doorkey.errors import BrowserFailed, BrowserMissing, ConfigurationError, MissingToken, TimeLimit
from doorkey.model.inspection import Inspection

from .conftest import DESKTOP, LocalSite

pytestmark = pytest.mark.browser
URL = "http://127.0.0.1:9/"


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., object]:
    @asynccontextmanager
    async def pool(**options: object) -> AsyncIterator[BrowserPool]:
        made = BrowserPool(state=tmp_path / "state", **options)  # type: ignore[arg-type]  # a test's own keywords
        try:
            yield made
        finally:
            await made.close()

    return pool


async def use(pool: BrowserPool) -> None:
    async with pool.lease(DESKTOP, site_url=URL):
        pass
    await pool.wait_returned()


async def gone(process: Process) -> None:
    while process.alive:
        await asyncio.sleep(0)


async def test_all_who_wait_share_one_start_and_nothing_outlives_the_pool(make) -> None:  # type: ignore[no-untyped-def]
    async with make(contexts=8) as pool:
        assert "no browser" in repr(pool)
        await asyncio.gather(*(use(pool) for _ in range(8)))
        assert pool.launches == 1
        process = Process.of(pool.browser_pid)
        assert "8 used" in repr(pool)
    assert not process.alive
    assert pool.list_pids() == ()


async def test_no_more_leases_at_once_than_contexts(make) -> None:  # type: ignore[no-untyped-def]
    async with make(contexts=1) as pool:
        async with pool.lease(DESKTOP, site_url=URL):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05), pool.lease(DESKTOP, site_url=URL):
                    pass
        await use(pool)


async def test_a_browser_is_replaced_after_its_uses(make) -> None:  # type: ignore[no-untyped-def]
    async with make(uses=2) as pool:
        for _ in range(3):
            await use(pool)
        assert pool.launches == 2


async def test_a_browser_that_takes_too_much_memory_is_replaced(make) -> None:  # type: ignore[no-untyped-def]
    async with make(memory=1) as pool:
        await use(pool)
        assert pool.list_pids() == ()
        await use(pool)
        assert pool.launches == 2


GROWING = """<script>
const kept = [];
setInterval(() => kept.push(new Uint8Array(2e7).fill(1)), 50);
</script><p>no token yet</p>"""


@pytest.mark.slow
async def test_a_page_that_takes_too_much_memory_is_ended_and_no_other(make, site: LocalSite) -> None:  # type: ignore[no-untyped-def]
    site.page(GROWING)
    site.page("<p>no token yet</p>", "/other")
    async with (
        make(memory=400) as pool,
        pool.lease(DESKTOP, site_url=site.url) as growing,
        pool.lease(DESKTOP, site_url=site.url) as other,
    ):
        beside = asyncio.create_task(other.enter(site.spec(url=site.url + "other", limit=90.0)))
        with pytest.raises(BrowserFailed, match=r"the page was ended: it took \d+ MiB, and browser\.memory allows 400"):
            await growing.enter(site.spec(limit=90.0))
        assert not beside.done()
        beside.cancel()
        assert pool.launches == 1


async def test_a_page_that_dies_while_it_loads_is_the_browsers_failure_and_not_the_sites(  # type: ignore[no-untyped-def]
    make, site: LocalSite
) -> None:
    site.held()
    async with make() as pool, pool.lease(DESKTOP, site_url=site.url) as lease:
        entering = asyncio.create_task(lease.enter(site.spec()))
        await site.asked.wait()
        for pid in Process.of(pool.browser_pid).list_family():
            with suppress(OSError):
                if b"--type=renderer" in Path(f"/proc/{pid}/cmdline").read_bytes():
                    os.kill(pid, signal.SIGKILL)
        with pytest.raises(BrowserFailed, match="the page crashed"):
            await entering


async def test_a_dead_browser_is_noticed_at_lease_time(make) -> None:  # type: ignore[no-untyped-def]
    async with make() as pool:
        await use(pool)
        os.kill(pool.browser_pid, signal.SIGKILL)
        await use(pool)
        assert pool.launches == 2


async def test_a_dead_driver_is_started_anew(make) -> None:  # type: ignore[no-untyped-def]
    async with make() as pool:
        await use(pool)
        browser = Process.of(pool.browser_pid)
        profile = Path(browser.find_option("user-data-dir"))
        assert profile.is_dir()
        os.kill(browser.parent, signal.SIGKILL)
        await use(pool)
        assert pool.launches == 2
        await gone(browser)
    assert not profile.exists()


async def test_a_stopped_browser_is_killed_within_its_limit(make) -> None:  # type: ignore[no-untyped-def]
    async with make() as pool:
        await use(pool)
        stopped = Process.of(pool.browser_pid)
        os.kill(stopped.pid, signal.SIGSTOP)
        async with asyncio.timeout(8):
            await use(pool)
            await pool.wait_returned()
        await gone(stopped)


async def test_a_browser_that_is_slow_loses_nobody_who_uses_it(make, site: LocalSite) -> None:  # type: ignore[no-untyped-def]
    async with make() as pool:
        async with pool.lease(DESKTOP, site_url=site.url) as lease:
            await lease.enter(site.spec())
            live_page, slow = await lease.open_live_page(), Process.of(pool.browser_pid)
            os.kill(slow.pid, signal.SIGSTOP)
            try:
                async with pool.lease(DESKTOP, site_url=URL):
                    assert pool.launches == 2
            finally:
                os.kill(slow.pid, signal.SIGCONT)
            await live_page.cookies()
            await live_page.close()
        async with asyncio.timeout(10):
            await gone(slow)


@pytest.mark.slow
async def test_a_browser_that_hangs_fails_those_who_use_it(make, site: LocalSite) -> None:  # type: ignore[no-untyped-def]
    async with make() as pool, pool.lease(DESKTOP, site_url=site.url) as lease:
        await lease.enter(site.spec())
        live_page, hung = await lease.open_live_page(), Process.of(pool.browser_pid)
        os.kill(hung.pid, signal.SIGSTOP)
        async with pool.lease(DESKTOP, site_url=URL), asyncio.timeout(2 * HUNG):
            await gone(hung)
        with pytest.raises(BrowserFailed):
            await live_page.cookies()


async def test_an_idle_pool_runs_nothing(make) -> None:  # type: ignore[no-untyped-def]
    async with make(idle=0.0) as pool:
        async with pool.lease(DESKTOP, site_url=URL):
            process = Process.of(pool.browser_pid)
            driver = Process.of(process.parent)
        async with asyncio.timeout(10):
            await gone(process)
            await gone(driver)
        await use(pool)


@pytest.mark.slow
async def test_a_caller_that_leaves_gives_everything_back(make, site: LocalSite) -> None:  # type: ignore[no-untyped-def]
    async def visit() -> None:
        async with pool.lease(DESKTOP, site_url=site.url) as lease:
            await lease.enter(site.spec())

    async with make(contexts=1) as pool:
        await use(pool)
        for steps in (0, 1, 2, 3, 5, 8, 13, 40):
            task = asyncio.create_task(visit())
            for _ in range(steps):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])
            await pool.wait_returned()
            assert " 0 leased" in repr(pool), steps
            await asyncio.wait_for(visit(), 10)
            assert pool.launches == 1, steps


async def test_a_window_without_a_screen_says_what_to_set(make) -> None:  # type: ignore[no-untyped-def]
    async with make() as pool:
        with pytest.raises(ConfigurationError, match="virtual"):
            async with pool.lease(DESKTOP, site_url=URL, headed=True):
                pass


async def test_a_wrong_executable_is_told_to_every_caller(make, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    async with make(executable=tmp_path / "none") as pool:
        results = await asyncio.gather(use(pool), use(pool), return_exceptions=True)
        assert [type(result) for result in results] == [BrowserMissing, BrowserMissing]


async def test_a_browser_on_a_virtual_display_is_a_plain_chrome(make, site: LocalSite) -> None:  # type: ignore[no-untyped-def]
    async with make() as pool:
        headed = Profile(name="headed", display="virtual")
        async with pool.lease(headed, site_url=site.url) as lease:
            result = await lease.enter(site.spec())
        assert "HeadlessChrome" not in result.headers["user-agent"]
        assert "Chrome" in result.headers["user-agent"]


async def test_a_window_keeps_what_it_held_when_it_is_closed(make, site: LocalSite) -> None:  # type: ignore[no-untyped-def]
    # The page tells when it has been there for longer than two looks; then the person quits the browser.
    site.page("<script>document.cookie = 'a=1'; setTimeout(() => fetch('/later'), 1200)</script>")
    async with make() as pool:
        window = asyncio.create_task(open_window(pool, DESKTOP, site.url, headed=False))
        async with asyncio.timeout(15):
            while not any(path == "/later" for path, _ in site.requests):
                site.asked.clear()
                await site.asked.wait()
            os.kill(pool.browser_pid, signal.SIGTERM)
            kept = await window
    assert [cookie.name for cookie in kept.cookies] == ["a"]


@pytest.mark.slow
async def test_kill_9_of_our_process_leaves_no_chromium(tmp_path: Path) -> None:
    code = f"""
import asyncio, sys
sys.path[:0] = {[path for path in sys.path if path]!r}
from pathlib import Path
from doorkey.browser import BrowserPool, Profile
async def main():
    pool = BrowserPool(state=Path({str(tmp_path)!r}))
    async with pool.lease(Profile(name="desktop"), site_url="http://127.0.0.1:9/"):
        print(pool.browser_pid, flush=True)
        await asyncio.Event().wait()
asyncio.run(main())
"""
    child = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE)
    assert child.stdout is not None
    browser = Process.of(int(await child.stdout.readline()))
    assert browser.alive
    child.kill()
    await child.wait()
    async with asyncio.timeout(5):
        await gone(browser)
    (left,) = tmp_path.iterdir()
    pool = BrowserPool(state=tmp_path)
    await use(pool)
    assert not left.exists()
    await pool.close()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
async def test_the_window_of_a_failed_visit_stays_until_it_is_closed(make, site: LocalSite) -> None:  # type: ignore[no-untyped-def]
    site.page("<p>no token here")
    async with make(contexts=1) as pool:
        pool.inspection = Inspection(headed=True)
        async with pool.lease(DESKTOP, site_url=site.url) as lease:
            with pytest.raises((MissingToken, TimeLimit)):
                await lease.enter(site.spec(limit=9.0))
        assert pool.has_windows
        [running] = pool._list_all()
        [context] = running.browser.contexts
        [page] = context.pages
        assert "no token here" in await page.content()
        waiting = asyncio.create_task(pool.wait_windows())
        await page.close()
        async with asyncio.timeout(60):
            await waiting
            await pool.wait_returned()
            await use(pool)  # its place is free again
        assert not pool.has_windows


@pytest.mark.slow
async def test_a_window_that_is_kept_ends_with_its_pool(make, site: LocalSite) -> None:  # type: ignore[no-untyped-def]
    site.page("<p>no token here")
    async with make() as pool:
        pool.inspection = Inspection(headed=True)
        async with pool.lease(DESKTOP, site_url=site.url) as lease:
            with pytest.raises((MissingToken, TimeLimit)):
                await lease.enter(site.spec(limit=9.0))
        process = Process.of(pool.browser_pid)
    assert not process.alive


KILLED_DRIVER = """
import asyncio, gc, os, signal
from pathlib import Path
from doorkey.browser.running_browser import PlaywrightDriver

async def main():
    driver = PlaywrightDriver()
    playwright = await driver.get()
    for pid in Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split():
        os.kill(int(pid), signal.SIGKILL)
    try:
        await playwright.request.new_context()
    except Exception:
        await driver.stop()
    del playwright, driver

asyncio.run(main())
gc.collect()
"""


async def test_a_driver_that_dies_leaves_no_complaint() -> None:
    """In a process of its own, in which nothing else holds what the driver leaves."""
    command = (sys.executable, "-c", KILLED_DRIVER)
    process = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.PIPE)
    _, told = await process.communicate()
    assert (process.returncode, told) == (0, b"")
