"""Keeps what a site gives during a visit: its cookies and local storage, before the browser shows them again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from doorkey.browser.visit.inspector import PageInspector
from doorkey.browser.visit.reading_scripts import LOCAL
from doorkey.browser.visit.snapshot import keep_texts, read_cookies
from doorkey.errors import BrowserFailed
from doorkey.model.cookies import Cookie
from doorkey.model.urls import origin_of

if TYPE_CHECKING:
    from playwright.async_api import CDPSession

Keep: TypeAlias = Callable[[tuple[Cookie, ...], Mapping[str, str]], Awaitable[None]]
READ = 0.5
"""Seconds that a busy page may take to tell its storage; the last known one counts after them."""
END = 2.0
"""Seconds for the last look at a visit that failed."""
QUIET = ("Font", "Image", "Media", "Stylesheet")
"""Requests of a page's furniture, by DevTools' names: what they show is kept only if an answer has set a cookie."""


class StateWatch:
    """Gives *keep* all cookies and the local storage of *site_url*'s origin: when they change, and before each request
    of the page, which is held so long.

    A browser shows a rotated token in its very next request. If that is the last thing that happens before doorkey is
    killed, the token must be known by then: many sites end a login whose older token comes back.
    """

    def __init__(self, inspector: PageInspector, site_url: str, keep: Keep, local: Mapping[str, str]) -> None:
        self._inspector, self._site_url, self._keep = inspector, site_url, keep
        self._session: CDPSession | None = None
        self._lock = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self._changed = False  # an answer has set a cookie, or a script the storage, since the last look
        self._local = dict(local)
        self._kept: tuple[tuple[Cookie, ...], dict[str, str]] | None = None

    async def begin(self) -> None:
        """Hold requests from now on. Raises BrowserFailed."""
        if self._session is not None:
            return
        self._session = await self._inspector.open()
        self._session.on("Fetch.requestPaused", self._on_paused)
        self._session.on("Network.responseReceivedExtraInfo", self._on_answer)
        for change in ("ItemAdded", "ItemUpdated", "ItemRemoved", "ItemsCleared"):
            self._session.on(f"DOMStorage.domStorage{change}", self._on_change)
        await self._inspector.send("DOMStorage.enable", {})
        await self._inspector.send("Fetch.enable", {"patterns": [{"urlPattern": "*"}]})

    async def end(self, *, failed: bool) -> None:
        """Hold requests no longer. Of a visit that *failed*, keep what it was given last."""
        if self._session is None:
            return
        try:
            async with asyncio.timeout(END):
                if failed:
                    await self._save()
                await self._inspector.send("Fetch.disable", {})
                await self._inspector.send("DOMStorage.disable", {})
        except (BrowserFailed, TimeoutError):
            return  # the page or the browser is gone: what it gave until its last request is kept
        finally:
            for task in tuple(self._tasks):
                task.cancel()

    def _on_answer(self, event: dict[str, Any]) -> None:
        if any(name.lower() == "set-cookie" for name in event["headers"]):
            self._on_change(event)

    def _on_change(self, event: dict[str, Any]) -> None:
        self._changed = True
        self._start(self._save_change())

    def _on_paused(self, event: dict[str, Any]) -> None:
        self._start(self._pass_on(event))

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        # Held, as the loop keeps only weak references to tasks.
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _save_change(self) -> None:
        try:
            if self._changed:  # not kept yet by what followed
                await self._save()
        except BrowserFailed:
            return  # the page is gone, or the last look at it keeps the change

    async def _pass_on(self, event: dict[str, Any]) -> None:
        try:
            if self._changed or event.get("resourceType") not in QUIET:
                await self._save()
            await self._inspector.send("Fetch.continueRequest", {"requestId": event["requestId"]})
        except BrowserFailed:
            return  # the page has gone on, or is gone: so is its request

    async def _save(self) -> None:
        async with self._lock:
            self._changed = False
            found = await read_cookies(self._inspector.page.context)
            await self._read_local()
            state = tuple(map(Cookie.from_playwright, found)), self._local
            if state != self._kept:
                await self._keep(*state)
                self._kept = state

    async def _read_local(self) -> None:
        if origin_of(self._inspector.page.url) != origin_of(self._site_url):
            return
        try:
            async with asyncio.timeout(READ):
                told = await self._inspector.evaluate(LOCAL)
        except (BrowserFailed, TimeoutError):
            return  # it navigates, or a script of it waits for this very request
        if isinstance(told, dict) and told.get("origin") == origin_of(self._site_url):
            self._local = keep_texts(told["local"])
