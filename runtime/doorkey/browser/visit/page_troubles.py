"""Remembers what goes wrong in a page: script errors, console errors, requests that fail, redirects."""

from __future__ import annotations

import re
from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from doorkey.browser.visit.inspector import PageInspector
from doorkey.errors import BrowserFailed
from doorkey.model.evidence import Trouble, TroubleKind
from doorkey.model.page import Seen, place_of

if TYPE_CHECKING:
    from playwright.async_api import ConsoleMessage, WebError

MOST = 40
"""Entries that are kept of each kind: the latest."""
MOST_SENT = 150
LONGEST = 1000
BODIES = ("Fetch", "Ping", "XHR")
"""What a page's scripts send, by DevTools' names: it is read with its answers when the visit has failed."""


class PageTroubles:
    """Listens to one page. While nothing fails it only keeps references to what DevTools reports anyway."""

    def __init__(self, inspector: PageInspector) -> None:
        self._inspector = inspector
        self._troubles: deque[Trouble] = deque(maxlen=MOST)
        self._requests: dict[str, dict[str, Any]] = {}
        self._answers: dict[str, dict[str, Any]] = {}
        self._thrown: deque[tuple[str, str]] = deque(maxlen=MOST)  # errors of scripts with their places
        self._frame = ""
        self.redirects: deque[tuple[int, str, str]] = deque(maxlen=MOST)

    async def listen(self) -> None:
        """Start to listen, beside a `NetworkLog` that has switched on the reports of the network."""
        session = await self._inspector.open()
        session.on("Network.requestWillBeSent", self._on_request)
        session.on("Network.responseReceived", self._on_response)
        session.on("Network.loadingFinished", self._on_finished)
        session.on("Network.loadingFailed", self._on_failed)
        self._inspector.page.on("console", self._on_console)
        self._inspector.page.context.on("weberror", self._on_error)

    def add(self, kind: TroubleKind, text: str, place: str = "", status: int = 0, type: str = "") -> None:
        self._troubles.append(Trouble(kind, text[:LONGEST], place, status, type))

    async def find_places(self) -> None:
        """Ask where the errors of the page's scripts were raised that have no stack: those of a script's syntax, and
        thrown texts. The browser keeps them for its developer tools. Raises BrowserFailed."""
        session = await self._inspector.open()
        session.on("Runtime.exceptionThrown", self._on_thrown)
        await self._inspector.send("Runtime.enable", {})  # tells of all before it answers

    @property
    def entries(self) -> tuple[Trouble, ...]:
        return tuple(dict.fromkeys(self._locate(trouble) for trouble in self._troubles))

    @property
    def waiting(self) -> tuple[str, ...]:
        """The places of the requests that have no answer yet."""
        open_ = [one for id_, one in self._requests.items() if id_ not in self._answers and not one.get("ended")]
        return tuple(dict.fromkeys(place_of(one["request"]["url"]) for one in open_))[:MOST]

    async def read_sent(self) -> tuple[Seen, ...]:
        """Return the requests of the page's scripts, with the answers that DevTools still has."""
        found = []
        for id_, event in list(self._requests.items())[-MOST_SENT:]:
            request, answer = event["request"], self._answers.get(id_, {})
            if event.get("type") not in BODIES:
                continue
            found.append(
                Seen(
                    method=request["method"],
                    url=request["url"],
                    headers={name.lower(): str(value) for name, value in request["headers"].items()},
                    body=str(request.get("postData", "")),
                    status=int(answer.get("status", 0)),
                    answer_headers={name.lower(): str(value) for name, value in answer.get("headers", {}).items()},
                    answer_body=await self._read_body(id_, answer),
                )
            )
        return tuple(found)

    async def _read_body(self, id_: str, answer: dict[str, Any]) -> str:
        if "json" not in str(answer.get("mimeType", "")):
            return ""
        try:
            found = await self._inspector.send("Network.getResponseBody", {"requestId": id_})
        except BrowserFailed:
            return ""  # the page has gone on, and its bodies with it
        return "" if found.get("base64Encoded") else str(found.get("body", ""))[:65536]

    def _on_request(self, event: dict[str, Any]) -> None:
        redirect = event.get("redirectResponse")
        if event.get("type") == "Document":
            self._frame = self._frame or event.get("frameId", "")
            if redirect is not None and event.get("frameId") == self._frame:
                places = place_of(redirect["url"]), place_of(event["request"]["url"])
                self.redirects.append((int(redirect["status"]), *places))
        self._requests[event["requestId"]] = event
        if len(self._requests) > MOST_SENT * 2:
            id_ = next(iter(self._requests))
            del self._requests[id_]
            self._answers.pop(id_, None)

    def _on_response(self, event: dict[str, Any]) -> None:
        answer, kind = event["response"], str(event.get("type", ""))
        status = int(answer["status"])
        if event["requestId"] in self._requests:
            self._answers[event["requestId"]] = answer
        is_page = kind == "Document" and event.get("frameId") == self._frame
        if status >= 400 and not is_page and not answer["url"].endswith("/favicon.ico"):
            self.add("request", f"HTTP {status}", place_of(answer["url"]), status, kind)

    def _on_finished(self, event: dict[str, Any]) -> None:
        if (request := self._requests.get(event["requestId"])) is not None:
            request["ended"] = True

    def _on_failed(self, event: dict[str, Any]) -> None:
        request = self._requests.get(event["requestId"])
        if request is None:
            return
        request["ended"] = True
        if not event.get("canceled"):
            place = place_of(request["request"]["url"])
            self.add("request", str(event.get("errorText", "")), place, 0, str(event.get("type", "")))

    def _on_console(self, message: ConsoleMessage) -> None:
        # A request that failed is told by the network, too.
        if message.type == "error" and not message.text.startswith("Failed to load resource"):
            where = message.location
            self.add("console", message.text, f"{place_of(where['url'])}:{where['lineNumber'] + 1}")

    def _on_thrown(self, event: dict[str, Any]) -> None:
        details = event["exceptionDetails"]
        thrown = details.get("exception", {})
        if url := details.get("url"):
            text = str(thrown.get("description") or thrown.get("value") or details["text"])
            self._thrown.append((text[:LONGEST], f"{place_of(url)}:{details['lineNumber'] + 1}"))

    def _locate(self, trouble: Trouble) -> Trouble:
        """Add the place that `find_places` has found."""
        if trouble.kind != "script error" or trouble.place:
            return trouble
        return replace(trouble, place=next((place for text, place in self._thrown if trouble.text in text), ""))

    def _on_error(self, error: WebError) -> None:
        if error.page is not None and error.page != self._inspector.page:
            return
        self.add("script error", error.error.message, _find_place(error.error.stack or ""))


def _find_place(stack: str) -> str:
    """Return where an error was raised, as Chromium's *stack* tells: "URL:LINE", without the URL's query."""
    found = re.search(r"(https?://[^\s()]+?):(\d+):\d+\)?\s*$", stack, re.MULTILINE)
    return f"{place_of(found[1])}:{found[2]}" if found else ""
