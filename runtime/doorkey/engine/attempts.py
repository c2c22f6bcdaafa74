"""Sends the requests of a call with one session, up to an answer that has to be decided on."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable
from typing import Any, TypeVar

from doorkey.clock import Clock
from doorkey.engine.answer import Answer
from doorkey.engine.call import Call, JudgedReply, is_harmless, may_have_arrived
from doorkey.engine.decision_tables import Suspicion
from doorkey.engine.refusal_memory import RefusalMemory
from doorkey.errors import BrowserFailed, DoorkeyError, EmptyAnswer, NotPlainHttp, SiteDown, TimeLimit
from doorkey.model.cookies import Change
from doorkey.model.events import log as events_log
from doorkey.model.request import HEAD_BYTES, Head, Request, is_large
from doorkey.model.session import Session
from doorkey.model.verdict import OK, Kind, Verdict
from doorkey.provider import Flow, Provider
from doorkey.sessions.builder import with_cookies
from doorkey.sessions.keeper import Keeper
from doorkey.sessions.single_use import take_over_tokens
from doorkey.transport.holding import read_to_judge
from doorkey.transport.selector import TransportSelector
from doorkey.transport.stream import Stream, whole

T = TypeVar("T")
LONGEST_WAIT = 4.0
"""Seconds at most between two attempts at a site that is down."""
AWAY_POLL = 1.0
"""Seconds at most between two attempts at a site that takes no connections."""
REFUSALS = (Kind.STALE, Kind.CHALLENGED, Kind.REFUSED)


class Attempts:
    """`most`: how often a request that may be repeated is sent to a site that is down. `away`: seconds for which any
    request is sent again to a site that takes no connections: it can't have arrived.
    """

    def __init__(
        self,
        keeper: Keeper,
        selector: TransportSelector,
        refusals: RefusalMemory,
        clock: Clock,
        *,
        most: int,
        away: float,
    ) -> None:
        self._keeper = keeper
        self._selector = selector
        self._refusals = refusals
        self._clock = clock
        self._most = most
        self._away = away

    def carry(self, call: Call[T], session: Session) -> Awaitable[JudgedReply[T]]:
        """Carry the call on with *session*, to its answer or to the first reply that is not accepted.

        Raises SiteDown for a request that did not arrive, MayHaveArrived for one that must not be repeated and may
        have arrived, RequestError, TimeLimit, and EmptyAnswer.
        """
        request = call.next_request(session)
        if call.flow is not None:
            return self._carry_flow(call, call.flow, request, session)
        if call.target.provider.passes_on and request.own_host:
            return self._send_and_pass_on(call, request, session)
        return self._send(call, request, session)

    async def _carry_flow(self, call: Call[T], flow: Flow[Any], request: Request, session: Session) -> JudgedReply[T]:
        while True:
            reply = await self._send(call, request, session)
            if reply.stream is None or reply.verdict.kind is not Kind.OK:
                return reply
            if request.decode is not None:
                await self._begin(call, reply, session)
                flow.close()
                return reply
            read = await whole(reply.stream, request.limit)
            try:
                request = flow.send(read)
            except StopIteration as made:
                if not made.value:
                    raise EmptyAnswer(f"{call.target.site.name}: the answer is empty") from None
                reply.answer = Answer(call.target.site.name, read, session, call.renewals, first=list(made.value))
                reply.answer.transport = reply.stream.transport
                return reply
            call.spent = call.spent or not reply.request.repeatable
            call.pending = request
            self.accept(reply, session)

    async def _send_and_pass_on(self, call: Call[T], request: Request, session: Session) -> JudgedReply[T]:
        """As `_send`; the next request gets the tokens that the answer carries."""
        reply = await self._send(call, request, session)
        if reply.verdict.kind not in REFUSALS and reply.stream is not None:
            state = self._keeper.states[session.key]
            try:
                await take_over_tokens(call.target.provider, state, reply.request, session, reply.stream)
            except BaseException:
                reply.close()
                raise
        return reply

    def accept(self, reply: JudgedReply[Any], session: Session) -> None:
        """The site accepted a request with *session*. Another host than the site's has not looked at it."""
        if reply.request.own_host:
            self._keeper.accept(session)
            self._refusals.accept(session, reply.request, reply.sent)

    async def _begin(self, call: Call[T], reply: JudgedReply[T], session: Session) -> None:
        """Read the streamed answer until its first items or its end: what the body says still counts here."""
        assert reply.stream is not None
        assert reply.request.decode is not None
        decoder = reply.request.decode(reply.head)
        answer: Answer[T] = Answer(call.target.site.name, reply.head, session, call.renewals, reply.stream, decoder)
        try:
            reply.verdict = await answer.begin()
        except BaseException:
            await answer.aclose()
            raise
        if reply.verdict.kind is Kind.OK:
            reply.answer = answer
        else:
            await answer.aclose()
        call.verdict = reply.verdict

    async def _send(self, call: Call[T], request: Request, session: Session) -> JudgedReply[T]:
        """The judged answer of one request. At a site that is down it is sent again, where that does no harm."""
        if self._clock.now() >= call.deadline:
            raise TimeLimit("total", 0.0, site=call.target.site.name, setting="limits.total")  # nothing was sent
        result = await self._try_once(call, request, session)
        if isinstance(result, JudgedReply) and result.verdict.kind is Kind.OK:
            return result
        if self._may_repeat(call, request, result):
            result = await self._repeat(call, request, session, result)
        if isinstance(result, SiteDown):
            if not result.arrived or is_harmless(request):
                raise result
            raise may_have_arrived(call, request, result) from result
        return result

    async def _repeat(
        self, call: Call[T], request: Request, session: Session, first: JudgedReply[T] | SiteDown
    ) -> JudgedReply[T] | SiteDown:
        """The result of the last attempt. *first* is that of the first one.

        tenacity is imported and entered only after a failure: its machinery would cost every request more than our own
        path does.
        """
        from tenacity import AsyncRetrying, RetryCallState, retry_if_result, wait_random_exponential

        known: JudgedReply[T] | SiteDown | None = first
        waits_after = wait_random_exponential(multiplier=0.25, max=LONGEST_WAIT)
        end = min(self._clock.now() + self._away, call.deadline)
        if is_away(first) and self._away:
            call.target.events.report("attempt", f"{first}; waiting up to {self._away:g} s for it (limits.away)")

        async def attempt() -> JudgedReply[T] | SiteDown:
            nonlocal known
            result, known = known, None
            return result or await self._try_once(call, request, session)

        def last(state: RetryCallState) -> JudgedReply[T] | SiteDown:
            assert state.outcome is not None
            result: JudgedReply[T] | SiteDown = state.outcome.result()
            waited = isinstance(result, SiteDown) and is_away(result) and self._away > 0
            return result.waited_for(self._away) if isinstance(result, SiteDown) and waited else result

        def ended(state: RetryCallState) -> bool:
            assert state.outcome is not None
            waits = is_away(state.outcome.result()) and self._clock.now() < end
            return state.attempt_number >= self._most and not waits

        def pause(state: RetryCallState) -> float:
            assert state.outcome is not None
            wait, left = waits_after(state), end - self._clock.now()
            return min(wait, AWAY_POLL, left) if is_away(state.outcome.result()) and left > 0 else wait

        retrying = AsyncRetrying(
            retry=retry_if_result(lambda result: self._may_repeat(call, request, result)),
            stop=ended,
            wait=pause,
            sleep=self._clock.sleep,
            retry_error_callback=last,
        )
        return await retrying(attempt)

    def _may_repeat(self, call: Call[T], request: Request, result: JudgedReply[T] | SiteDown) -> bool:
        """Whether the site is down, and sending the request again does no harm."""
        if isinstance(result, SiteDown):
            harmless, after = request.repeatable or not result.arrived, result.retry_after
        elif result.verdict.kind is Kind.SITE_DOWN and result.error is None and call.single is None:
            harmless, after = request.repeatable, result.verdict.retry_after
        else:
            return False
        return harmless and request.again and after is None and self._clock.now() < call.deadline

    async def _try_once(self, call: Call[T], request: Request, session: Session) -> JudgedReply[T] | SiteDown:
        """Send one request once and judge its answer; or the error of a connection that failed."""
        provider, site = call.target.provider, call.target.site
        try:
            if request.body and is_large(request):
                # A thread, so that looking through the body does not hold up everybody else's answers.
                dressed = await asyncio.to_thread(provider.dress, request, session)
            else:
                dressed = provider.dress(request, session)
            sent = self._clock.now()
            selector, transport = self._selector, self._selector.direct
            if site.transport == "page" or selector.moved:
                transport = selector.of(request, site, session.key)
            stream = await transport.open(
                dressed,
                session,
                site,
                conversation=call.conversation,
                sliding=provider.cookies_sliding,
                total=call.deadline - sent,
            )
            came = self._clock.now()
            if call.conversation.slid:
                await self._renew_cookies(call.conversation.taken(), provider, session, stream)
            head = stream.head
            # Of most answers the head, or what came with it, is all that judging needs: no holding rule is asked then.
            enough = head.is_data or len(head.start) >= HEAD_BYTES
            if request.own_host and (not enough or provider.looks_into(dressed, head)):
                head = await read_to_judge(provider, dressed, stream)
        except (SiteDown, TimeLimit, NotPlainHttp, BrowserFailed) as failure:
            return self._excuse(call, request, session, failure)
        verdict = provider.judge(dressed, head, session) if request.own_host else foreign_verdict(head)
        reply: JudgedReply[T] = JudgedReply(request, verdict, head, sent, came, stream)
        if verdict.by_absence:
            reply.suspicion = Suspicion.VAGUE
        call.verdict = verdict
        call.replies.append(reply)
        if call.target.events.events.hooks or events_log.isEnabledFor(logging.DEBUG):
            call.report(reply)
        if call.single is None and verdict.kind is not Kind.OK:
            stream.close()
        return reply

    def _excuse(
        self,
        call: Call[T],
        request: Request,
        session: Session,
        failure: SiteDown | TimeLimit | NotPlainHttp | BrowserFailed,
    ) -> JudgedReply[T] | SiteDown:
        """What becomes of a request that brought no answer. Raises *failure*, or what it means for the caller."""
        site = call.target.site
        error: DoorkeyError = failure
        match failure:
            case SiteDown():
                return failure
            case TimeLimit():
                if is_harmless(request):
                    raise failure
                raise may_have_arrived(call, request, failure) from failure
            case NotPlainHttp():
                is_final = not self._selector.can_move(site, session.key) and self._selector.carries(session, site)
                if not request.own_host or is_final:
                    raise failure
                self._selector.move(site, session.key, "speaks no plain HTTP")
                if failure.arrived and not is_harmless(request):
                    error = may_have_arrived(call, request, failure)
            case BrowserFailed():
                if failure.arrived and not is_harmless(request):
                    raise may_have_arrived(call, request, failure) from failure
                if self._selector.carries(session, site):
                    raise failure
        now = self._clock.now()
        return JudgedReply(request, Verdict(Kind.SITE_DOWN, failure.message), Head(status=0), now, now, error=error)

    async def _renew_cookies(
        self, slid: tuple[Change, ...], provider: Provider, session: Session, stream: Stream
    ) -> None:
        try:
            await self._keeper.renew_cookies(session, lambda held: with_cookies(held, slid, provider))
        except BaseException:
            stream.close()
            raise


def is_away(result: object) -> bool:
    """Whether the site took no connection: it may be restarting, and the request can't have arrived."""
    return isinstance(result, SiteDown) and result.away and not result.arrived


def foreign_verdict(head: Head) -> Verdict:
    """What an answer of another host than the site's means: it says nothing about the session."""
    if head.status == 200:
        return OK
    return Verdict(Kind.CHANGED, f"another host than the site's answered HTTP {head.status}")
