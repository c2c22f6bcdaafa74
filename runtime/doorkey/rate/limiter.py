"""The rate limiter of one site: how many calls at a time, how soon after each other, first come, first served."""

from __future__ import annotations

import asyncio
import logging
import random
import secrets
from collections.abc import Callable
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

from doorkey.clock import Clock
from doorkey.errors import DoorkeyError, QueueFull, TimeLimit
from doorkey.model.events import SiteEvents
from doorkey.model.verdict import Kind, Verdict
from doorkey.rate.shared_queue import SharedQueues
from doorkey.rate.site_queue import Rest

log = logging.getLogger("doorkey.rate")

CALLER: ContextVar[str] = ContextVar("caller", default="")
"""The id of the request that a call is made for; the service sets it."""
JITTER = 0.25
"""Share by which the time between two requests varies, so that their rhythm is not exact."""
FIRST_REST, LONGEST_REST = 2.0, 60.0
"""Seconds without requests after a rate limit that names no time. Doubled each time until an answer is accepted."""
RATE_LIMITS = (Kind.RATE_LIMITED, Kind.SITE_DOWN)
"""Verdicts whose Retry-After holds for the whole site. A quota is not among them: it may belong to one model."""


@dataclass(slots=True)
class _Ticket:
    """One call in the queue. `token` names it to other processes, `asked` tells that they know of it."""

    caller: str
    token: str = field(default_factory=lambda: secrets.token_hex(8))
    asked: bool = False
    nudged: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(frozen=True, slots=True)
class Place:
    """A call's place in the queue, from 1, and about how many seconds it still has to wait."""

    caller: str
    place: int
    about: float


@dataclass(frozen=True, slots=True)
class RateStatus:
    """`at_once` and `rate` are the limits, `under_way` the calls at the site, `queue` those that wait.

    `about`: seconds that one more call would wait. `rests`: seconds for which the site wants no requests.
    """

    at_once: int
    rate: float
    under_way: int
    queue: tuple[Place, ...]
    about: float
    rests: float | None


class Slot:
    """A place among the calls at the site, after *waited* seconds. `leave` gives it back, once."""

    def __init__(self, limiter: RateLimiter, token: str, began: float, waited: float) -> None:
        self.waited = waited
        self._token = token
        self._began = began
        self._limiter: RateLimiter | None = limiter
        self._loop = asyncio.get_running_loop()

    def leave(self) -> None:
        limiter, self._limiter = self._limiter, None
        if limiter is not None:
            limiter.release(self._token, self._began)

    async def __aenter__(self) -> Slot:
        return self

    async def __aexit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.leave()

    def __del__(self) -> None:
        # An answer that nobody closed must not hold the others up. Garbage may be collected by any thread.
        if self._limiter is not None and not self._loop.is_closed():
            with suppress(RuntimeError):  # the loop was closed meanwhile: nobody waits
                self._loop.call_soon_threadsafe(self._limiter.release, self._token, self._began)


class RateLimiter:
    """`at_once`: calls at a time. `rate`: calls begun a second. `queue`: how many may wait, each at most `longest`
    seconds. `patience`: seconds of a Retry-After that are waited out; a longer one is told. `shared`: the queues that
    other processes wait in, too, of which this one's is *place*; None where no process shares them.
    """

    def __init__(
        self,
        site: str,
        clock: Clock,
        *,
        place: str = "",
        shared: SharedQueues | None = None,
        at_once: int,
        rate: float,
        queue: int,
        patience: float,
        longest: float,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._site = site
        self._clock = clock
        self._place = place
        self._shared = shared
        self._at_once = at_once
        self._rate = rate
        self._most = queue
        self._patience = patience
        self._longest = longest
        self._uniform = uniform
        self._inside = 0
        self._queue: list[_Ticket] = []
        self._next = 0.0  # when the next may begin
        self._rests = 0.0  # until when the site is left alone
        self._rest: float = FIRST_REST
        self._why: DoorkeyError | None = None
        self._took = 0.0  # seconds that a call is at the site, of the latest ones

    @property
    def idle(self) -> bool:
        return not self._inside and not self._queue and max(self._next, self._rests) <= self._clock.now()

    def adopt(self, at_once: int, rate: float, queue: int, patience: float) -> None:
        """Take over other limits."""
        self._at_once, self._rate, self._most, self._patience = at_once, rate, queue, patience
        self._nudge()

    def status(self) -> RateStatus:
        rests = self._rests - self._clock.now()
        queue = tuple(
            Place(waiting.caller, at, round(self._estimate(at), 1)) for at, waiting in enumerate(self._queue, 1)
        )
        about = round(self._estimate(len(queue) + 1), 1)
        return RateStatus(self._at_once, self._rate, self._inside, queue, about, rests if rests > 0 else None)

    async def enter(self, deadline: float, events: SiteEvents) -> Slot:
        """A slot, when it is this call's turn: first come, first served.

        Raises QueueFull; the site's own error while it wants to be left alone for longer than is waited; TimeLimit at
        *deadline* (the clock's `now`). *events* is told the place in the queue.
        """
        began = self._clock.now()
        end = min(deadline, began + self._longest)
        if len(self._queue) >= self._most and self._seconds_left(None, end) > 0:
            raise QueueFull(self._site, self._most, self._estimate(1))
        ticket = _Ticket(CALLER.get())
        self._queue.append(ticket)
        try:
            told = False
            while (wait := self._seconds_left(ticket, end) or await self._ask_others(ticket, end)) > 0:
                now = self._clock.now()
                if now >= end:
                    limit = round(end - began, 3)
                    raise TimeLimit(
                        "total, while waiting for a turn at the site", limit, site=self._site, setting="limits.total"
                    )
                if not told:
                    told, place = True, self._queue.index(ticket) + 1
                    events.report("queue", f"waiting for a turn: place {place}, about {self._estimate(place):.0f} s")
                await self._wait_nudge(ticket, min(wait, end - now))
            now = self._clock.now()
            self._inside += 1
            self._next = now + self._step()
            ticket.asked = False
            return Slot(self, ticket.token, now, now - began if told else 0.0)
        finally:
            self._queue.remove(ticket)
            if ticket.asked and self._shared is not None:
                self._shared.leave(self._place, ticket.token)
            self._nudge()

    async def take_token(self, deadline: float) -> None:
        """Wait until the rate allows one more request, which takes no place and does not queue.

        Raises TimeLimit at *deadline* (the clock's `now`), and the site's own error while it wants to be left alone.
        """
        began = self._clock.now()
        while (
            wait := max(0.0, max(self._next, self._rests) - self._clock.now()) or await self._ask_others(None, deadline)
        ) > 0:
            if self._rests >= deadline and self._why is not None:
                raise self._why.again(self._rests - self._clock.now())
            left = deadline - self._clock.now()
            if left <= 0:
                limit = round(deadline - began, 3)
                raise TimeLimit("session check, while waiting for the rate", limit, site=self._site)
            await self._clock.sleep(min(wait, left))
        self._next = self._clock.now() + self._step()

    def release(self, token: str, began: float) -> None:
        """Free the place of the call *token*, which began at *began* (the clock's `now`)."""
        self._inside -= 1
        if self._shared is not None:
            self._shared.leave(self._place, token)
        took = self._clock.now() - began
        self._took = took if not self._took else 0.75 * self._took + 0.25 * took
        self._nudge()

    def obey(self, verdict: Verdict) -> None:
        """Heed the site's last *verdict* on a call: after a rate limit no call begins for a while."""
        if verdict:
            self._rest = FIRST_REST
        after = verdict.retry_after
        if verdict.kind is Kind.RATE_LIMITED and after is None:
            after, self._rest = self._rest, min(LONGEST_REST, self._rest * 2)
        if after and verdict.kind in RATE_LIMITS and self._begin_rest(after, verdict) and self._shared is not None:
            self._shared.begin_rest(self._place, after, verdict.kind.value, verdict.detail)

    def _begin_rest(self, seconds: float, verdict: Verdict) -> bool:
        """Begin no call for *seconds*; False where a longer rest is under way."""
        until = self._clock.now() + seconds
        if until <= self._rests:
            return False
        self._rests, self._why = until, verdict.error(self._site)
        log.info("%s: no requests for %.1f s: %s", self._site, seconds, verdict.detail)
        for waiting in self._queue:  # a rest may be too long for any of them
            waiting.nudged.set()
        return True

    async def _ask_others(self, ticket: _Ticket | None, end: float) -> float:
        """Seconds until the calls of other processes let this one begin: 0 now. A request without a *ticket* takes no
        place. Raises as `_seconds_left` for a rest that another process was asked for."""
        if self._shared is None:
            return 0.0
        if ticket is None:
            admission = await self._shared.take_token(self._place, self._step())
        else:
            ticket.asked = True
            admission = await self._shared.enter(self._place, ticket.token, self._at_once, self._step())
        if admission.rest is not None:
            self._take_over(admission.rest, admission.rest_left)
            if ticket is not None:
                self._seconds_left(ticket, end)
        return admission.wait

    def _take_over(self, rest: Rest, left: float) -> None:
        """Heed the rest that the site asked another process for; it lasts *left* more seconds."""
        kind = next((kind for kind in RATE_LIMITS if kind.value == rest.kind), Kind.RATE_LIMITED)
        if left > self._rests - self._clock.now() + 1.0:
            self._begin_rest(left, Verdict(kind, rest.detail, retry_after=left))

    def _step(self) -> float:
        """Seconds from the beginning of one request to the next."""
        return self._uniform(1 - JITTER, 1 + JITTER) / self._rate

    def _seconds_left(self, ticket: _Ticket | None, end: float) -> float:
        """Seconds until it may be this call's turn: 0 now, infinite until another call ends. Raises for a long rest."""
        now = self._clock.now()
        rest = self._rests - now
        if rest > 0 and self._why is not None and (rest > self._patience or self._rests >= end):
            raise self._why.again(rest)
        if self._inside >= self._at_once or (self._queue and self._queue[0] is not ticket):
            return float("inf")
        return max(0.0, self._next - now, rest)

    def _estimate(self, place: int) -> float:
        """About how long the call at *place* waits, by the duration of the latest calls."""
        start = max(0.0, self._next - self._clock.now(), self._rests - self._clock.now())
        ahead = max(0, self._inside + place - self._at_once)
        return max(start + (place - 1) / self._rate, ahead * self._took / self._at_once)

    def _nudge(self) -> None:
        if self._queue:
            self._queue[0].nudged.set()

    async def _wait_nudge(self, ticket: _Ticket, seconds: float) -> None:
        """Return when the ticket is nudged, or after *seconds*."""
        ticket.nudged.clear()
        waits: list[asyncio.Future[Any]] = [asyncio.ensure_future(ticket.nudged.wait())]
        if seconds != float("inf"):
            waits.append(asyncio.ensure_future(self._clock.sleep(seconds)))
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
