"""A visit that stays: its context is kept open, and a second, blank page of the site in it makes requests."""

from __future__ import annotations

import asyncio
import json
from base64 import b64decode, b64encode
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from doorkey.browser.live.page_fetch import AHEAD, STEP, PageFetch
from doorkey.browser.live.script import BLANK, SCRIPT
from doorkey.browser.playwright_errors import limited, translate
from doorkey.browser.visit.snapshot import as_cookie
from doorkey.errors import BrowserFailed, DoorkeyError, RequestError
from doorkey.model.session import Cookie

if TYPE_CHECKING:
    from playwright.async_api import BrowserContext, CDPSession, Page

CALL = 10.0
"""Seconds for one call into the page."""
BUFFER = 128 * 1024 * 1024
"""Bytes of bodies that DevTools keeps: more than come before a page reads them, or DevTools is told to stream them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PageRequest:
    """One request as a page can make it. `referrer` is of the same origin, or empty for none."""

    url: str
    method: str
    headers: Mapping[str, str] = field(repr=False)
    referrer: str
    body: bytes | None = field(default=None, repr=False)


class LivePage:
    """Made by `Lease.stay`. `changed` is called whenever a request begins or ends, or the page has died."""

    def __init__(self, context: BrowserContext, page: Page, devtools: CDPSession) -> None:
        self._context, self._page, self._devtools = context, page, devtools
        self._count = 0
        self._by_mark: dict[str, PageFetch] = {}
        self._by_id: dict[str, PageFetch] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.alive = True
        self.changed: Callable[[], None] = lambda: None

    @classmethod
    async def open(cls, context: BrowserContext, url: str) -> LivePage:
        """A blank page at *url*: the site's own policies and scripts have no say in it. Raises BrowserFailed."""
        async with limited("opening a page for requests", CALL):
            page = await context.new_page()
            await page.route("**/*", lambda route: route.fulfill(body=BLANK, content_type="text/html"))
            await page.goto(url)
            await page.unroute("**/*")
            live_page = cls(context, page, await context.new_cdp_session(page))
            await live_page._listen()
        return live_page

    @property
    def busy(self) -> bool:
        """Whether requests are under way."""
        return bool(self._by_mark)

    async def fetch(self, page_request: PageRequest, fetching: Callable[[PageFetch], None]) -> None:
        """Send *order*; *fetching* is given it as soon as it exists. Raises BrowserFailed, or RequestError for what a
        page can't send."""
        self._count += 1
        mark = f"dk{self._count}"
        one = PageFetch(mark, self._aborted, self._allowed)
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
            "credentials": "same-origin",
            "redirect": "manual",
            "cache": "no-store",
        }
        try:
            for at in range(0, len(page_request.body or b""), STEP):
                await self._call("put", mark, b64encode((page_request.body or b"")[at : at + STEP]).decode())
            await self._call("begin", mark, page_request.url, options)
        except BrowserFailed as error:
            self.end(error.message)  # the next request has another page opened
            raise
        if not one.request_id and not one.content.ended:
            why = await self._call("sent", mark, wait=True)
            if why:
                one.lost(RequestError(f"the page can't send this request: {str(why)[:200]}"))
                self._forget(one)

    async def cookies(self) -> tuple[Cookie, ...]:
        async with limited("reading cookies", CALL):
            return tuple(map(as_cookie, await self._context.cookies()))

    async def set_cookie(self, cookie: Cookie, url: str) -> None:
        given: dict[str, Any] = {
            "name": cookie.name, "value": cookie.value, "path": cookie.path,
            "secure": cookie.secure, "httpOnly": cookie.http_only,
        }  # fmt: skip
        given |= {"url": url} if cookie.host_only else {"domain": "." + cookie.domain.lstrip(".")}
        given |= {} if cookie.expires is None else {"expires": cookie.expires}
        given |= {"sameSite": cookie.same_site} if cookie.same_site in ("Strict", "Lax", "None") else {}
        await self._send("Network.setCookie", given)

    async def delete_cookie(self, cookie: Cookie) -> None:
        # By hand: Playwright's own way takes all cookies out of the jar for a moment.
        domain = cookie.domain if cookie.host_only else "." + cookie.domain.lstrip(".")
        await self._send("Network.deleteCookies", {"name": cookie.name, "domain": domain, "path": cookie.path})

    def end(self, why: str) -> None:
        """What is under way fails, and nothing new begins."""
        if self.alive:
            self.alive = False
            for one in list(self._by_mark.values()):
                one.lost(BrowserFailed(why))
            self._by_mark.clear()
            self._by_id.clear()
            self.changed()

    async def close(self) -> None:
        self.end("the live page was closed")
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _listen(self) -> None:
        self._page.on("crash", lambda _: self.end("the live page crashed"))
        self._page.on("close", lambda _: self.end("the live page was closed, or the browser ended"))
        for name, handler in (
            ("requestWillBeSent", self._asked),
            ("responseReceivedExtraInfo", self._told),
            ("responseReceived", self._answered),
            ("dataReceived", self._came),
            ("loadingFinished", self._finished),
            ("loadingFailed", self._failed),
        ):
            self._devtools.on(f"Network.{name}", handler)
        await self._devtools.send("Network.enable", {"maxTotalBufferSize": BUFFER, "maxResourceBufferSize": BUFFER})
        await self._devtools.send("Runtime.evaluate", {"expression": SCRIPT})
        self._spawn(self._watch())

    async def _watch(self) -> None:
        """Notice the end of the page, of the browser, or of Playwright's driver, of which no event tells: it fails the
        calls under way, and here is one that never returns."""
        from playwright.async_api import Error

        try:
            await self._devtools.send("Runtime.evaluate", {"expression": "doorkey.for_ever", "awaitPromise": True})
        except Error as error:
            self.end(translate(error, "watching the live page").message)

    def _asked(self, event: dict[str, Any]) -> None:
        # A fragment is never sent to the site: it tells requests apart here.
        one = self._by_mark.get(event["request"].get("urlFragment", "").removeprefix("#"))
        if one is None:
            return
        if "redirectResponse" in event:
            one.redirected()
            self._forget(one)
            return
        one.request_id = event["requestId"]
        self._by_id[one.request_id] = one
        self._spawn(self._streamed(one))

    def _told(self, event: dict[str, Any]) -> None:
        one = self._by_id.get(event["requestId"])
        if one is not None:
            one.headed(int(event["statusCode"]), event["headers"])
            self._forget(one)

    def _answered(self, event: dict[str, Any]) -> None:
        one = self._by_id.get(event["requestId"])
        if one is None:
            return
        one.answered(int(event["response"]["status"]))
        if not event.get("hasExtraInfo"):
            one.headed(int(event["response"]["status"]), event["response"]["headers"])

    def _came(self, event: dict[str, Any]) -> None:
        one = self._by_id.get(event["requestId"])
        if one is None:
            return
        if "data" in event:
            one.came(b64decode(event["data"]))
        else:
            one.missed(int(event["dataLength"]))

    def _finished(self, event: dict[str, Any]) -> None:
        one = self._by_id.get(event["requestId"])
        if one is not None:
            one.finished()
            self._forget(one)

    def _failed(self, event: dict[str, Any]) -> None:
        one = self._by_id.get(event["requestId"])
        if one is not None:
            one.failed(event["errorText"])
            self._forget(one)

    def _forget(self, one: PageFetch) -> None:
        """Take leave of a request of which all was told."""
        if one.told and self._by_mark.pop(one.mark, None) is not None:
            self._by_id.pop(one.request_id, None)
            if self.alive:
                self._spawn(self._quietly("forget", one.mark))
            self.changed()

    async def _streamed(self, one: PageFetch) -> None:
        """Have its body come by DevTools. One that is complete already is read from the page."""
        from playwright.async_api import Error

        try:
            async with asyncio.timeout(CALL):
                found = await self._devtools.send("Network.streamResourceContent", {"requestId": one.request_id})
            one.streaming(b64decode(found["bufferedData"]))
            await self._quietly("allow", one.mark, AHEAD)
        except (Error, TimeoutError):
            try:
                one.streaming(b64decode(await self._call("whole", one.mark, wait=True)))
            except DoorkeyError as error:
                one.lost(error)
        self._forget(one)

    def _allowed(self, one: PageFetch, more: int) -> None:
        if self.alive:
            self._spawn(self._quietly("allow", one.mark, more))

    def _aborted(self, one: PageFetch) -> None:
        if self.alive:
            self._spawn(self._abort(one))

    async def _abort(self, one: PageFetch) -> None:
        try:
            await self._quietly("abort", one.mark)
        finally:
            one.lost(BrowserFailed("it was given up"))
            self._forget(one)

    async def _quietly(self, name: str, *values: object) -> None:
        try:
            await self._call(name, *values)
        except BrowserFailed:
            return  # a page that does not answer fails by its own events

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
