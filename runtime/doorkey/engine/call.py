"""One call on its way into a site, and what each of its attempts brought."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar
from urllib.parse import urlsplit

from doorkey.clock import Clock
from doorkey.engine.answer import Answer
from doorkey.engine.decision_tables import CheckOutcome, Suspicion
from doorkey.engine.useless_renewals import RefusalShape
from doorkey.errors import DoorkeyError, MayHaveArrived
from doorkey.model.events import Attempt, CallRecord
from doorkey.model.request import SAFE_METHODS, Head, Request
from doorkey.model.session import Session
from doorkey.model.verdict import OK, Verdict
from doorkey.provider import Flow
from doorkey.sessions.target import SiteTarget
from doorkey.transport.conversation import Conversation
from doorkey.transport.stream import Stream

T = TypeVar("T")
LOGOUT = re.compile(r"(?i)(?:^|[^a-z])(?:log|sign)[-_ ]?(?:out|off)(?:[^a-z]|$)|abmelden|deconnexion|cerrar[-_]?sesion")
"""Common words for a logout in a path or its query."""
ADDRESS = re.compile(r"""\[(?:href|action)\s*[\^*$]?=\s*["']?([^"'\]\s?]+)""")
"""The address in a selector of a link or a form."""


@dataclass(slots=True)
class JudgedReply(Generic[T]):
    """What an attempt brought: the answer to `request`, judged.

    `sent` and `came` are the clock's `now` when the request was sent and when the answer's head came. `stream` is the
    answer, still open; a flow's is closed unless it was accepted. `answer` is what a flow made of it, once there is
    something for the caller. `error` is the transport's error where no answer came. `novel`: it is suspect only because
    no answer of its form was accepted yet.
    """

    request: Request
    verdict: Verdict
    head: Head
    sent: float
    came: float
    stream: Stream | None = None
    answer: Answer[T] | None = None
    error: DoorkeyError | None = None
    suspicion: Suspicion = Suspicion.NONE
    ground: str = ""
    novel: bool = False
    check: CheckOutcome = CheckOutcome.IMPOSSIBLE

    @property
    def attempt(self) -> Attempt:
        """The attempt in short, as it is told."""
        transport = "direct" if self.stream is None else self.stream.transport
        return Attempt(self.request.what, self.head.status, transport, self.verdict.kind, self.came - self.sent)

    def close(self) -> None:
        """End the request at the site: its answer is nobody's."""
        if self.stream is not None:
            self.stream.close()


@dataclass(slots=True)
class Call(Generic[T]):
    """`start` makes the flow for a session, or `single` is the only request, whose answer is wanted as it is.

    `deadline` is a time by the clock's `now`, `began` the wall time at which the call began. `watched`: answers are
    held against what is known of the site's sessions. `spent`: a request that must not be sent twice has succeeded.
    `renewals` counts the renewals, `excused` those for sessions that had worked: they died early, which is not for
    this call to suffer. The session has to be newer than the generation `refused`. `refusal` is the last refusal's
    verdict and status, for where no newer session is to be had. `shapes` are those of the refusals that the session was
    renewed for. `verdict` is the site's last word, None before it had one. `session` is the one that the last attempt
    was made with.
    """

    target: SiteTarget
    deadline: float
    clock: Clock
    began: float
    start: Callable[[Session], Flow[Any]] | None = None
    single: Request | None = None
    watched: bool = False
    conversation: Conversation = field(init=False)
    flow: Flow[Any] | None = None
    pending: Request | None = None
    spent: bool = False
    renewals: int = 0
    excused: int = 0
    refused: int = -1
    refusal: tuple[Verdict, int] = OK, 0
    shapes: list[RefusalShape] = field(default_factory=list)
    verdict: Verdict | None = None
    session: Session | None = None
    replies: list[JudgedReply[T]] = field(default_factory=list)
    checks: list[str] = field(default_factory=list)

    def is_fresh(self, session: Session) -> bool:
        """Whether a browser has made *session* since this call began."""
        return session.born >= self.began and session.rung.startswith("browser")

    def next_request(self, session: Session) -> Request:
        """The request to send now: the flow begins anew with each session, unless something was spent."""
        if self.single is not None:
            # What was set beside a session that was refused since must not take the place of the new one's cookies.
            given = self.single.cookies
            if given and self.renewals:
                held = {cookie.identity for cookie in session.cookies}
                given = tuple(change for change in given if change.identity not in held)
            if given:
                self.conversation = Conversation.beginning_with(given, self.clock)
            else:
                self.conversation = Conversation(self.clock)
            self.pending = self.single
        elif self.start is not None and (self.flow is None or not self.spent):
            self.conversation = Conversation(self.clock)
            self.flow = self.start(session)
            self.pending = next(self.flow)
        assert self.pending is not None
        return self.pending

    def report(self, reply: JudgedReply[T]) -> None:
        """Tell those who follow each step what an attempt brought."""
        made = reply.attempt
        why = f" ({reply.verdict.detail})" if not reply.verdict and reply.verdict.detail else ""
        told = f"{made.what}: HTTP {made.status} by {made.transport}, {made.verdict}{why}"
        self.target.events.report("attempt", told)

    def record(self, waited: float, error: str = "") -> CallRecord:
        """The path of this call so far."""
        attempts: tuple[Attempt, ...] = ()
        for reply in self.replies:
            attempts += (reply.attempt,)
        return CallRecord(
            at=self.began,
            site=self.target.site.name,
            attempts=attempts,
            checks=tuple(self.checks),
            renewals=self.renewals,
            waited=waited,
            took=max(0.0, self.clock.wall() - self.began),
            error=error,
        )


def is_harmless(request: Request) -> bool:
    """Whether it does no harm that *request* is processed twice."""
    return request.repeatable or request.method.upper() in SAFE_METHODS


def may_have_arrived(call: Call[Any], request: Request, error: DoorkeyError) -> MayHaveArrived:
    """The error of a request that must not be repeated, and whose answer did not come."""
    site = call.target.site.name
    return MayHaveArrived(
        f"{site}: {request.what} was sent, but no answer came ({error.message.removeprefix(site + ': ')}). The site "
        "may have processed it, so it was not sent again: look there before you repeat it",
        site=site,
    )


def is_logout(request: Request, ready: str) -> bool:
    """Whether *request* ends the session: its address says so in common words, or *ready* names it.

    A selector of what only logged-in people see is often that of the logout.
    """
    parts = urlsplit(request.url)
    if LOGOUT.search(f"{parts.path}?{parts.query}") is not None:
        return True
    return len(parts.path) > 1 and parts.path in ready and parts.path in ADDRESS.findall(ready)
