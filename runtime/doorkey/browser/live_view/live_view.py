"""One page that people see and use in another browser."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Literal, TypeAlias

from doorkey.browser.live_view.audience import Audience, Viewer
from doorkey.browser.live_view.input import Asked, BadMessage, Command, Resize, parse
from doorkey.browser.live_view.screencast import CALL, Screencast
from doorkey.browser.playwright_errors import limited
from doorkey.errors import BrowserFailed
from doorkey.model.urls import origin_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from playwright.async_api import Frame as PageFrame
    from playwright.async_api import Page, ViewportSize

log = logging.getLogger("doorkey.live_view")

State: TypeAlias = Literal["open", "checking", "done", "failed"]
DONE = "Done"
LOAD = 10.0
"""Seconds that a page may take to come when a viewer goes back or loads it again."""
CLOSED = "This page is closed: the visit has ended before anybody had finished it."
UNSEEN = 1.0, 1.0
"""The size of the page for a viewer who has seen no picture."""


class LiveView:
    """What viewers of one visit see: its page, or the popup that the page has opened last.

    *site* is the site's name, *why* says what a person is needed for, *action* what the button says by which they have
    finished. `done` is set by a viewer who says that they have
    finished, `given_up` by one who gives up; both only by the one in control.
    """

    def __init__(self, page: Page, site: str, why: str, action: str = DONE) -> None:
        self.site, self.why = site, why
        self.done, self.given_up = asyncio.Event(), asyncio.Event()
        self.unwatched = asyncio.Event()
        """Set while nobody looks: the browser makes no pictures then."""
        self.unwatched.set()
        self._audience = Audience()
        self._casts = [Screencast(page, self._audience.show)]
        """Those of the visit's page and of its popups, in the order in which they were opened. The last is shown."""
        self._room: Resize | None = None
        """The room for the picture that the viewer in control has named last."""
        self._state: tuple[State, str, str] = ("open", why, action)
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False

    @property
    def viewers(self) -> int:
        return len(self._audience)

    @property
    def full(self) -> bool:
        """Whether no more browsers can look."""
        return self._audience.full

    @property
    def streaming(self) -> bool:
        """Whether the browser makes pictures now."""
        return self._cast.running and not self._closed

    @property
    def closed(self) -> bool:
        return self._closed

    @contextmanager
    def open(self) -> Iterator[None]:
        """Let people in until the end of the `with`."""
        page = self._page
        self._adopt(page)
        page.context.on("page", self._follow)
        try:
            yield
        finally:
            page.context.remove_listener("page", self._follow)
            for cast in self._casts:
                self._let_go(cast.page)
            self._closed = True
            if self._state[0] in ("open", "checking"):
                self.say("failed", CLOSED)
            self._audience.dismiss()
            for task in self._tasks:
                task.cancel()

    def say(self, state: State, text: str, action: str = DONE) -> None:
        """Tell all viewers, and those who come later, how things stand."""
        self._state = (state, text, action)
        self._audience.tell(type="state", state=state, text=text, action=action)

    @asynccontextmanager
    async def watch(self, name: str) -> AsyncIterator[Viewer]:
        """Let one more browser look until the end of the `async with`. *name* is for the audit.

        Raises BrowserFailed where the page can't be shown or too many look already.
        """
        if self._closed or self._audience.full:
            raise BrowserFailed(
                "this view has ended" if self._closed else "too many browsers look at this page already"
            )
        viewer = Viewer(name)
        viewer.tell(type="page", origin=self._origin, site=self.site)
        state, text, action = self._state
        viewer.tell(type="state", state=state, text=text, action=action)
        self._audience.join(viewer)
        self.unwatched.clear()
        log.info("%s: live view: %s looks (%d in all)", self.site, name, len(self._audience))
        try:
            await self._cast.start()
            yield viewer
        finally:
            self._audience.leave(viewer)
            passed = ", ".join(sorted(viewer.inputs)) or "none"
            log.info("%s: live view: %s left; input passed on: %s", self.site, name, passed)
            if not self._audience and not self._closed:
                await self._stop(self._cast)
                if not self._audience:  # somebody may have come meanwhile
                    self.unwatched.set()

    async def receive(self, viewer: Viewer, text: str) -> None:
        """Do what *viewer* asks for with the message *text*. Only the one in control can do more than ask for that."""
        if self._closed:
            return
        try:
            message = parse(text, *(viewer.seen.size if viewer.seen else UNSEEN))
        except BadMessage as error:
            viewer.tell(type="refused", text=str(error))
            return
        if isinstance(message, Asked) and message.wish == "control":
            log.info("%s: live view: %s took control", self.site, viewer.name)
            self._audience.give_control(viewer)
            return
        if viewer is not self._audience.controlling:
            return
        try:
            await self._act(viewer, message)
        except BrowserFailed as error:
            log.info("%s: live view: %s", self.site, error.message)

    async def _act(self, viewer: Viewer, message: Command | Resize | Asked) -> None:
        sees_it = viewer.seen is not None and viewer.seen.page is self._page
        match message:
            case Command(kind="pointer" | "wheel" | "touch") if not sees_it:
                pass  # it was meant for the picture of another page
            case Command():
                viewer.inputs.add(message.kind)
                await self._cast.send(message)
            case Resize():
                self._room = message
                await self._fit(self._cast, message)
            case Asked(wish="done"):
                log.info("%s: live view: %s says that it is done", self.site, viewer.name)
                self.done.set()
            case Asked(wish="give up"):
                log.info("%s: live view: %s gave up", self.site, viewer.name)
                self.given_up.set()
            case Asked(wish="back"):
                if not await self._cast.has_earlier():
                    viewer.tell(type="refused", text="there is no page before this one")
                    return
                async with limited("going back", LOAD):
                    await self._page.go_back(wait_until="commit")
            case Asked():
                async with limited("loading the page again", LOAD):
                    await self._page.reload(wait_until="commit")

    async def _fit(self, cast: Screencast, room: Resize) -> None:
        """Make the page of *cast* as large as *room*. A page that is slow to take that is asked once more.

        The viewer's own page names its size only when that changes.
        """
        size: ViewportSize = {"width": room.width, "height": room.height}
        try:
            async with limited("resizing the page", CALL):
                await cast.page.set_viewport_size(size)
        except BrowserFailed:
            if self._closed or cast.page.is_closed():
                raise
            async with limited("resizing the page", LOAD):
                await cast.page.set_viewport_size(size)
        await cast.begin_anew()

    @property
    def _cast(self) -> Screencast:
        return self._casts[-1]

    @property
    def _page(self) -> Page:
        return self._cast.page

    @property
    def _origin(self) -> str:
        return origin_of(self._page.url) if self._page.url.startswith("http") else ""

    def _adopt(self, page: Page) -> None:
        # With a listener, Playwright opens no file chooser. Nothing is ever chosen.
        page.on("filechooser", self._refuse_file)
        page.on("framenavigated", self._on_navigated)
        page.on("close", self._on_closed)

    def _let_go(self, page: Page) -> None:
        page.remove_listener("filechooser", self._refuse_file)
        page.remove_listener("framenavigated", self._on_navigated)
        page.remove_listener("close", self._on_closed)

    def _refuse_file(self, _: object) -> None:
        self._audience.tell(type="refused", text="files can't be uploaded through this view")

    def _on_navigated(self, frame: PageFrame) -> None:
        if frame.parent_frame is None:
            self._audience.tell(type="page", origin=self._origin, site=self.site)

    def _follow(self, popup: Page) -> None:
        before = self._cast
        self._casts.append(Screencast(popup, self._audience.show))
        self._adopt(popup)
        self._show_last(before)

    def _on_closed(self, page: Page) -> None:
        shown = self._cast
        left = [cast for cast in self._casts if cast.page is not page]
        if left:  # the visit ends with its last page
            self._casts = left
        if self._cast is not shown:
            self._show_last(shown)

    def _show_last(self, before: Screencast) -> None:
        """Show the page that was opened last, in place of that of *before*."""
        self._audience.tell(type="page", origin=self._origin, site=self.site)
        task = asyncio.create_task(self._move(before, self._cast))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _move(self, before: Screencast, after: Screencast) -> None:
        await self._stop(before)
        try:
            if self._room is not None and after is self._cast:
                await self._fit(after, self._room)
            if self._audience and after is self._cast:  # looked at last of all: another may have been opened since
                await after.start()
        except BrowserFailed as error:
            log.info("%s: live view: %s", self.site, error.message)
            if after is self._cast:
                self._audience.dismiss()  # they come again, and begin anew

    async def _stop(self, cast: Screencast) -> None:
        try:
            await cast.stop()
        except BrowserFailed as error:
            log.info("%s: live view: %s", self.site, error.message)  # untaken, its pictures end by themselves
