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
SETTINGS = {"format": "jpeg", "quality": 75, "maxWidth": 1600, "maxHeight": 1600, "everyNthFrame": 1}


class Screencast:
    """The pictures of *page*, given to *show* from `start` to `stop`. The next one is made when one was taken."""

    def __init__(self, page: Page, show: Callable[[Frame], None]) -> None:
        self.page = page
        self._show = show
        self._session: CDPSession | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._inputs: set[asyncio.Task[None]] = set()
        self._lock = asyncio.Lock()
        self._owed: list[int] = []
        """The numbers of the pictures that came and are not acknowledged: the browser makes no third one meanwhile."""
        self.running = False

    async def start(self) -> None:
        """Begin. Raises BrowserFailed."""
        async with self._lock, limited("showing the page", CALL):
            if self.running:
                return
            session = await self._open()
            self._owed.clear()
            self.running = True  # before the command: the only picture of a still page may come ahead of its answer
            try:
                await session.send("Page.startScreencast", SETTINGS)
            except BaseException:
                self.running = False
                raise

    async def stop(self) -> None:
        """End. A page that was closed has ended already."""
        async with self._lock:
            self.running = False
            if self._session is not None and not self.page.is_closed():
                async with limited("showing the page", CALL):
                    await self._session.send("Page.stopScreencast")

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
            self._owed.append(event["sessionId"])
            size = (float(event["metadata"]["deviceWidth"]), float(event["metadata"]["deviceHeight"]))
            self._show(Frame(base64.b64decode(event["data"]), self.page, size, self._acknowledge))

    def _acknowledge(self) -> None:
        """Ask for more pictures: one was taken. Those before it that nobody took are acknowledged with it."""
        owed, self._owed = self._owed, []
        if not self.running or self.page.is_closed():
            return
        for number in owed:
            task = asyncio.create_task(self._call("Page.screencastFrameAck", {"sessionId": number}))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _call(self, method: str, values: dict[str, Any]) -> None:
        assert self._session is not None
        try:
            async with limited(method, CALL):
                await self._session.send(method, values)
        except BrowserFailed as error:
            log.debug("%s", error.message)  # the page was closed, is busy, or another one is shown
