"""Pictures of one page, from DevTools' screencast. None are made while nobody looks."""

from __future__ import annotations

import asyncio
import base64
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from doorkey.browser.live_view.audience import Frame
from doorkey.browser.live_view.input import Command
from doorkey.browser.playwright_errors import limited
from doorkey.errors import BrowserFailed

if TYPE_CHECKING:
    from playwright.async_api import CDPSession, Page

log = logging.getLogger("doorkey.browser")

CALL = 5.0
"""Seconds that the browser may take for one command."""
MOST_INPUTS = 32
"""The most inputs that the page has not taken yet."""
BETWEEN_PAGES, SWAP = "Not attached to an active page", 0.02
"""What Chromium answers while it puts a new document in place of another, and the seconds until it is asked again."""
SETTINGS = {"format": "jpeg", "quality": 75, "maxWidth": 1600, "maxHeight": 1600, "everyNthFrame": 1}


class Screencast:
    """The pictures of *page*, given to *show* from `start` to `stop`. The next one is made when one was taken.

    Chromium drops the pictures that it makes while some are not acknowledged, and the first one of another size, and
    makes up for none (measured: a still page stayed as it was before, in each case of the former, in 1 of 30 of the
    latter). The cast begins anew there, which makes a picture at once: the last one shows the page as it is.
    """

    def __init__(self, page: Page, show: Callable[[Frame], None]) -> None:
        self.page = page
        self._show = show
        self._session: CDPSession | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._inputs: set[asyncio.Task[None]] = set()
        self._lock = asyncio.Lock()
        self._came = 0
        self._untaken: list[tuple[int, int]] = []
        """Each picture that came and that nobody took: which one of all it is, and the browser's number of its cast."""
        self._unconfirmed: set[int] = set()
        """Those of the pictures of which the browser has not yet confirmed that it knows that they were taken."""
        self._may_lack = False
        """Whether the browser may have dropped a picture since the last one that came."""
        self.running = False

    async def start(self) -> None:
        """Begin. Raises BrowserFailed."""
        async with self._lock, limited("showing the page", CALL):
            if self.running:
                return
            await self._begin(await self._open())

    async def stop(self) -> None:
        """End. A page that was closed has ended already."""
        async with self._lock:
            self.running = False
            if self._session is not None and not self.page.is_closed():
                async with limited("showing the page", CALL):
                    await self._session.send("Page.stopScreencast")

    async def begin_anew(self) -> None:
        """Get a picture of the page as it is now. Nothing where no pictures are made. Raises BrowserFailed."""
        async with self._lock, limited("showing the page", CALL):
            if self._session is not None and self.running and not self.page.is_closed():
                await self._session.send("Page.stopScreencast")
                await self._begin(self._session)

    async def _begin(self, session: CDPSession) -> None:
        self._untaken.clear()
        self._unconfirmed.clear()
        self._may_lack = False
        self.running = True  # before the command: the only picture of a still page may come ahead of its answer
        try:
            while not await self._has_started(session):  # noqa: ASYNC110  the browser tells nobody when it is there
                await asyncio.sleep(SWAP)
        except BaseException:
            self.running = False
            raise

    async def _has_started(self, session: CDPSession) -> bool:
        from playwright.async_api import Error

        try:
            await session.send("Page.startScreencast", SETTINGS)
        except Error as error:
            if BETWEEN_PAGES not in str(error):
                raise
            return False
        return True

    async def has_earlier(self) -> bool:
        """Tell whether a page of a site is before this one: not the empty one that each window begins with.

        Raises BrowserFailed.
        """
        async with limited("reading the page's history", CALL):
            session = await self._open()
            history = await session.send("Page.getNavigationHistory")
        before = history["entries"][: history["currentIndex"]][-1:]
        return bool(before) and before[0]["url"].startswith("http")

    async def send(self, command: Command) -> None:
        """Pass input to the page, in the order of the calls. Waits for the page only where it is far behind.

        Raises BrowserFailed.
        """
        async with limited("passing input to the page", CALL):
            await self._open()
            while len(self._inputs) >= MOST_INPUTS:
                await asyncio.wait(self._inputs, return_when=asyncio.FIRST_COMPLETED)
        task = asyncio.create_task(self._call(command.method, command.values))
        self._inputs.add(task)
        task.add_done_callback(self._inputs.discard)

    async def _open(self) -> CDPSession:
        if self._session is None:
            self._session = await self.page.context.new_cdp_session(self.page)
            self._session.on("Page.screencastFrame", self._on_frame)
        return self._session

    def _on_frame(self, event: dict[str, Any]) -> None:
        if self.running:
            self._may_lack = bool(self._unconfirmed)
            self._came += 1
            self._unconfirmed.add(self._came)
            self._untaken.append((self._came, event["sessionId"]))
            size = (float(event["metadata"]["deviceWidth"]), float(event["metadata"]["deviceHeight"]))
            self._show(Frame(base64.b64decode(event["data"]), self.page, size, self._on_taken))

    def _on_taken(self) -> None:
        """Ask for more pictures. Those before this one that nobody took are done with."""
        if self.running and not self.page.is_closed():
            taken, self._untaken = self._untaken, []
            task = asyncio.create_task(self._catch_up() if self._may_lack else self._acknowledge(taken))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _catch_up(self) -> None:
        try:
            await self.begin_anew()
        except BrowserFailed as error:
            log.info("%s", error.message)

    async def _acknowledge(self, taken: list[tuple[int, int]]) -> None:
        for picture, cast in taken:
            await self._call("Page.screencastFrameAck", {"sessionId": cast})
            self._unconfirmed.discard(picture)

    async def _call(self, method: str, values: dict[str, Any]) -> None:
        assert self._session is not None
        try:
            async with limited(method, CALL):
                await self._session.send(method, values)
        except BrowserFailed as error:
            log.debug("%s", error.message)  # the page was closed, is busy, or another one is shown
