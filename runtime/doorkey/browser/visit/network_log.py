"""What DevTools tells of a page's own requests and of the answers to its documents."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from doorkey.browser.playwright_errors import translate
from doorkey.browser.visit.snapshot import CALL
from doorkey.errors import BrowserFailed
from doorkey.model.page import Seen
from doorkey.model.request import Head

if TYPE_CHECKING:
    from playwright.async_api import Page as BrowserPage

MOST_SEEN = 1000
SCRIPTS = ("Fetch", "Script", "XHR")
"""What a page's scripts wait for, by DevTools' names: whatever they set comes after it."""


class NetworkLog:
    """One page's. `sent`: the headers of its own first request, lower-case, once it was sent. `status` and `headers`:
    of the answer that its present document came with. `seen`: its requests, while `keeping`. `awaited`: the requests
    under way that its scripts wait for.
    """

    def __init__(self, page: BrowserPage, *, keeping: bool) -> None:
        self._page = page
        self._first = ""  # the first document's request
        self._frame = ""
        self.keeping = keeping
        self.seen: list[Seen] = []
        self.awaited: set[str] = set()
        self.sent: dict[str, str] = {}
        self.status = 0
        self.headers: Mapping[str, str] = {}

    @property
    def head(self) -> Head:
        """The head of the answer that the present document came with."""
        return Head(status=self.status, headers=self.headers)

    async def listen(self) -> None:
        """Listen from now on. Raises BrowserFailed.

        From DevTools: while routing is on, Playwright gives a request's headers without Accept-Language (measured).
        """
        from playwright.async_api import Error

        try:
            async with asyncio.timeout(CALL):
                session = await self._page.context.new_cdp_session(self._page)
                session.on("Network.requestWillBeSent", self._asked)
                session.on("Network.requestWillBeSentExtraInfo", self._told)
                session.on("Network.responseReceived", self._answered)
                session.on("Network.loadingFinished", self._over)
                session.on("Network.loadingFailed", self._over)
                await session.send("Network.enable")
        except Error as error:
            raise translate(error, "opening a page") from error
        except TimeoutError as error:
            raise BrowserFailed(f"opening a page: the browser did not answer within {CALL:g} s") from error

    def _asked(self, event: dict[str, Any]) -> None:
        if self.keeping and len(self.seen) < MOST_SEEN:
            self.seen.append(_seen(event["request"]))
        if event.get("type") in SCRIPTS:
            self.awaited.add(event["requestId"])
        if event.get("type") == "Document" and not self._first:
            self._first, self._frame = event["requestId"], event.get("frameId", "")

    def _told(self, event: dict[str, Any]) -> None:
        if event["requestId"] == self._first and not self.sent:
            self.sent.update({name.lower(): value for name, value in event["headers"].items()})

    def _over(self, event: dict[str, Any]) -> None:
        self.awaited.discard(event["requestId"])

    def _answered(self, event: dict[str, Any]) -> None:
        if event.get("type") == "Document" and event.get("frameId") == self._frame:
            answer = event["response"]
            self.awaited.clear()  # the last document's
            self.status = int(answer["status"])
            self.headers = {name.lower(): str(value) for name, value in answer["headers"].items()}


def _seen(request: dict[str, Any]) -> Seen:
    headers = {name.lower(): value for name, value in request["headers"].items()}
    return Seen(method=request["method"], url=request["url"], headers=headers, body=request.get("postData", ""))
