"""One call on its way into a site: what is pending, what was spent, what it met."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from doorkey.clock import Clock
from doorkey.engine.answer import Answer
from doorkey.engine.refusal_memory import Shape
from doorkey.model.request import Head, Request
from doorkey.model.session import Session
from doorkey.model.verdict import Verdict
from doorkey.provider import Flow
from doorkey.rate.limiter import RateLimiter
from doorkey.rate.limits import RateLimiters
from doorkey.sessions.target import SiteTarget
from doorkey.transport.headers import Conversation
from doorkey.transport.stream import Stream

T = TypeVar("T")


class Refused(Exception):
    """Inside the engine: an attempt was refused before anything reached the caller."""

    def __init__(self, verdict: Verdict, head: Head, sent: float, stream: Stream | None = None) -> None:
        super().__init__(verdict.detail)
        self.stream = stream  # still open, where the site's own answer may be wanted
        self.verdict = verdict
        self.head = head
        self.sent = sent


@dataclass(slots=True)
class Call(Generic[T]):
    """`start` makes the flow for a session, or `single` is the only request, whose answer is wanted as it is.

    `deadline` is the clock's `now`. `spent`: a request that must not be sent twice has succeeded. `shape` is of the
    unknown refusal renewed for, `persisted` of the one with a name that a fresh session met again. `verdict` is the
    site's last word, None before it had one; `sent` is when the request that it is about was sent.
    """

    target: SiteTarget
    deadline: float
    clock: Clock
    start: Callable[[Session], Flow[Any]] | None = None
    single: Request | None = None
    conversation: Conversation = field(init=False)
    flow: Flow[Any] | None = None
    pending: Request | None = None
    spent: bool = False
    renewals: int = 0
    shape: Shape | None = None
    persisted: Shape | None = None
    verdict: Verdict | None = None
    sent: float = 0.0
    began: float = field(init=False)

    def __post_init__(self) -> None:
        self.began = self.clock.wall()

    def fresh(self, session: Session) -> bool:
        """Whether a browser has made *session* since this call began."""
        return session.born >= self.began and session.rung.startswith("browser")

    @property
    def again(self) -> bool:
        """Whether the pending request can be sent again."""
        return self.pending is None or self.pending.again

    @property
    def harmless(self) -> bool:
        """Whether the pending request does no harm when it is sent again, though it may have arrived."""
        return self.pending is not None and self.pending.repeatable and self.again

    @property
    def asked(self) -> str:
        """Method and path of the pending request, without its query."""
        return "" if self.pending is None else f"{self.pending.method} {self.pending.url.partition('?')[0]}"

    def request(self, session: Session) -> Request:
        """The request to send now: the flow begins anew with each session, unless something was spent."""
        if self.single is not None:
            self.conversation, self.pending = Conversation(self.clock), self.single
        elif self.start is not None and (self.flow is None or not self.spent):
            self.conversation = Conversation(self.clock)
            self.flow = self.start(session)
            self.pending = next(self.flow)
        assert self.pending is not None
        return self.pending


def run_within_rate(
    limiters: RateLimiters, call: Call[T], run: Callable[[Call[T]], Awaitable[Answer[T]]]
) -> Awaitable[Answer[T]]:
    """What *run* makes of the call, when it is its turn at the site; its place is free again when its answer has ended.

    Raises what `Pace.enter` does.
    """
    pace = limiters.of(call.target.key)
    return run(call) if pace is None else _paced(pace, call, run)


async def _paced(pace: RateLimiter, call: Call[T], run: Callable[[Call[T]], Awaitable[Answer[T]]]) -> Answer[T]:
    slot = await pace.enter(call.deadline, call.target.events)
    try:
        answer = await run(call)
    except BaseException:
        slot.leave()
        raise
    finally:
        if call.verdict is not None:
            pace.heard(call.verdict)
    answer.hold(slot)
    return answer
