"""A person looks at a visit: it pauses in Playwright's inspector, goes slowly, and shows the developer tools."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import BrowserContext

from doorkey.browser import BrowserPool, Profile
from doorkey.browser.display import VirtualDisplay
from doorkey.clock import SystemClock
from doorkey.errors import NeedsPerson
from doorkey.model.events import Event, Events, VisitEvent
from doorkey.model.inspection import PAUSED, Inspection

from .conftest import LocalSite

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("Xvfb") is None, reason="needs Xvfb"),
]
DESKTOP = Profile(name="desktop")


@pytest.fixture
async def screen(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[str]:
    """A screen for windows: programs that Playwright starts, such as its inspector, take it from the environment."""
    virtual = VirtualDisplay()
    name = await virtual.start()
    monkeypatch.setenv("DISPLAY", name)
    yield name
    await virtual.close()


@pytest.fixture
async def pool(screen: str, tmp_path: Path) -> AsyncIterator[BrowserPool]:
    made = BrowserPool(state=tmp_path / "state", screen=screen)
    yield made
    await made.close()


class Paused:
    """Events of a visit, of which a pause is waited for."""

    def __init__(self) -> None:
        self.events = Events(SystemClock())
        self.events.hooks.append(self._hear)
        self._paused = asyncio.Event()

    def _hear(self, event: Event) -> None:
        if isinstance(event, VisitEvent) and "paused" in event.detail:
            self._paused.set()

    async def wait(self) -> None:
        async with asyncio.timeout(60):
            await self._paused.wait()


async def test_a_visit_pauses_at_its_page_until_it_is_resumed(pool: BrowserPool, site: LocalSite) -> None:
    pool.inspection = Inspection(headed=True, pause=True, devtools=True, slow=0.01)
    paused = Paused()
    spec = site.spec(limit=9.0, inspection=pool.inspection)
    async with pool.lease(DESKTOP, site_url=site.url, headed=True, events=paused.events.of("wiki")) as lease:
        visit = asyncio.create_task(lease.enter(spec))
        await paused.wait()
        context = await find_context(pool)
        reached = asyncio.Event()
        context.debugger.on("pausedstatechanged", lambda *_: reached.set())
        if context.debugger.paused_details is None:
            await reached.wait()
        assert not visit.done()
        assert "hello" in await context.pages[0].content()
        await context.debugger.resume()
        result = await visit
    assert result.tokens == {"csrf": "abc123"}


async def test_a_window_that_is_closed_in_a_pause_ends_the_visit(pool: BrowserPool, site: LocalSite) -> None:
    pool.inspection = Inspection(headed=True, pause=True)
    paused = Paused()
    spec = site.spec(limit=9.0, inspection=pool.inspection)
    async with pool.lease(DESKTOP, site_url=site.url, headed=True, events=paused.events.of("wiki")) as lease:
        visit = asyncio.create_task(lease.enter(spec))
        await paused.wait()
        await (await find_context(pool)).pages[0].close()
        with pytest.raises(NeedsPerson, match="closed while the visit was paused"):
            await visit
    await pool.wait_windows()


def test_a_pause_and_slow_actions_lengthen_the_limit() -> None:
    assert Inspection().longer == 0.0
    assert Inspection(slow=0.5).longer == 10.0
    assert Inspection(pause=True).longer == PAUSED


async def find_context(pool: BrowserPool) -> BrowserContext:
    [running] = pool._list_all()
    [context] = running.browser.contexts
    return context
