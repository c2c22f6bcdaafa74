"""`doorkey serve` imports nothing that the first request might not need: it starts in under a second."""

from __future__ import annotations

import re
import signal
from asyncio.subprocess import Process

from .conftest import Doorkey

LATE = (
    "playwright", "lxml", "bs4", "rich", "jinja2", "markupsafe", "prometheus_client", "pyotp", "tenacity", "redis",
    "cryptography", "keyring", "mcp", "uvicorn",
    "doorkey.agents.server", "doorkey.agents.tools", "doorkey.browser.lease",
    "doorkey.browser.live.live_page", "doorkey.browser.live_view.live_view",
    "doorkey.browser.showing", "doorkey.browser.visit", "doorkey.cli.add", "doorkey.learning", "doorkey.reports",
    "doorkey.sessions.browser_renewal", "doorkey.sessions.http_renewal", "doorkey.sessions.redis_store",
    "doorkey.setup",
    "doorkey_providers.twins",
)  # fmt: skip
"""What is imported when it is first used: by a visit, a report, a look at the dashboard, another command."""
IMPORT = re.compile(r"^import time: +\d+ \| +\d+ \| +([\w.]+)$", re.M)


async def test_a_start_imports_nothing_for_later(doorkey: Doorkey) -> None:
    doorkey.settings["PYTHONPROFILEIMPORTTIME"] = "1"
    serving: Process = await doorkey.start("serve", "--port", "0", "--json")
    assert serving.stdout is not None
    assert await serving.stdout.readline()
    serving.send_signal(signal.SIGTERM)
    _, told = await serving.communicate()
    imported = set(IMPORT.findall(told.decode()))
    assert {"aiohttp", "doorkey.service.app", "doorkey.runtime"} <= imported
    assert [name for name in sorted(imported) if any(f"{name}.".startswith(f"{late}.") for late in LATE)] == []
