"""The work of one addition: a site is looked at or shown, tried, and written once a person agrees."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from doorkey.clock import Clock
from doorkey.errors import DoorkeyError, TimeLimit
from doorkey.model.events import VisitEvent
from doorkey.model.failure import describe_error
from doorkey.model.printable import harmless
from doorkey.service.additions.board import LONGEST, AdditionState, Board

if TYPE_CHECKING:
    from doorkey.learning.recording import Recording
    from doorkey.learning.sample import Sample
    from doorkey.model.events import Event
    from doorkey.runtime import Runtime
    from doorkey.setup.found_site import FoundSite
    from doorkey.setup.site_setup import SiteSetup

log = logging.getLogger("doorkey.service")

LIMIT = 1800.0
"""Seconds that an addition may take, with the times in which a person shows the site and reads what was found."""
LOOK = 0.25
"""Seconds between two looks at what a person wishes: they may have said it to another worker."""
TAKEOVER = 15.0
"""Seconds in which the service should take the changed settings file over."""


@dataclass(frozen=True, slots=True)
class Order:
    """What somebody asked for. `user` and `password` are empty where none was given; `show`: they show the site."""

    url: str
    name: str = ""
    user: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    show: bool = False


class Addition:
    """One addition, by the browser of *runtime*. What it does is put on *board*, and wishes are taken from there."""

    def __init__(self, order: Order, state: AdditionState, runtime: Runtime, board: Board, clock: Clock) -> None:
        self._order, self._state, self._runtime, self._board = order, state, runtime, board
        self._clock = clock
        self._answer: asyncio.Future[str] | None = None
        self._writing: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Do it until it has ended, in whatever way. Raises nothing but CancelledError."""
        work = asyncio.create_task(self._work())
        until = self._clock.now() + LIMIT
        try:
            while not work.done():
                await asyncio.wait([work], timeout=LOOK)
                wish = self._board.take_wish(self._state.id)
                late = self._clock.now() >= until
                if (wish == "cancel" or late) and self._writing is None:
                    work.cancel()
                    await asyncio.wait([work])
                    self._end(None if wish == "cancel" else TimeLimit("the addition of a site", LIMIT))
                    return
                if self._answer is not None and not self._answer.done() and wish:
                    self._answer.set_result(wish)
            self._end(work.exception(), done=True)
        finally:
            work.cancel()
            await asyncio.gather(work, *([self._writing] if self._writing else ()), return_exceptions=True)
            if self._state.active:
                written = self._writing is not None and self._writing.exception() is None
                self._publish(phase="written" if written else "cancelled", view="", fault="the service was stopped")

    async def _work(self) -> None:
        setup = self._make_setup()
        found = await setup.find()
        self._publish(phase="found", view="", question="", **_describe(found, setup))
        if found.unchanged:
            return
        while await self._ask() != "write":
            continue
        self._publish(phase="writing")
        self._writing = asyncio.create_task(asyncio.to_thread(setup.write, found))
        await asyncio.shield(self._writing)  # what has begun is finished, also if the service is stopped
        await self._wait_for_takeover(found.site)

    def _make_setup(self) -> SiteSetup:
        from doorkey.config.settings import Settings
        from doorkey.setup.site_setup import SiteSetup, TypedLogin

        order, source = self._order, self._runtime.settings.source
        return SiteSetup(
            url=order.url,
            name=self._state.site,
            config=source,
            settings=Settings.load(source),
            pool=self._runtime.pool,
            showing=_LiveShowing(self) if order.show else None,
            agrees=self._agree,
            login=TypedLogin(order.user, order.password) if order.password else None,
            keeps_login=True,
            say=self._say,
            hooks=[self._on_event],
        )

    async def show(self, runtime: Runtime, url: str) -> Recording:
        """Show *url* to a person in the live view, and return what they do."""
        from doorkey.browser import load_profile
        from doorkey.browser.showing.live_showing import show_in_view
        from doorkey.config.settings import config_dirs
        from doorkey.setup.names import derive_name_from_host

        profile = load_profile("desktop", config_dirs()[-1] / "profiles")
        site = self._state.site or derive_name_from_host(url) or "site"
        recording = await show_in_view(
            runtime.pool,
            profile,
            url,
            site,
            events=runtime.events.of(""),
            on_open=lambda view: self._publish(phase="showing", view=view),
        )
        self._publish(phase="looking", view="")
        return recording

    async def _agree(self, sample: Sample) -> bool:
        """Ask whether the write may be sent once more."""
        self._publish(phase="asking", question=harmless(str(sample)))
        while (wish := await self._ask()) not in ("send", "skip"):
            continue
        self._publish(phase="looking", question="")
        return wish == "send"

    async def _ask(self) -> str:
        self._answer = asyncio.get_running_loop().create_future()
        return await self._answer

    async def _wait_for_takeover(self, site: str) -> None:
        """Wait until the service has taken the new settings over. Where it does not, its log says why."""
        until = self._clock.now() + TAKEOVER
        while site not in self._runtime.sites and self._clock.now() < until:
            await self._clock.sleep(LOOK)
        if site not in self._runtime.sites:
            self._say("the service has not taken the new lines over yet: its log says why")

    def _say(self, step: str) -> None:
        self._publish(steps=self._state.with_step(harmless(step)[:500]).steps)

    def _on_event(self, event: Event) -> None:
        if isinstance(event, VisitEvent):
            self._say(event.detail)

    def _publish(self, **changes: Any) -> None:
        state = replace(self._state, **changes)
        self._board.publish(state)
        self._state = state  # not before: a state that is too long for the board must not stand in the way of the end

    def _end(self, error: BaseException | None, *, done: bool = False) -> None:
        phase: Literal["written", "failed", "cancelled"] = "failed"
        fault = ""
        if error is None:
            phase = "written" if done else "cancelled"
        elif isinstance(error, DoorkeyError):
            fault = describe_error(error)
        else:
            log.error("adding a site failed", exc_info=error)
            fault = "something unexpected happened: the service's log says what"
        log.info("adding the site %s: %s", self._state.site or "(no name yet)", phase)
        self._publish(phase=phase, view="", question="", fault=fault)


@dataclass(frozen=True, slots=True)
class _LiveShowing:
    addition: Addition

    async def record(self, runtime: Runtime, url: str) -> Recording:
        return await self.addition.show(runtime, url)


def _describe(found: FoundSite, setup: SiteSetup) -> dict[str, Any]:
    """Return what the page tells of *found*."""
    verdict = found.verdict
    told = ""
    if verdict is not None:
        told = verdict.told or ("" if verdict.failed else f"visited in {verdict.check['entered']:.2f} s")
        if verdict.failed:
            told = verdict.check.get("error") or verdict.told
    rows = found.rows("add it once more with user and password")
    return {
        "site": found.site,
        "rows": tuple(tuple(harmless(cell)[:500] for cell in row) for row in rows),
        "lines": "" if found.unchanged else harmless(found.diff if found.texts is not None else found.table)[:LONGEST],
        "diff": found.texts is not None,
        "unsure": tuple(map(harmless, found.doubts)),
        "told": harmless(told),
        "failed": found.failed,
        "tried": verdict is not None,
        "secrets": tuple(found.kept.names.values()),
        "place": found.kept.place if found.kept.values else "",
        "missing": found.missing,
        "file": str(setup.target.file.resolve()),
    }
