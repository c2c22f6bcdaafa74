"""The live page: a blank page of the site in a visit's context, which stays open and sends requests."""

from __future__ import annotations

import asyncio
import json
from base64 import b64decode, b64encode
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from doorkey.browser.live.blank_page import make_blank
from doorkey.browser.live.page_fetch import AHEAD, STEP, PageFetch
from doorkey.browser.live.script import SCRIPT
from doorkey.browser.live.socket_page import SocketPage
from doorkey.browser.playwright_errors import limited, translate
from doorkey.errors import BrowserFailed, DoorkeyError, RequestError
from doorkey.model.cookie_jar import CookieJar
from doorkey.model.cookies import Cookie, Identity

if TYPE_CHECKING:
    from playwright.async_api import BrowserContext, CDPSession, Page

OpenPage: TypeAlias = "Callable[[], Awaitable[Page]]"
CALL = 10.0
"""Seconds for one call into the page."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PageRequest:
    """A request as a page can send it. `referrer` is a URL of the same origin, or empty.

    `with_cookies`: False sends none of the page's cookies, and keeps none that the answer sets.
    """

    url: str
    method: str
    headers: Mapping[str, str] = field(repr=False)
    referrer: str
    body: bytes | None = field(default=None, repr=False)
    with_cookies: bool = True


class LivePage:
    """Made by `Lease.open_live_page`. `changed` is called whenever a request begins or ends, and when the page dies."""

    def __init__(
        self, context: BrowserContext, page: Page, devtools: CDPSession, url: str, open_page: OpenPage
    ) -> None:
        self._context, self._page, self._devtools = context, page, devtools
        self.sockets = SocketPage(open_page, url, lambda: self.changed())
        self._count = 0
        self._by_mark: dict[str, PageFetch] = {}
        self._by_id: dict[str, PageFetch] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.alive = True
        self.changed: Callable[[], None] = lambda: None

    @classmethod
    async def open(cls, context: BrowserContext, url: str, open_page: OpenPage) -> LivePage:
        """Open a blank page at *url*, by *open_page*. Raises BrowserFailed."""
        async with limited("opening a page for requests", CALL):
            page = await open_page()
            live_page = cls(context, page, await make_blank(page, url), url, open_page)
            await live_page._listen()
        return live_page

    @property
    def busy(self) -> bool:
        """Whether requests are under way, or WebSockets open."""
        return bool(self._by_mark) or self.sockets.busy

    async def fetch(self, page_request: PageRequest, fetching: Callable[[PageFetch], None]) -> None:
        """Send *page_request*. *fetching* is called with the request as soon as it exists.

        Raises BrowserFailed, or RequestError for a request that a page can't send.
        """
        self._count += 1
        mark = f"dk{self._count}"
        one = PageFetch(mark, self._on_abort, self._on_read)
        if not self.alive:
            raise BrowserFailed("the live page is gone")
        self._by_mark[mark] = one
        self.changed()
        fetching(one)
        options = {
            "method": page_request.method,
            "headers": list(page_request.headers.items()),
            "referrer": page_request.referrer,
            "referrerPolicy": "same-origin",
            "credentials": "same-origin" if page_request.with_cookies else "omit",
            "redirect": "manual",
            "cache": "no-store",
        }
        try:
            for at in range(0, len(page_request.body or b""), STEP):
                await self._call("put", mark, b64encode((page_request.body or b"")[at : at + STEP]).decode())
            await self._call("begin", mark, page_request.url, options)
        except BrowserFailed as error:
            self.end(error.message)  # the next request opens another page
            raise
        one.on_begun()
        if not one.request_id and not one.content.ended:
            why = await self._call("sent", mark, wait=True)
            if why:
                one.fail(RequestError(f"the page can't send this request: {str(why)[:200]}"))
                self._forget(one)

    async def cookies(self) -> CookieJar:
        async with limited("reading cookies", CALL):
            return CookieJar.from_playwright(await self._context.cookies())

    async def set_cookie(self, cookie: Cookie) -> None:
        """Put *cookie* into the jar, unless it is one that a browser refuses."""
        given: Any = cookie.to_playwright()
        if cookie.storable:
            async with limited("setting a cookie", CALL):
                await self._context.add_cookies([given])

    async def delete_cookie(self, which: Identity) -> None:
        # By DevTools: Playwright's own method empties the whole jar for a moment.
        domain = which.domain if which.host_only else "." + which.domain
        given: dict[str, Any] = {"name": which.name, "domain": domain, "path": which.path}
        if which.partition:
            given["partitionKey"] = {"topLevelSite": which.partition, "hasCrossSiteAncestor": which.embedded}
        await self._send("Network.deleteCookies", given)

    def end(self, why: str) -> None:
        """Fail the requests under way. No new one begins."""
        if self.alive:
            self.alive = False
            for one in list(self._by_mark.values()):
                one.fail(BrowserFailed(why))
            self._by_mark.clear()
            self._by_id.clear()
            self.sockets.end(why)
            self.changed()

    async def close(self) -> None:
        self.end("the live page was closed")
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, self.sockets.end_tasks(), return_exceptions=True)

    async def _listen(self) -> None:
        self._page.on("crash", lambda _: self.end("the live page crashed"))
        self._page.on("close", lambda _: self.end("the live page was closed, or the browser ended"))
        for name, handler in (
            ("requestWillBeSent", self._on_request),
            ("responseReceivedExtraInfo", self._on_headers),
            ("responseReceived", self._on_response),
            ("dataReceived", self._on_data),
            ("loadingFinished", self._on_finished),
            ("loadingFailed", self._on_failed),
        ):
            self._devtools.on(f"Network.{name}", handler)
        await self._devtools.send("Runtime.evaluate", {"expression": SCRIPT})
        self._spawn(self._watch())

    async def _watch(self) -> None:
        """Notice the end of the page, of the browser or of Playwright's driver by a call that never returns.

        No event tells that the driver ended, but the calls under way fail.
        """
        from playwright.async_api import Error

        try:
            await self._devtools.send("Runtime.evaluate", {"expression": "doorkey.for_ever", "awaitPromise": True})
        except Error as error:
            self.end(translate(error, "watching the live page").message)

    def _on_request(self, event: dict[str, Any]) -> None:
        # The fragment identifies the request. It is never sent to the site.
        one = self._by_mark.get(event["request"].get("urlFragment", "").removeprefix("#"))
        if one is None:
            return
        if "redirectResponse" in event:
            one.on_redirect()
            self._forget(one)
            return
        one.request_id = event["requestId"]
        self._by_id[one.request_id] = one
        self._spawn(self._stream_body(one))

    def _on_headers(self, event: dict[str, Any]) -> None:
        one = self._by_id.get(event["requestId"])
        if one is not None:
            one.on_headers(int(event["statusCode"]), event["headers"])
            self._forget(one)

    def _on_response(self, event: dict[str, Any]) -> None:
        one = self._by_id.get(event["requestId"])
        if one is None:
            return
        one.on_response(int(event["response"]["status"]))
        if not event.get("hasExtraInfo"):
            one.on_headers(int(event["response"]["status"]), event["response"]["headers"])

    def _on_data(self, event: dict[str, Any]) -> None:
        one = self._by_id.get(event["requestId"])
        if one is None:
            return
        if "data" in event:
            one.on_data(b64decode(event["data"]))
        else:
            one.on_unread_data(int(event["dataLength"]))

    def _on_finished(self, event: dict[str, Any]) -> None:
        one = self._by_id.get(event["requestId"])
        if one is not None:
            one.on_finished()
            self._forget(one)

    def _on_failed(self, event: dict[str, Any]) -> None:
        one = self._by_id.get(event["requestId"])
        if one is not None:
            one.on_failed(event["errorText"])
            self._forget(one)

    def _forget(self, one: PageFetch) -> None:
        """Drop a request once it is complete."""
        if one.complete and self._by_mark.pop(one.mark, None) is not None:
            self._by_id.pop(one.request_id, None)
            if self.alive:
                self._spawn(self._try_call("forget", one.mark))
            self.changed()

    async def _stream_body(self, one: PageFetch) -> None:
        """Have DevTools stream the body. A body that is complete already is read from the page."""
        from playwright.async_api import Error

        try:
            async with asyncio.timeout(CALL):
                found = await self._devtools.send("Network.streamResourceContent", {"requestId": one.request_id})
            one.start_stream(b64decode(found["bufferedData"]))
            await self._try_call("allow", one.mark, AHEAD)
        except (Error, TimeoutError):
            try:
                one.start_stream(b64decode(await self._call("whole", one.mark, wait=True)))
            except DoorkeyError as error:
                one.fail(error)
        self._forget(one)

    def _on_read(self, one: PageFetch, more: int) -> None:
        if self.alive:
            self._spawn(self._try_call("allow", one.mark, more))

    def _on_abort(self, one: PageFetch) -> None:
        if self.alive:
            self._spawn(self._abort(one))

    async def _abort(self, one: PageFetch) -> None:
        try:
            await self._try_call("abort", one.mark)
        finally:
            one.fail(BrowserFailed("it was given up"))
            self._forget(one)

    async def _try_call(self, name: str, *values: object) -> None:
        try:
            await self._call(name, *values)
        except BrowserFailed:
            return  # the events of a page that does not answer end its requests

    async def _call(self, name: str, *values: object, wait: bool = False) -> Any:
        expression = f"doorkey.{name}({', '.join(map(json.dumps, values))})"
        found = await self._send(
            "Runtime.evaluate",
            {"expression": expression, "returnByValue": True, "awaitPromise": wait},
            limit=None if wait else CALL,
        )
        if "exceptionDetails" in found:
            raise BrowserFailed(f"the live page does not take requests ({name})")
        return found["result"].get("value")

    async def _send(self, method: str, values: dict[str, Any], *, limit: float | None = CALL) -> Any:
        async with limited("asking the live page", limit if limit is not None else 3600.0):
            return await self._devtools.send(method, values)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
