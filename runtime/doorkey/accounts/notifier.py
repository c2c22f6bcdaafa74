"""Tells the user that a site needs a person: by a command, or by a webhook."""

from __future__ import annotations

import asyncio
import logging
import shlex
from collections.abc import Awaitable, Callable, Coroutine
from datetime import UTC, datetime
from typing import Any

from doorkey.clock import Clock
from doorkey.config.settings import environment_with
from doorkey.errors import ConfigurationError
from doorkey.model.events import Event, VisitEvent

LIMIT = 20.0
"""Seconds that a notice may take."""
AGAIN = 3600.0
"""Seconds in which the same site is told of once."""
log = logging.getLogger("doorkey.notify")


class Notifier:
    """Subscribes to events (`on_event`). Notices go out behind: nobody waits for them, and one that fails is logged.

    `command` is run without a shell, with NOTIFY_SITE and NOTIFY_REASON in its environment. `webhook` returns the URL
    that gets a POST of JSON: `site`, `reason`, `at` (ISO 8601). Neither holds a secret. `limit`: see LIMIT.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        command: str | None = None,
        webhook: Callable[[], Awaitable[str]] | None = None,
        limit: float = LIMIT,
    ) -> None:
        self._clock, self._command, self._webhook, self._limit = clock, command, webhook, limit
        self._told: dict[str, float] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def on_event(self, event: Event) -> None:
        if not isinstance(event, VisitEvent) or event.step != "person":
            return
        now = self._clock.now()
        if now < self._told.get(event.site, float("-inf")) + AGAIN:
            return
        self._told[event.site] = now
        if self._command is not None:
            self._spawn("command", self._run(self._command, event))
        if self._webhook is not None:
            self._spawn("webhook", self._post(self._webhook, event))

    async def close(self) -> None:
        """Wait for the notices under way, at most as long as one may take."""
        await asyncio.gather(*self._tasks)

    def _spawn(self, kind: str, work: Coroutine[Any, Any, None]) -> None:
        async def limited() -> None:
            try:
                async with asyncio.timeout(self._limit):
                    await work
            except TimeoutError:
                log.warning("notify.%s did not end within %g s", kind, self._limit)
            except (OSError, ConfigurationError) as error:
                # A URL may be a secret, so only our own texts and the system's are repeated.
                log.warning("notify.%s failed: %s", kind, getattr(error, "strerror", None) or type(error).__name__)

        task = asyncio.create_task(limited(), name=f"notify by {kind}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, command: str, event: VisitEvent) -> None:
        environment = environment_with(NOTIFY_SITE=event.site, NOTIFY_REASON=event.detail)
        child = await asyncio.create_subprocess_exec(
            *shlex.split(command), env=environment, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL
        )
        try:
            code = await child.wait()
        except asyncio.CancelledError:
            child.kill()
            await child.wait()
            raise
        if code:
            log.warning("notify.command ended with exit code %d", code)

    async def _post(self, webhook: Callable[[], Awaitable[str]], event: VisitEvent) -> None:
        import aiohttp

        at = datetime.fromtimestamp(event.at, UTC).isoformat(timespec="seconds")
        notice = {"site": event.site, "reason": event.detail, "at": at}
        url = await webhook()
        try:
            async with aiohttp.ClientSession(trust_env=True) as session, session.post(url, json=notice) as answer:
                if answer.status >= 400:
                    log.warning("notify.webhook was answered with HTTP %d", answer.status)
        except (aiohttp.ClientError, ValueError) as error:
            log.warning("notify.webhook failed: %s", type(error).__name__)
