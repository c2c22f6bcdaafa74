"""Reads a page through DevTools, in a JavaScript world of its own that the page's scripts can't change."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

from doorkey.browser.playwright_errors import DriverGone, translate
from doorkey.errors import BrowserFailed

if TYPE_CHECKING:
    from typing import Any

    from playwright.async_api import CDPSession
    from playwright.async_api import Page as BrowserPage

CALL = 5.0
"""Seconds for one call into the page."""
SCRIPT = 1.0
"""Seconds that a value of the page's own scripts may take to be told: a getter may run for ever."""
WORLD = "doorkey"
"""The name of the isolated world. A document has one of that name at most, so asking for it again is cheap."""
WRAPPERS = ("String", "Number", "Boolean", "Date")
"""Objects that DevTools would copy member by member, as if they were no texts, numbers and dates."""
GONE = ("Cannot find context", "context was destroyed", "Inspected target navigated")
"""What DevTools answers of a document that another one has replaced."""
TRIES = 3
"""How often a page is read before it counts as one that navigates."""
RESTLESS = "The page loads itself again and again"
UNREADABLE = f"{RESTLESS}: it could not be read"


class Navigating(BrowserFailed):
    """The document went while it was read: another comes in its place."""


class PageInspector:
    """One page's DevTools session.

    `evaluate` runs a function of ours in an isolated world: it shares the document and the storage with the page, but
    has built-ins of its own, so a page that replaces `Array.from`, `JSON` or `Storage.prototype.getItem` can't falsify
    what it returns.
    """

    def __init__(self, page: BrowserPage) -> None:
        self.page = page
        self._session: CDPSession | None = None
        self._opening = asyncio.Lock()
        self._frame = ""
        self._world: int | None = None

    async def open(self) -> CDPSession:
        """Return the DevTools session. Raises BrowserFailed."""
        async with self._opening:
            if self._session is None:
                self._session = await self._limit(self.page.context.new_cdp_session(self.page), "opening a page")
            return self._session

    async def evaluate(self, function: str, *arguments: object) -> Any:
        """Call *function*, the text of a JavaScript function, in the isolated world, and return its JSON value.

        Raises Navigating while the page navigates, BrowserFailed where it hangs or is closed.
        """
        expression = f"({function})({', '.join(map(json.dumps, arguments))})"
        left = TRIES
        while True:
            fresh, left = self._world is None, left - 1
            try:
                return await self._run(expression)
            except BrowserFailed as error:
                navigates = isinstance(error, Navigating)
                if not left or self.page.is_closed() or (fresh and not navigates):
                    raise
                self._world = None  # it belonged to a document that is gone
                self._frame = self._frame if navigates else ""

    async def evaluate_in_page(self, expression: str) -> Any:
        """Evaluate *expression* in the page's own world, with its global scope, and return its value.

        Return None where it throws or takes longer than SCRIPT, and for a value that JSON can't express.
        """
        values = {"expression": expression, "timeout": SCRIPT * 1000, "objectGroup": WORLD}
        found = await self._try("Runtime.evaluate", values)
        result = found["result"] if found and "exceptionDetails" not in found else {}
        if result.get("type") == "bigint":
            return int(result["unserializableValue"].removesuffix("n"))
        if "objectId" not in result:
            return result.get("value")
        return await self._copy(result)

    async def _copy(self, found: dict[str, Any]) -> Any:
        """The value of the object that DevTools *found*; None for one that is no list and no plain object."""
        plain = found["type"] == "object" and found.get("subtype") in (None, "array")
        copied = None
        if plain and found.get("className") not in WRAPPERS:
            itself = {"functionDeclaration": "function() { return this; }", "returnByValue": True}
            copied = await self._try("Runtime.callFunctionOn", {"objectId": found["objectId"], **itself})
        await self.send("Runtime.releaseObjectGroup", {"objectGroup": WORLD})
        return copied["result"].get("value") if copied and "exceptionDetails" not in copied else None

    async def _try(self, method: str, values: dict[str, Any]) -> Any:
        """`send`; None where the page is still there and DevTools refuses: an object holds itself, say."""
        try:
            return await self.send(method, values)
        except BrowserFailed:
            if self.page.is_closed():
                raise
            return None

    async def _run(self, expression: str) -> Any:
        if self._world is None:
            self._world = await self._make_world()
        values = {"expression": expression, "contextId": self._world, "returnByValue": True, "awaitPromise": True}
        found = await self.send("Runtime.evaluate", values)
        if "exceptionDetails" in found:
            raise BrowserFailed("reading the page: it can't be read in this state")
        return found["result"].get("value")

    async def _make_world(self) -> int:
        if not self._frame:
            tree = await self.send("Page.getFrameTree", {})
            self._frame = tree["frameTree"]["frame"]["id"]
        found = await self.send("Page.createIsolatedWorld", {"frameId": self._frame, "worldName": WORLD})
        return int(found["executionContextId"])

    async def send(self, method: str, values: dict[str, Any]) -> Any:
        """Send a DevTools command and return its result. Raises BrowserFailed."""
        session = await self.open()
        return await self._limit(session.send(method, values), "reading the page")

    async def _limit(self, call: Any, what: str) -> Any:
        from playwright.async_api import Error

        try:
            async with asyncio.timeout(CALL):
                return await call
        except Error as error:
            told = translate(error, what)
            gone = any(text in error.message for text in GONE) and not self.page.is_closed()
            raise (Navigating(told.message) if gone else told) from error
        except TimeoutError as error:
            raise BrowserFailed(f"{what}: it did not answer within {CALL:g} s") from error
        except DriverGone:
            raise
        except Exception as error:  # Playwright raises a bare Exception when its driver has ended
            raise translate(error, what) from error
