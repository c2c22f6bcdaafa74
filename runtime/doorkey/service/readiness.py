"""`GET /healthz`: whether the service is alive. `GET /readyz`: whether it can serve, and if not, why."""

from __future__ import annotations

import asyncio
import logging
import math
from typing import TYPE_CHECKING

from aiohttp import web

from doorkey.browser.chromium import find_chromium
from doorkey.clock import Clock
from doorkey.config.settings import playwright_downloads
from doorkey.errors import DoorkeyError
from doorkey.service.running import RunningRequests

if TYPE_CHECKING:
    from doorkey.runtime import Runtime

log = logging.getLogger(__name__)

STORE = 5.0
"""Seconds that the store may take to be read."""
BROWSER = 60.0
"""Seconds between two looks at whether there is a browser: each starts it to ask for its version."""


class Readiness:
    """Finds what keeps the service from serving."""

    def __init__(self, runtime: Runtime, running: RunningRequests, clock: Clock) -> None:
        self._runtime = runtime
        self._running = running
        self._clock = clock
        self._browser = ""
        self._looked = -math.inf

    async def problems(self) -> list[str]:
        """Return a sentence for each problem; none if the service is ready."""
        found = []
        if self._running.stopping:
            found.append("the service is being stopped")
        if self._running.full:
            found.append("as many requests are under way as service.at_once allows")
        if not self._runtime.sites:
            found.append("no site is configured")
        try:
            async with asyncio.timeout(STORE):
                await self._runtime.known()
        except TimeoutError:
            found.append(f"the store could not be read within {STORE:g} s")
        except DoorkeyError as error:
            found.append(f"the store can't be read: {error}")
        if browser := await self._find_no_browser():
            found.append(browser)
        return found

    async def _find_no_browser(self) -> str:
        if self._clock.now() - self._looked >= BROWSER:
            try:
                configured = self._runtime.settings.browser.executable
                await asyncio.to_thread(find_chromium, configured, playwright_downloads())
                self._browser = ""
            except DoorkeyError as error:
                self._browser = error.message
            self._looked = self._clock.now()
        return self._browser


def readiness_routes(runtime: Runtime, running: RunningRequests, clock: Clock) -> list[web.RouteDef]:
    readiness = Readiness(runtime, running, clock)

    async def show_health(request: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    async def show_readiness(request: web.Request) -> web.Response:
        problems = await readiness.problems()
        if not problems:
            return web.json_response({"status": "ready"})
        return web.json_response({"status": "not ready", "problems": problems}, status=503)

    return [web.get("/healthz", show_health), web.get("/readyz", show_readiness)]
