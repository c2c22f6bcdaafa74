"""Records what a person does in a window: the requests with their answers, the pages, and what was typed.

All of it stays in memory. Nothing is logged but counts.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from doorkey.browser.showing.bar import BINDING, Stage, make_script
from doorkey.browser.visit.inspector import WORLD
from doorkey.browser.visit.snapshot import keep_texts
from doorkey.learning.recording import Event, Exchange
from doorkey.learning.shown import Shot

if TYPE_CHECKING:
    from playwright.async_api import CDPSession, Page, Request

SKIPPED = ("image", "media", "font", "stylesheet", "websocket", "eventsource", "texttrack", "manifest")
"""Kinds of requests that carry no token that others need."""
TEXTS = ("json", "text/", "javascript", "xml", "x-www-form-urlencoded", "html")
LONGEST_BODY = 2 * 1024 * 1024
MOST_BODIES = 96 * 1024 * 1024
"""Characters of one body, and of all of them, that are kept."""
END = 3.0
"""Seconds that the answers under way may take when the person is done."""


@dataclass(slots=True)
class _Sent:
    """A request that was seen, as far as it is known."""

    request: Request
    headers: Mapping[str, str] = field(default_factory=dict)
    status: int = 0
    answers: tuple[tuple[str, str], ...] = ()
    body: str = ""

    def as_exchange(self) -> Exchange:
        kinds = {name.lower(): value for name, value in self.answers}
        posted = self.request.post_data_buffer
        return Exchange(
            method=self.request.method,
            url=self.request.url.partition("#")[0],
            headers=self.headers or self.request.headers,
            body=posted.decode("utf-8", "replace")[:LONGEST_BODY] if posted else "",
            status=self.status,
            answer_headers=kinds,
            set_cookies=tuple(value for name, value in self.answers if name.lower() == "set-cookie"),
            answer_type=kinds.get("content-type", "").partition(";")[0].strip().lower(),
            answer_body=self.body,
            navigates=self.request.is_navigation_request(),
        )


class Recorder:
    """Records what is done in a window. `done` is set when the person says so, or has closed every page of it.

    `stage` is what they are asked to do. With *shows_bar*, a bar on each page says it, and has the button to go on.
    """

    def __init__(self, *, shows_bar: bool = True) -> None:
        self._shows_bar = shows_bar
        self._sent: list[_Sent] = []
        self._known: dict[Request, _Sent] = {}
        self._shots: list[Shot] = []
        self._events: list[Event] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._sessions: list[CDPSession] = []
        self._pages = 0
        self._kept = 0
        self.done = asyncio.Event()
        self.stage: Stage = "login"
        self.said_done = False

    @property
    def exchanges(self) -> tuple[Exchange, ...]:
        return tuple(one.as_exchange() for one in self._sent)

    @property
    def shots(self) -> tuple[Shot, ...]:
        return tuple(self._shots)

    @property
    def events(self) -> tuple[Event, ...]:
        return tuple(self._events)

    async def watch_first(self, page: Page) -> None:
        """Record the context of *page*, which is the window's first one and empty still."""
        context = page.context
        context.on("request", self._note)
        context.on("requestfinished", lambda request: self._spawn(self._read(request)))
        await self.watch(page)
        context.on("page", lambda popup: self._spawn(self._watch_popup(popup)))

    async def watch(self, page: Page) -> None:
        """Show the bar on *page*, and record what is done there."""
        self._pages += 1
        page.on("close", self._count_closed)
        session = await page.context.new_cdp_session(page)
        session.on("Runtime.bindingCalled", lambda event: self._spawn(self._hear(event)))
        await session.send("Runtime.enable")
        await session.send("Page.enable")
        await session.send("Runtime.addBinding", {"name": BINDING, "executionContextName": WORLD})
        self._sessions.append(session)
        await self._place(session, self.stage)

    async def go_on(self) -> None:
        """Go on to the next stage, as somebody says who sees the pages elsewhere."""
        if self.stage == "use":
            await self._place_in_all("done")  # the pages tell what they hold still
        await self._advance(self.stage)

    async def settle(self) -> None:
        """Wait until the answers under way have been read, or END is over."""
        if self._tasks:
            await asyncio.wait(set(self._tasks), timeout=END)
        for task in self._tasks:
            task.cancel()

    async def _place(self, session: CDPSession, stage: Stage) -> None:
        source = make_script(stage, shown=self._shows_bar)
        script = {"source": source, "worldName": WORLD, "runImmediately": True}
        await session.send("Page.addScriptToEvaluateOnNewDocument", script)

    async def _place_in_all(self, stage: Stage) -> None:
        from playwright.async_api import Error

        for session in [*self._sessions]:
            try:
                await self._place(session, stage)
            except Error:
                continue  # that page is closed

    async def _watch_popup(self, page: Page) -> None:
        from playwright.async_api import Error

        try:
            await self.watch(page)
        except Error:
            return  # it was closed again at once

    def _count_closed(self, _: Page) -> None:
        self._pages -= 1
        if not self._pages:
            self.done.set()

    def _note(self, request: Request) -> None:
        if request.resource_type in SKIPPED or not request.url.startswith(("http:", "https:")):
            return
        self._known[request] = _Sent(request)
        self._sent.append(self._known[request])

    async def _read(self, request: Request) -> None:
        from playwright.async_api import Error

        sent = self._known.get(request)
        if sent is None:
            return
        try:
            response = await request.response()
            sent.headers = {name.lower(): value for name, value in (await request.all_headers()).items()}
            if response is None:
                return
            sent.status = response.status
            sent.answers = tuple((one["name"].lower(), one["value"]) for one in await response.headers_array())
            kind = response.headers.get("content-type", "").lower()
            if any(part in kind for part in TEXTS) and self._kept < MOST_BODIES and not 300 <= sent.status < 400:
                body = (await response.body()).decode("utf-8", "replace")[:LONGEST_BODY]
                self._kept += len(body)
                sent.body = body
        except Error:
            return  # the browser has dropped the answer, as it does when the page moves on; the page itself was kept

    async def _hear(self, event: Mapping[str, Any]) -> None:
        """Take what a page's script tells. Only the isolated world has the binding, so it is our own script."""
        if event.get("name") != BINDING:
            return
        told = json.loads(event["payload"])
        match told["kind"]:
            case "page" if told["html"]:
                self._shots.append(
                    Shot(
                        url=told["url"],
                        html=told["html"],
                        local=keep_texts(told["local"]),
                        session=keep_texts(told["session"]),
                        at=len(self._sent),
                        stage=told["stage"],
                    )
                )
            case "fill":
                self._events.append(Event("fill", told["css"], told["value"], secret=told["secret"]))
            case "click":
                self._events.append(Event("click", told["css"]))
            case "stage":
                await self._advance(told["stage"])

    async def _advance(self, left: Stage) -> None:
        """Go on from the stage *left*: the pages that are open and further ones show the next one."""
        if left == "use":
            self.said_done = True
            self.done.set()
            return
        self.stage = "use"
        await self._place_in_all("use")

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
