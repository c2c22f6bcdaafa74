"""Watches what happens during a login: what was sent, where the page is, what it asks for and what it says."""

from __future__ import annotations

import asyncio
import secrets
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from doorkey.browser.routing import RequestRouting
from doorkey.browser.visit.evidence_collector import VisitState
from doorkey.browser.visit.inspector import PageInspector
from doorkey.browser.visit.passkeys import CANCEL, cancelling_script
from doorkey.browser.visit.reading_scripts import ASKS, FIELDS, LINES, READY_STATE
from doorkey.browser.visit.step_failure import select_new_text
from doorkey.browser.visit.step_target import StepTargets
from doorkey.errors import BrowserFailed, Changed, DoorkeyError, NeedsPerson, SiteDown
from doorkey.model.events import SiteEvents
from doorkey.model.request import SAFE_METHODS
from doorkey.model.urls import origin_of
from doorkey.model.visit_needs import VisitNeeds

if TYPE_CHECKING:
    from typing import Any

    from playwright.async_api import ConsoleMessage, Frame, Request, WebSocket

ASKING = 2.0
"""Seconds for one question to the page."""
PASSWORD = "a password"  # noqa: S105 - what is asked for, not a password itself
ERROR_PAGE = "chrome-error:"
CUT = tuple(
    f"net::ERR_{why}"
    for why in ("CONTENT_LENGTH_MISMATCH", "INCOMPLETE_CHUNKED_ENCODING", "CONNECTION_CLOSED", "CONNECTION_RESET")
)
"""How the browser says that an answer ended before it was whole. It shows what has come."""
BY_HAND = "doorkey login SITE --by-hand"


class LoginObserver:
    """`origins`: where values may be filled in. `filling`: whether later steps fill in more. `sent`: whether a login
    may have reached the site, which is what a site counts against an account. `step` is the one that is run now, or
    that failed, and `selector` the element that it needs."""

    def __init__(self, targets: StepTargets, needs: VisitNeeds, routing: RequestRouting, events: SiteEvents) -> None:
        self._targets, self._needs, self._routing, self._events = targets, needs, routing, events
        self._main = targets.inspector
        # Only what settings name: a redirect must not choose who gets a password.
        places = (routing.site_url, *(step.place for step in needs.steps if "://" in step.place))
        self.origins = {origin_of(place) for place in places}
        self.filling = False
        self.sent = False
        self.step = self.selector = ""
        self._mark = secrets.token_hex(8)
        self._passkey = False
        self._secret_filled = False
        self._filled: list[str] = []
        self._acted = self._leaving = self._navigated = False
        self._cut = False  # the answer to the last action was
        self._before: list[str] = []
        self._asked = ""  # what the page after the steps asks for
        self._said = ""
        self._ended = ""  # where the page was after the steps

    async def listen(self) -> None:
        """Start to watch. Has to be called before the page is opened."""
        context = self._main.page.context
        self._main.page.on("framenavigated", self._on_navigation)
        self._main.page.on("request", self._on_page_request)
        self._main.page.on("requestfailed", self._on_page_failure)
        self._main.page.on("websocket", self._on_socket)
        context.on("request", self._on_request)
        context.on("console", self._on_console)
        await context.add_init_script(cancelling_script(self._mark))

    def note_filled(self, value: str, *, secret: bool) -> None:
        """A step fills in *value*. *secret*: it is a password or a code."""
        self._filled.append(value)
        self._secret_filled = self._secret_filled or secret

    @property
    def state(self) -> VisitState:
        """The step that was run last, unless it ended well, and what was filled in."""
        return VisitState(self.step, self.selector, tuple(self._filled), self._asked if self.sent else "")

    @property
    def asked_for_more(self) -> bool:
        """Whether the page after the steps asked for something that they do not give, such as a one-time code."""
        return self.sent and self._asked not in ("", PASSWORD)

    async def begin_action(self) -> None:
        """A step clicks or presses a key: what follows may be its effect."""
        self._before = await self._read_list(LINES)
        self._navigated, self._leaving, self._acted, self._cut = False, False, True, False

    @property
    def leaving(self) -> bool:
        """Whether the page has set out for another document since the last action, there yet or not."""
        return self._leaving or self._navigated

    async def has_navigated(self) -> bool:
        """Tell whether the page has gone to another document since the last action, and that is loaded."""
        return self._navigated and await self._read(self._main, READY_STATE) == "complete"

    async def ask(self) -> str:
        """Return what the page asks for, empty if for nothing, or while it navigates or hangs."""
        return str(await self._read(self._targets.inspector, ASKS) or "")

    async def remember_answer(self) -> None:
        """The steps are over: note what the page shows now, before it is opened again."""
        self._asked, self._said, self._ended = await self.ask(), await self._read_new_text(), self._where
        self._acted = False  # what the page is loaded with from now on is no login

    async def explain_step(self, why: str, *, fields: bool = False) -> DoorkeyError:
        """Return the error of a step that failed because of *why*. *fields*: name the fields that the page shows."""
        if self._routing.last_failure is not None:
            return self._routing.last_failure.again()
        asked, said = await self.ask() if self.sent else "", self._quote(await self._read_new_text())
        if self._cut or self._where.startswith(ERROR_PAGE):
            return self._explain_error_page()
        if asked == PASSWORD:
            return self._not_taken(self._where, said)
        if asked:
            return NeedsPerson(f"{why}: {self._where} asks for {asked}{said}. {_advise(asked)}")
        shown = await self._read_list(FIELDS) if fields else []
        has = f", which shows {', '.join(shown)}" if shown else ""
        return Changed(
            f"{why}{self._describe_sent()}; the page is {self._where}{has}{said}{self._describe_passkey()}. "
            f"Compare visit.steps with the site's {'login ' if self._needs.logs_in else ''}page"
        )

    async def explain_end(self, why: str) -> DoorkeyError:
        """Return the error where all steps were run and the page of `url` does not show `ready`, because of *why*."""
        if self._routing.last_failure is not None:
            return self._routing.last_failure.again()
        asks, said = await self.ask(), self._quote(self._said)
        if self._cut or self._ended.startswith(ERROR_PAGE):
            return self._explain_error_page()
        if self.sent and self._asked == PASSWORD:
            return self._not_taken(self._ended, said)
        if self.sent and self._asked:
            return NeedsPerson(
                f"after the login steps, {self._ended} asks for {self._asked}{said}. {_advise(self._asked)}"
            )
        if self.sent and asks == PASSWORD:
            return NeedsPerson(
                f"the site took the login (the page after the steps was {self._ended}, without a password field), but "
                f"{self._where}, the page of `url`, asks for a password again{said}. Check that `url` is a page that "
                f"this login may see; a login by hand: {BY_HAND}"
            )
        if self.sent and asks:
            return NeedsPerson(f"after the login steps, {self._where} asks for {asks}{said}. {_advise(asks)}")
        return Changed(
            f"{why}{self._describe_sent()}. The page after the steps was {self._ended}, now it is {self._where}{said}"
            f"{self._describe_passkey()}. Compare visit.steps with the site's "
            f"{'login ' if self._needs.logs_in else ''}page"
        )

    def _explain_error_page(self) -> DoorkeyError:
        """Return the error where the browser shows a page of its own in place of the site's answer, or half of that."""
        why = self._routing.refusals.last
        if why:
            return Changed(f"the login led to a place that doorkey does not let its pages reach: {why}")
        if self._cut:
            return SiteDown("the site closed the connection in the middle of its answer to a step of the login")
        return SiteDown("the site closed the connection and did not answer a step of the login")

    def _not_taken(self, where: str, said: str) -> DoorkeyError:
        return NeedsPerson(
            f"the site did not take the login: after the steps, {where} asks for {PASSWORD} again{said}"
            f"{self._describe_passkey()}. Check the values that the steps refer to; a login by hand: {BY_HAND}"
        )

    def _describe_sent(self) -> str:
        if not self._needs.logs_in:
            return ""
        return "; the login was sent" if self.sent else "; no login was sent"

    def _describe_passkey(self) -> str:
        if not self._passkey:
            return ""
        return f". It asked for a passkey, which no step can give: that was cancelled after {CANCEL:g} s"

    def _quote(self, said: str) -> str:
        return f'. The page says: "{said}"' if said else ""

    def _on_navigation(self, frame: Frame) -> None:
        if frame == self._main.page.main_frame:
            self._navigated = True

    def _on_page_request(self, request: Request) -> None:
        if request.is_navigation_request() and request.frame == self._main.page.main_frame:
            self._leaving = True

    def _on_page_failure(self, request: Request) -> None:
        own = request.is_navigation_request() and request.frame == self._main.page.main_frame
        if own and self._acted and request.failure in CUT:
            self._cut = True

    def _on_request(self, request: Request) -> None:
        # A site counts tries by what it is sent: after the password was filled in, or after the last field was.
        due = self._acted and (self._secret_filled or (bool(self._filled) and not self.filling))
        if due and origin_of(request.url) in self.origins:
            self.sent = self.sent or request.method not in SAFE_METHODS or request.is_navigation_request()

    def _on_socket(self, socket: WebSocket) -> None:
        socket.on("framesent", self._on_socket_frame)

    def _on_socket_frame(self, data: Any) -> None:
        self.sent = self.sent or (self._acted and self._secret_filled)

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.text == self._mark and not self._passkey:
            self._passkey = True
            self._events.report("login", f"the page asked for a passkey: cancelled after {CANCEL:g} s")

    async def _read_new_text(self) -> str:
        return select_new_text(self._before, await self._read_list(LINES), self._filled)

    async def _read_list(self, script: str) -> list[str]:
        found = await self._read(self._targets.inspector, script)
        return [str(one) for one in found] if isinstance(found, list) else []

    async def _read(self, inspector: PageInspector, script: str) -> object:
        """Return what the page answers to *script*, None while it navigates or hangs."""
        try:
            async with asyncio.timeout(ASKING):
                answer: object = await inspector.evaluate(script)
                return answer
        except (BrowserFailed, TimeoutError):
            return None

    @property
    def _where(self) -> str:
        # Without the query: it may hold what was typed.
        url = self._targets.inspector.page.url
        parts = urlsplit(url)
        same = origin_of(url) == origin_of(self._routing.site_url)
        return parts.path if same else f"{origin_of(url)}{parts.path}"


def _advise(asked: str) -> str:
    """Say what to do about a question that no step answers."""
    if asked == "a one-time code":
        step = '{ fill = "…", totp = "env:NAME" } or one with code = "command:…"'
        return f"Add a step for it, {step}, or log in by hand: {BY_HAND}"
    return f"Log in by hand: {BY_HAND}"
