"""Runs the steps of a login in a page. What it fills in appears in no event, error or traceback."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING
from urllib.parse import urljoin

from doorkey.browser.playwright_errors import translate
from doorkey.browser.routing import RequestRouting
from doorkey.browser.visit.challenge import Challenge
from doorkey.browser.visit.facts_reader import FactsReader
from doorkey.browser.visit.login_observer import PASSWORD, LoginObserver
from doorkey.browser.visit.spec import VisitSpec
from doorkey.browser.visit.step_failure import explain
from doorkey.browser.visit.step_target import POLL, Found, StepTargets
from doorkey.clock import Clock
from doorkey.config.one_time_codes import OneTimeCodes
from doorkey.errors import ConfigurationError, DoorkeyError
from doorkey.model.events import SiteEvents
from doorkey.model.events import Step as Stage
from doorkey.model.login_steps import Step, is_login
from doorkey.model.urls import origin_of

if TYPE_CHECKING:
    from playwright.async_api import Locator

STEP = 10.0
OPTIONAL = 2.0
HIDDEN = 3.0
"""Seconds: for one step at most; for the element of an optional step to appear; for a hidden button of a form that was
filled in, before Enter is pressed in its place."""
HOLDS = "([field], value) => !field || field.value === undefined || field.value === value"
"""A field that is gone, or that is none, has nothing to fill in again."""
SUBMITS = "(one) => !!one.form && (one.type === 'submit' || one.type === 'image')"


class StepLogin:
    """One run of `spec.steps`. `sent` tells whether a login may have been sent."""

    def __init__(
        self,
        targets: StepTargets,
        observer: LoginObserver,
        spec: VisitSpec,
        routing: RequestRouting,
        challenge: Challenge,
        reader: FactsReader,
        codes: OneTimeCodes,
        clock: Clock,
        events: SiteEvents,
    ) -> None:
        self._targets, self._observer, self._page = targets, observer, targets.inspector.page
        self._spec, self._routing, self._challenge, self._reader = spec, routing, challenge, reader
        self._codes, self._clock, self._events = codes, clock, events
        self._limit = min(STEP, spec.limit / 4)
        self._stage: Stage = "login" if spec.logs_in else "page"
        self._noun = "login step" if spec.logs_in else "step"
        self._filled: list[tuple[Locator, str]] = []
        self.waiting = False

    async def clear_way(self) -> bool:
        """Run the steps that may be needed although `ready` shows: those of a wall before the page.

        These are all steps where none fills in anything, else the optional ones at the beginning. Each is run only if
        its element is visible. Returns whether one was run.
        """
        steps = list(self._spec.steps)
        if is_login(self._spec.steps):
            first = next((at for at, step in enumerate(steps) if not step.optional), len(steps))
            steps = steps[:first]
        done = False
        for number, step in enumerate(steps, 1):
            if not step.selector or await self._find(step, OPTIONAL) is None:
                break
            self._events.report(self._stage, f"step {number} clears the way: {step}")
            await self._run_step(number, step)
            done = True
        return done

    async def can_begin(self) -> bool:
        """Tell whether the first step has what it needs: a page to open, or its element on this one."""
        first = self._spec.steps[0]
        return not first.selector or await self._find(first, 0.0) is not None

    async def run(self, ready: Callable[[], Awaitable[bool]]) -> None:
        """Run the steps. Return once the site has answered the last one. *ready* tells whether `ready` shows.

        Raises Changed for a step that does not fit the page, NeedsPerson if the site asks for more than the steps
        give, ConfigurationError for a value that can't be read or must not be filled in there.
        """
        self._targets.accepting = True
        acted = False
        try:
            for number, step in enumerate(self._spec.steps, 1):
                self._events.report(self._stage, f"{self._noun} {number}: {step}")
                self._observer.filling = any(later.action == "fill" for later in self._spec.steps[number:])
                await self._run_step(number, step)
                acted = acted or step.action in ("click", "press")
            if acted:
                await self._wait_until(lambda: self._is_answered(ready), self._limit)
            await self._observer.remember_answer()
        finally:
            await self._targets.close_popups()

    async def _run_step(self, number: int, step: Step) -> None:
        from playwright.async_api import Error

        name = self._observer.step = f"{self._noun} {number} ({step})"
        self._observer.selector = step.selector
        popup = self._targets.popup
        try:
            if step.optional and step.selector and await self._find(step, min(OPTIONAL, self._limit)) is None:
                self._events.report(self._stage, f"{name}: not there, and optional")
                return
            await self._perform(name, step)
            self._observer.step = self._observer.selector = ""
        except _NotThereError:
            what = "the page did not get there" if step.place else "it is not there"
            failure = await self._observer.explain_step(f"{name}: {what} (waited {self._limit:g} s)", fields=True)
            # Not chained, here and below: Playwright's own text has a log of its calls, with what was filled in.
            raise await self._find_refusal() or failure from None
        except Error as error:
            if popup is not None and popup.is_closed():
                return  # the step did what it should: the popup has closed itself
            if self._page.is_closed() or "net::ERR_" in error.message:
                raise self._routing.last_failure or translate(error, name, self._limit) from None
            failure = await self._observer.explain_step(f"{name}: {explain(error.message, self._limit)}")
            raise failure from None

    async def _perform(self, name: str, step: Step) -> None:
        match step.action:
            case "open":
                await self._open(step)
            case "wait":
                await self._wait(step)
            case "press" if not step.on:
                await self._act(step, self._targets.inspector.page.keyboard.press(step.target))
            case "fill" | "select":
                await self._enter(name, step, await self._get(step))
            case "check":
                await self._check(await self._get(step))
            case "press":
                found = await self._get(step)
                await self._act(step, found.locator.press(step.target, timeout=self._limit * 1000))
            case "click":
                await self._click(step, await self._get(step))

    async def _find(self, step: Step, limit: float) -> Found | None:
        found = await self._targets.find(step.selector, step.frame, limit, lambda one: one.visible)
        return found if found is not None and found.visible else None

    async def _get(self, step: Step) -> Found:
        """Return the step's element. A hidden one is returned if no visible one comes: acting on it tells why."""
        limit = HIDDEN if step.action == "click" and self._filled else self._limit
        found = await self._targets.find(step.selector, step.frame, limit, lambda one: one.visible)
        if found is None and limit < self._limit:
            rest = self._limit - limit
            found = await self._targets.find(step.selector, step.frame, rest, lambda one: one.visible)
        if found is None:
            raise _NotThereError
        return found

    async def _open(self, step: Step) -> None:
        url = urljoin(self._routing.site_url, step.target)
        why = await self._routing.explain_refusal(url)
        if why is not None:
            raise ConfigurationError(f"the page of a login step is not opened: {why}")
        self._reader.note_opened(url)
        await self._page.goto(url, wait_until="load", timeout=self._limit * 1000)
        self._filled.clear()
        await self._challenge.wait_passed(widgets=False)  # a widget may belong to the form

    async def _enter(self, name: str, step: Step, found: Found) -> None:
        field = found.locator
        kind = (await field.get_attribute("type", timeout=self._limit * 1000) or "").lower()
        if step.action == "fill" and kind == "password" and not step.refers:
            raise ConfigurationError(
                f'{name}: this is a password\'s field, and its value must not stand in a settings file: "env:NAME", '
                '"file:PATH" or "command:…" says where it is'
            )
        here = origin_of(found.origin_url)
        if here not in self._observer.origins:
            raise ConfigurationError(
                f"{name}: the page has led to {here}: nothing is filled in there unless a step names that place, "
                f'like {{ wait = "url:{here}/*" }}'
            )
        value = await self._resolve(name, step)
        if step.action == "select":
            await field.select_option(value, timeout=self._limit * 1000)
            return
        self._observer.note_filled(value, secret=kind == "password" or step.kind != "value")
        await field.fill(value, timeout=self._limit * 1000)
        self._filled.append((field, value))
        await self._fill_again()

    async def _resolve(self, name: str, step: Step) -> str:
        if step.kind == "value":
            return await self._spec.value_of(step.value)
        self.waiting = True  # for a person, a program, or the next period of a code
        if step.kind == "totp":
            return await self._codes.make(await self._spec.value_of(step.value))
        self._events.report(self._stage, f"{name}: waiting up to {self._spec.challenge:g} s for a one-time code")
        return (await self._spec.code_of(step.value, self._spec.challenge)).strip()

    async def _fill_again(self) -> None:
        """Fill in again what a script of the page has taken away, by moving the focus or by drawing the form anew."""
        from playwright.async_api import Error

        for field, value in self._filled.copy():
            try:
                if await field.evaluate_all(HOLDS, value):
                    continue
            except Error:
                self._filled.remove((field, value))  # its frame or popup is gone
                continue
            await field.fill(value, timeout=self._limit * 1000)

    async def _check(self, found: Found) -> None:
        if found.visible:
            await found.locator.check(timeout=self._limit * 1000)
            return
        # A checkbox that is drawn by its label: a person clicks the label.
        handle = await found.locator.evaluate_handle("(box) => box.checked ? null : (box.labels?.[0] ?? box)")
        element = handle.as_element()
        if element is not None:
            await element.click(timeout=self._limit * 1000)

    async def _click(self, step: Step, found: Found) -> None:
        from playwright.async_api import Error

        await self._fill_again()
        enter = bool(self._filled) and await found.locator.evaluate(SUBMITS)
        try:
            limit = min(HIDDEN, self._limit) if enter else self._limit
            await self._act(step, found.locator.click(timeout=limit * 1000))
        except Error as error:
            reason = explain(error.message, self._limit)
            if not enter or reason not in ("it lies off screen", "it is hidden"):
                raise
            self._events.report(self._stage, f"{step}: {reason}; pressing Enter in the form, as a person would")
            await self._act(step, self._filled[-1][0].press("Enter", timeout=self._limit * 1000))

    async def _act(self, step: Step, action: Awaitable[None]) -> None:
        """Await *action*, which may send a form. A page on its way may take the rest of the visit's time to answer."""
        from playwright.async_api import TimeoutError as PlaywrightTimeout

        await self._observer.begin_action()
        try:
            await action
        except PlaywrightTimeout:  # Playwright waits for the navigation that the action began, too
            if not self._observer.leaving:
                raise
            self._events.report(
                self._stage, f"{step}: done; the site has not answered within {self._limit:g} s, waiting"
            )
            await self._wait_until(self._observer.has_navigated, self._spec.limit)

    async def _wait(self, step: Step) -> None:
        if not step.place:
            if await self._targets.find(step.target, step.frame, self._limit, lambda _: True) is None:
                raise _NotThereError
            return
        if not await self._wait_until(lambda: self._targets.is_at(step.place, self._routing.site_url), self._limit):
            raise _NotThereError
        await self._targets.inspector.page.wait_for_load_state("load", timeout=self._limit * 1000)

    async def _is_answered(self, ready: Callable[[], Awaitable[bool]]) -> bool:
        if self._targets.popup is None and await self._observer.has_navigated():
            return True
        return await ready()

    async def _wait_until(self, holds: Callable[[], Awaitable[bool]], limit: float) -> bool:
        end = self._clock.now() + limit
        while not (held := await holds()) and self._clock.now() < end:
            await self._clock.sleep(POLL)
        return held

    @property
    def sent(self) -> bool:
        return self._observer.sent

    async def asks_password(self) -> bool:
        """Tell whether the page shows a password field."""
        return await self._observer.ask() == PASSWORD

    async def explain_failure(self, why: str) -> DoorkeyError:
        """Return the error where all steps were run and the page does not show `ready`: *why* says so."""
        why = f"the {self._noun}s are done, but {why}"
        return await self._find_refusal() or await self._observer.explain_end(why)

    async def _find_refusal(self) -> DoorkeyError | None:
        """Return the error of a page that lets nobody in, if no login was sent and it asks for none."""
        return None if self.sent or await self._observer.ask() else await self._challenge.explain()


class _NotThereError(Exception):
    """An element or a place that a step needs did not come."""
