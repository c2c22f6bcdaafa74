"""A runtime that enters a site of the test by a real browser and writes its reports into a folder of the test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestServer

from changing_site import ChangingSite, Entered
from doorkey import Runtime, Settings
from doorkey.assembly import open_archive
from doorkey.browser import BrowserPool
from doorkey.reports.archive import Archive


@pytest.fixture
async def site() -> AsyncIterator[ChangingSite]:
    changing = ChangingSite()
    async with TestServer(changing.app(), host="127.0.0.1") as server:
        changing.url = str(server.make_url("/"))
        yield changing


@pytest.fixture
async def enter(browsers: BrowserPool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Entered]:
    """Makes a runtime with the site `wiki` of these options, and the archive of its reports."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    async with AsyncExitStack() as exits:

        async def make(url: str, *, reports: dict[str, Any] | None = None, **options: Any) -> tuple[Runtime, Archive]:
            settings = Settings.model_validate(
                {
                    "sites": {"wiki": {"provider": "web", "url": url, **options}},
                    "store": {"url": "memory://"},
                    "reports": reports or {},
                    "limits": {"visit": 12.0},
                    "manners": {"rate": 1000.0},
                }
            )
            return await exits.enter_async_context(Runtime(settings, pool=browsers)), open_archive(settings)

        yield make
