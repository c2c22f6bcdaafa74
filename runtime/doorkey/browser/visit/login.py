"""Runs the steps of a login in a page. What it fills in is said nowhere: not in steps, errors or tracebacks."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

from doorkey.browser.playwright_errors import translate
from doorkey.browser.routing import RequestRouting
from doorkey.browser.visit.challenge import Challenge
from doorkey.browser.visit.inspector import PageInspector
from doorkey.browser.visit.reading_scripts import ASKS, READY_STATE
from doorkey.browser.visit.spec import VisitSpec
from doorkey.clock import Clock
from doorkey.errors import BrowserFailed, Changed, ConfigurationError, DoorkeyError, NeedsPerson
from doorkey.model.events import SiteEvents
from doorkey.model.login_steps import Step
from doorkey.model.urls import origin_of

if TYPE_CHECKING:
    from playwright.async_api import Frame, Locator

STEP = 10.0
POLL = 0.05
ASKING = 2.0
"""Seconds: for one step at most, between two looks, for a question to the page."""

PASSWORD = "a password"  # noqa: S105 - what is asked for, none itself
HOLDS = "([field], value) => !field || field.value === undefined || field.value === value"
"""Of a field that is gone or holds no text there is nothing to fill in again."""


class StepLogin:
    """One run of `spec.steps`. `sent`: whether a form may have been sent."""

    def __init__(
        self,
        inspector: PageInspector,
        spec: VisitSpec,
        guard: RequestRouting,
        challenge: Challenge,
        clock: Clock,
        events: SiteEvents,
    ) -> None:
        self._inspector, self._page = inspector, inspector.page
        self._spec, self._guard, self._clock, self._events = spec, guard, clock, events
        self._challenge = challenge
        self._limit = min(STEP, spec.limit / 4)
        self._navigated = False
        self._filled: list[tuple[Locator, str]] = []
        self._asked = ""  # what the page after the steps asks for, and where that was
        self.sent = False
        # Only what settings name: a redirect must not choose who is told a password.
        places = (guard.site_url, *(step.place for step in spec.steps if "://" in step.place))
        self._origins = {origin_of(place) for place in places}

    async def run(self, ready: Callable[[], Awaitable[bool]]) -> None:
        """Run the steps; return once the site has answered the last one. *ready* tells whether it let one in.

        Raises Changed for a step that does not fit the page, NeedsPerson when the site asks for more than the steps
        give, ConfigurationError for a value that can't be had or must not go there.
        """
        self._page.on("framenavigated", self._went)
        try:
            for number, step in enumerate(self._spec.steps, 1):
                self._events.report("login", f"login step {number}: {step}")
                await self._step(f"login step {number} ({step})", step)
            if self.sent:
                await self._until(lambda: self._answered(ready))
            self._asked = await self._asks()
        finally:
            self._page.remove_listener("framenavigated", self._went)

    async def failure(self, why: str) -> DoorkeyError:
        """What to raise where the steps are over, or stuck for the reason *why*, and nobody was let in."""
        asked = self._asked or await self._asks()
        if asked.endswith(PASSWORD):
            return NeedsPerson(
                f"the site did not take the login: after the steps, {asked} again. Check the values that the steps "
                "refer to; a login by hand: doorkey login SITE --by-hand"
            )
        if asked:
            return NeedsPerson(f"after the login steps, {asked}: doorkey login SITE --by-hand")
        return Changed(f"{why} (the page is {self._where}). Compare visit.steps with the site's login page")

    async def _asks(self) -> str:
        """What the page asks for, as a sentence; empty where it asks for nothing, or no form was sent."""
        asked = await self._ask(ASKS) if self.sent else ""
        return f"{self._where} asks for {asked}" if asked else ""

    def _went(self, frame: Frame) -> None:
        if frame == self._page.main_frame:
            self._navigated = True
            self._filled.clear()

    async def _step(self, name: str, step: Step) -> None:
        from playwright.async_api import Error
        from playwright.async_api import TimeoutError as PlaywrightTimeout

        try:
            match step.action:
                case "open":
                    await self._open(step)
                case "fill":
                    await self._fill(name, step)
                case "click":
                    await self._click(step)
                case "wait":
                    await self._wait(step)
        except (PlaywrightTimeout, _NotThere):
            failure = await self.failure(f"{name}: the page did not come to that within {self._limit:g} s")
            # Not chained, here and below: Playwright's own text has a log of its calls, with what was filled in.
            raise failure from None
        except Error as error:
            failure = translate(error, name, self._limit)
            if isinstance(failure, BrowserFailed) and not self._page.is_closed():
                # A selector that is none, an element that takes no text: another browser would say the same.
                failure = await self.failure(failure.message)
            raise failure from None

    async def _open(self, step: Step) -> None:
        url = urljoin(self._guard.site_url, step.target)
        why = await self._guard.refuses(url)
        if why is not None:
            raise ConfigurationError(f"the page of a login step is not opened: {why}")
        await self._page.goto(url, wait_until="load", timeout=self._limit * 1000)
        await self._challenge.wait_passed(widgets=False)  # a widget may be the form's own

    async def _fill(self, name: str, step: Step) -> None:
        field = self._page.locator(step.target).first
        kind = await field.get_attribute("type", timeout=self._limit * 1000)
        if (kind or "").lower() == "password" and not step.refers:
            raise ConfigurationError(
                f'{name}: this is a password\'s field, and its value must not stand in a settings file: "env:NAME", '
                '"file:PATH" or "command:…" says where it is'
            )
        value = await self._spec.value_of(step.value)
        here = origin_of(self._page.url)
        if here not in self._origins:
            raise ConfigurationError(
                f"{name}: the page has led to {here}: nothing is filled in there unless a step names that place, "
                f'like {{ wait = "url:{here}/*" }}'
            )
        await field.fill(value, timeout=self._limit * 1000)
        self._filled.append((field, value))
        await self._fill_again()

    async def _fill_again(self) -> None:
        """Once more what a script of the page has taken away: by moving the focus while one field was filled in (what
        was meant for it then stands in another), or by drawing the form anew."""
        for field, value in self._filled.copy():
            if await field.evaluate_all(HOLDS, value):
                continue
            await field.fill(value, timeout=self._limit * 1000)

    async def _click(self, step: Step) -> None:
        target = self._page.locator(step.target).first
        await target.wait_for(state="visible", timeout=self._limit * 1000)
        await self._fill_again()
        self._navigated, self.sent = False, True
        await target.click(timeout=self._limit * 1000)

    async def _wait(self, step: Step) -> None:
        if not step.place:
            await self._page.locator(step.target).first.wait_for(state="attached", timeout=self._limit * 1000)
        elif not await self._until(lambda: self._at(step.place)):
            raise _NotThere
        else:
            await self._page.wait_for_load_state("load", timeout=self._limit * 1000)

    async def _at(self, glob: str) -> bool:
        url = self._page.url
        if "://" in glob:
            return fnmatchcase(url, glob)
        parts = urlsplit(url)
        path = parts.path + (f"?{parts.query}" if parts.query else "")
        return origin_of(url) == origin_of(self._guard.site_url) and fnmatchcase(path, glob)

    async def _answered(self, ready: Callable[[], Awaitable[bool]]) -> bool:
        if self._navigated and await self._ask(READY_STATE) == "complete":
            return True
        return await ready()

    async def _until(self, holds: Callable[[], Awaitable[bool]]) -> bool:
        end = self._clock.now() + self._limit
        while not await holds():
            if self._clock.now() >= end:
                return False
            await self._clock.sleep(POLL)
        return True

    async def asks_password(self) -> bool:
        """Whether the page shows a password's field."""
        return await self._ask(ASKS) == PASSWORD

    async def _ask(self, script: str) -> str:
        """What the page says to *script*; nothing while it navigates or hangs."""
        try:
            async with asyncio.timeout(ASKING):
                return str(await self._inspector.evaluate(script))
        except (BrowserFailed, TimeoutError):
            return ""

    @property
    def _where(self) -> str:
        # Without the query: it may hold what was typed.
        parts = urlsplit(self._page.url)
        same = origin_of(self._page.url) == origin_of(self._guard.site_url)
        return parts.path if same else f"{origin_of(self._page.url)}{parts.path}"


class _NotThere(Exception):
    """A place that was waited for did not come."""
