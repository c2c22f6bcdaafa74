"""Records the requests of a page, and the answer that its document came with."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

from doorkey.browser.playwright_errors import translate
from doorkey.browser.visit.inspector import CALL, PageInspector
from doorkey.errors import BrowserFailed
from doorkey.model.page import Seen
from doorkey.model.request import Head
from doorkey.model.urls import origin_of

if TYPE_CHECKING:
    from playwright.async_api import Page as BrowserPage
    from playwright.async_api import Request, WebSocket

MOST_SHAPES = 1000
"""Requests that are kept: the latest of each shape, so a page that polls does not push the others out."""
LONGEST_ANSWER = 1024 * 1024
"""Characters of an answer's body that are kept."""
TEXTS = ("json", "text/", "javascript", "xml", "x-www-form-urlencoded")
"""Parts of the media types of answers whose bodies are kept."""
SCRIPTS = ("Fetch", "Script", "XHR")
"""What a page's scripts wait for, by DevTools' names: whatever they set comes after it."""
CHECKS = ("Document", *SCRIPTS)
"""What a challenge is made of, and what it sends."""
REGISTRATION = ("secure-session-registration", "sec-session-registration")
"""Headers by which a site asks the browser to bind its session to this device (W3C, Device Bound Session Credentials;
the second is the name in earlier drafts)."""
FIELD = re.compile(r'name="([^"]{1,80})"|(?:^|&)([^=&\s]{1,80})=|"([\w.-]{1,80})"\s*:')
"""The name of a field in a multipart, form or JSON body."""


class NetworkLog:
    """One page's requests: those of its frames, of its workers and of its site's service workers.

    `sent` holds the headers of the page's first request, lower-case, once it was sent. `status` and `headers` belong to
    the answer that its present document came with. `awaited` holds the requests under way that its scripts wait for.
    `answers` counts the answers to its documents and scripts, `failures` those of its own origin that refused or did
    not come, and `documents` the page's own.
    While `recording`, the requests are kept, with their answers if `with_answers`.
    """

    def __init__(self, inspector: PageInspector, *, recording: bool, with_answers: bool = False) -> None:
        self._inspector, self._page, self._with_answers = inspector, inspector.page, with_answers
        self._first = ""  # the id of the first document's request
        self._frame = ""
        self._kept: dict[object, tuple[Request | None, Seen]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.recording = recording
        self.awaited: set[str] = set()
        self._checks: dict[str, str] = {}  # the methods of requests to the page's own origin that can fail
        self.answers = self.failures = self.documents = 0
        self.sent: dict[str, str] = {}
        self.status = 0
        self._binding: set[str] = set()  # origins that asked for a session that is bound to this device
        self.headers: Mapping[str, str] = {}

    @property
    def head(self) -> Head:
        """The head of the answer that the present document came with."""
        return Head(status=self.status, headers=self.headers)

    @property
    def seen(self) -> tuple[Seen, ...]:
        """The recorded requests, the latest last."""
        return tuple(seen for _, seen in self._kept.values())

    def clear(self) -> None:
        """Drop the recorded requests."""
        self._kept.clear()

    async def listen(self) -> None:
        """Start to listen. Raises BrowserFailed."""
        from playwright.async_api import Error

        session = await self._inspector.open()
        # By DevTools: while routing is on, Playwright gives a request's headers without Accept-Language (measured).
        session.on("Network.requestWillBeSent", self._on_request)
        session.on("Network.requestWillBeSentExtraInfo", self._on_headers)
        session.on("Network.responseReceived", self._on_response)
        session.on("Network.loadingFinished", self._on_end)
        session.on("Network.loadingFailed", self._on_failed)
        # By Playwright: it also reports what frames of other processes, workers and service workers send.
        self._page.context.on("request", self._record)
        self._page.on("websocket", self._record_socket)
        if self._with_answers:
            self._page.context.on("requestfinished", self._record_answer)
        try:
            async with asyncio.timeout(CALL):
                await session.send("Network.enable")
        except Error as error:
            raise translate(error, "opening a page") from error
        except TimeoutError as error:
            raise BrowserFailed(f"opening a page: the browser did not answer within {CALL:g} s") from error

    def _on_request(self, event: dict[str, Any]) -> None:
        if event.get("type") in SCRIPTS:
            self.awaited.add(event["requestId"])
        if event.get("type") in CHECKS and origin_of(event["request"]["url"]) == origin_of(self._page.url):
            self._checks[event["requestId"]] = event["request"]["method"]
        if event.get("type") == "Document" and not self._first:
            self._first, self._frame = event["requestId"], event.get("frameId", "")

    def _on_headers(self, event: dict[str, Any]) -> None:
        if event["requestId"] == self._first and not self.sent:
            self.sent.update({name.lower(): value for name, value in event["headers"].items()})

    @property
    def device_bound(self) -> bool:
        """Whether the page's origin asked the browser to bind its session to this device."""
        return origin_of(self._page.url) in self._binding

    def _on_end(self, event: dict[str, Any]) -> None:
        self.awaited.discard(event["requestId"])

    def _on_failed(self, event: dict[str, Any]) -> None:
        self._on_end(event)
        if self._checks.pop(event["requestId"], None) is not None and not event.get("canceled"):
            self.failures += 1

    def _on_response(self, event: dict[str, Any]) -> None:
        method, status = self._checks.pop(event["requestId"], None), int(event["response"]["status"])
        self.answers += event.get("type") in CHECKS
        names = {name.lower() for name in event["response"]["headers"]}
        if not names.isdisjoint(REGISTRATION):
            self._binding.add(origin_of(event["response"]["url"]))
        if method is not None and status >= 400 and status != 404 and (method != "GET" or event["type"] != "Document"):
            self.failures += 1
        if event.get("type") == "Document" and event.get("frameId") == self._frame:
            self.documents += 1
            answer = event["response"]
            self.awaited.clear()  # they were the last document's
            self.status = int(answer["status"])
            self.headers = {name.lower(): str(value) for name, value in answer["headers"].items()}

    def _record(self, request: Request) -> None:
        if self.recording and self._is_ours(request):
            body = (request.post_data_buffer or b"").decode("utf-8", "replace")
            seen = Seen(method=request.method, url=request.url, headers=request.headers, body=body)
            self._add(request, seen)

    def _record_socket(self, socket: WebSocket) -> None:
        if self.recording:
            # A WebSocket begins as a request by HTTP. ws://… and wss://… are of the origin of http://… and https://….
            self._add(None, Seen(method="GET", url="http" + socket.url.removeprefix("ws")))

    def _add(self, request: Request | None, seen: Seen) -> None:
        shape = _shape_of(seen)
        self._kept.pop(shape, None)
        self._kept[shape] = request, seen
        if len(self._kept) > MOST_SHAPES:
            del self._kept[next(iter(self._kept))]

    def _is_ours(self, request: Request) -> bool:
        from playwright.async_api import Error

        if request.service_worker is not None:
            return origin_of(request.service_worker.url) == origin_of(self._page.url)
        try:
            page: BrowserPage = request.frame.page
        except Error:  # the first request of a page that does not exist yet
            return False
        return page == self._page

    def _record_answer(self, request: Request) -> None:
        if any(request is kept for kept, _ in self._kept.values()):
            task = asyncio.create_task(self._add_answer(request))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _add_answer(self, request: Request) -> None:
        from playwright.async_api import Error

        body = ""
        try:
            async with asyncio.timeout(CALL):
                response = await request.response()
                if response is None:
                    return
                headers = await response.all_headers()
                if any(part in headers.get("content-type", "") for part in TEXTS):
                    body = (await response.body()).decode("utf-8", "replace")[:LONGEST_ANSWER]
        except (Error, TimeoutError):
            return  # the page has gone on, and its bodies with it
        for shape, (kept, seen) in self._kept.items():
            if kept is request:
                answered = replace(seen, status=response.status, answer_headers=headers, answer_body=body)
                self._kept[shape] = request, answered


def _shape_of(seen: Seen) -> object:
    """What tells kinds of requests apart: method, place, and the names of parameters, headers and fields."""
    parts = urlsplit(seen.url)
    names = frozenset(name for name, _ in parse_qsl(parts.query, keep_blank_values=True))
    fields = frozenset(match.group(match.lastindex or 0) for match in FIELD.finditer(seen.body[:16384]))
    return seen.method, parts.netloc, parts.path, names, frozenset(seen.headers), fields
