"""A Chromium that starts and then fails is not left behind."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, CDPSession, Error, Playwright, async_playwright

from doorkey.browser.chromium import find_chromium
from doorkey.browser.running_browser import RunningBrowser
from doorkey.errors import BrowserFailed

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]


class Silent:
    """A Playwright whose Chromium is a real one that does not let itself be asked."""

    def __init__(self, playwright: Playwright) -> None:
        self._playwright = playwright
        self.browser: Browser | None = None

    @property
    def chromium(self) -> Silent:
        return self

    async def launch(self, **options: Any) -> Silent:
        self.browser = await self._playwright.chromium.launch(**options)
        return self

    async def new_browser_cdp_session(self) -> CDPSession:
        raise Error("Protocol error (Target.attachToBrowserTarget): Not allowed")

    async def close(self) -> None:
        assert self.browser is not None
        await self.browser.close()


@pytest_asyncio.fixture(loop_scope="module")
async def silent() -> AsyncIterator[Silent]:
    async with async_playwright() as playwright:
        yield Silent(playwright)


async def test_a_chromium_that_cannot_be_asked_after_its_start_is_ended(silent: Silent, tmp_path: Path) -> None:
    with pytest.raises(BrowserFailed, match="starting Chromium"):
        await RunningBrowser.start(
            silent,  # type: ignore[arg-type]  # keeps what `start` uses of a Playwright
            executable=find_chromium().path,
            display="headless",
            x_display=None,
            sandbox="auto",
            folder=tmp_path,
            born=0.0,
        )
    assert silent.browser is not None
    assert not silent.browser.is_connected()
