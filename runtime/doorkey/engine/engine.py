"""The main path: send requests into a site, with a session that is renewed when the site refuses it.

    keeper.get -> session -> provider.dress -> transport -> provider.judge -> decide -> the answer, or a newer session

What is sent is a flow: a generator that yields requests. A single request is a flow of one; a chat is a flow of its
provider. After the first item is given to the caller nothing is ever sent again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any, NoReturn, TypeVar

from doorkey.clock import Clock
from doorkey.engine.answer import Answer, Raw
from doorkey.engine.assessor import Assessor
from doorkey.engine.attempts import REFUSALS, Attempts
from doorkey.engine.call import Call, JudgedReply
from doorkey.engine.check.checks import SessionChecks
from doorkey.engine.decision import Deliver, Fail, Refused, Renew
from doorkey.engine.decision_tables import MOST_EXCUSED, MOST_RENEWALS, Suspicion
from doorkey.engine.refusal_memory import RefusalMemory, refusal_shape
from doorkey.errors import BrowserFailed, DoorkeyError, VisitFailed
from doorkey.model.events import LEFT
from doorkey.model.request import Request
from doorkey.model.session import Session
from doorkey.model.verdict import Kind
from doorkey.network.url_policy import request_url
from doorkey.provider import Flow
from doorkey.rate.limiter import CALLER, RateLimiter, Slot
from doorkey.sessions.keeper import Keeper
from doorkey.sessions.single_use import hold_token
from doorkey.sessions.target import SiteTarget
from doorkey.transport.large_body import encode_in_pieces, needs_pieces
from doorkey.transport.selector import TransportSelector

T = TypeVar("T")
log = logging.getLogger("doorkey.engine")
ACCEPTED = Deliver()


class Engine:
    """`attempts`: how often a request that may be repeated is sent to a site that is down. `away`: how many seconds to
    wait for a site that takes no connections.
    """

    def __init__(
        self,
        *,
        keeper: Keeper,
        selector: TransportSelector,
        refusals: RefusalMemory,
        clock: Clock,
        checks: SessionChecks | None = None,
        attempts: int = 3,
        away: float = 10.0,
    ) -> None:
        self._keeper = keeper
        self._selector = selector
        self._refusals = refusals
        self._checks = checks
        self._clock = clock
        self._assessor = Assessor(keeper, selector, refusals, checks)
        self._attempts = Attempts(keeper, selector, refusals, clock, most=attempts, away=away)

    async def send(self, target: SiteTarget, request: Request, *, deadline: float) -> Answer[bytes]:
        """*request*'s answer with its true status, as it comes. *deadline* is the clock's `now`.

        A refused session is renewed as in `run`; what is refused all the same is the site's own answer too, and its
        `verdict` says so. Raises what a visit raised, RequestError, SiteDown when the site can't be reached,
        MayHaveArrived, SessionEnded, NeedsPerson where what stands before it lets no session in, TimeLimit.
        """
        if (request.form is not None or request.json is not None) and needs_pieces(request):
            request = await encode_in_pieces(request)
        call: Call[bytes] = Call(target, deadline, self._clock, self._clock.wall(), single=request)
        if target.provider.single_use and target.provider.uses_up(request):
            async with hold_token(self._keeper.states[target.key], deadline, self._clock):
                return await self._enter(call)
        return await self._enter(call)

    async def run(self, target: SiteTarget, start: Callable[[Session], Flow[Any]], *, deadline: float) -> Answer[Any]:
        """The answer of the flow that *start* makes for a session, once its first items are there.

        Raises DoorkeyError: what a visit raised, the final verdict of the site, RequestError from the provider,
        TimeLimit.
        """
        return await self._enter(Call(target, deadline, self._clock, self._clock.wall(), start))

    async def _enter(self, call: Call[T]) -> Answer[T]:
        """Carry *call* when it is its turn at the site. Its place is free again when its answer has ended."""
        target, slot = call.target, None
        limiters = self._keeper.limiters
        limiter = limiters.known[target.key] if target.key in limiters.known else limiters.of(target.key)
        try:
            if self._checks is not None and target.provider.check_url is not None:
                call.watched = True
                await self._checks.settle(target.key, call.deadline)
            if limiter is not None:
                slot = await limiter.enter(call.deadline, target.events)
            answer = await self._carry(call)
        except DoorkeyError as failure:
            failure.site = failure.site or target.site.name
            self._end(call, limiter, slot, failure.code)
            if target.recorder is not None:
                await target.recorder.fail_call(call.record(0.0, failure.code), failure, CALLER.get(), call.session)
            raise
        except asyncio.CancelledError:
            self._end(call, limiter, slot, LEFT)
            raise
        except BaseException:
            self._end(call, limiter, slot, "unexpected")
            raise
        self._end(call, limiter, slot, "")
        if slot is not None:
            answer.hold(slot)
        if target.recorder is not None and answer.verdict.kind not in (Kind.OK, Kind.UNCHECKED):
            refusal = answer.verdict.error(target.site.name, answer.head.status)
            target.recorder.note_refusal(
                call.record(answer.waited, refusal.code), refusal, CALLER.get(), answer.session
            )
        return answer

    def _end(self, call: Call[T], limiter: RateLimiter | None, slot: Slot | None, error: str) -> None:
        """Give the place of a call that failed back, obey the site's word on its rate, and publish the call."""
        if slot is not None and error:
            slot.leave()
        if limiter is not None and call.verdict is not None:
            limiter.obey(call.verdict)
        events = call.target.events.events
        if events.hooks or events.calm_hooks:
            record = call.record(slot.waited if slot else 0.0, error)
            for hook in (*events.hooks, *events.calm_hooks):
                hook(record)

    async def _carry(self, call: Call[T]) -> Answer[T]:
        target = call.target
        while True:
            session = call.session = self._keeper.get_ready(target, newer_than=call.refused)
            may_have_moved = target.site.transport == "page" or self._selector.moved
            if session is None or (may_have_moved and not self._selector.carries(session, target.site)):
                session = call.session = await self._session(call)
            if call.watched and self._checks is not None and not await self._checks.prepare(call, session):
                continue
            reply = await self._attempts.carry(call, session)
            settled = reply.verdict.kind is Kind.OK and reply.suspicion is Suspicion.NONE and not call.watched
            match ACCEPTED if settled else await self._assessor.assess(call, session, reply):
                case Deliver() as delivered:
                    answer = self._deliver(call, session, reply, delivered)
                    if delivered.refused != "not":
                        await self._reject_answered(call, session, delivered, answer)
                    return answer
                case Renew(refused):
                    self._give_up_session(call, session, reply, refused)
                case Fail() as failed:
                    await self._fail(call, session, reply, failed)

    async def _session(self, call: Call[T]) -> Session:
        """A session newer than the refused one that the site's transport can carry: `page` needs its context live."""
        if call.single is not None:
            request_url(call.single, call.target.site)  # nobody visits for what can't be sent
        selector, site = self._selector, call.target.site
        if selector.shared:
            await selector.refresh(call.target.key)
        try:
            for _ in range(MOST_RENEWALS + 1):
                session = await self._keeper.get(call.target, newer_than=call.refused, deadline=call.deadline)
                if (site.transport != "page" and not selector.moved) or selector.carries(session, site):
                    return session
                call.refused = session.gen
        except VisitFailed as error:
            # No visit now, as fresh sessions are refused: the caller is told the site's own refusal.
            verdict, status = call.refusal
            told = error if verdict.kind is Kind.OK else verdict.error(site.name, status)
            raise told.again(error.retry_after) from error
        raise BrowserFailed("the browser's page does not stay open for requests")

    def _give_up_session(self, call: Call[T], session: Session, reply: JudgedReply[T], refused: Refused) -> None:
        """Refuse *session*, where the site did: the call goes on with a newer one. The answer is nobody's."""
        reply.close()
        state = self._keeper.states[session.key]
        worked = session.gen <= state.accepted or session.gen != state.made  # here, or maybe where it was made
        if call.renewals and worked and call.excused < MOST_EXCUSED:
            call.excused += 1
        call.renewals += 1
        call.refused = session.gen
        site = call.target.site
        if refused == "not":
            if reply.verdict.kind is Kind.CHALLENGED:
                self._selector.move(site, session.key)
            return
        self._keeper.refuse(session, named=refused == "named", login=bool(call.target.provider.steps))
        call.refusal = reply.verdict, reply.head.status
        if reply.verdict.kind in REFUSALS:
            call.shapes.append(refusal_shape(reply.head, reply.request, reply.verdict.kind))

    def _deliver(self, call: Call[T], session: Session, reply: JudgedReply[T], delivered: Deliver) -> Answer[Any]:
        """The answer as the caller gets it."""
        answer: Answer[Any]
        if reply.answer is not None:
            answer = reply.answer
        else:
            assert reply.stream is not None, "a reply without an answer is an open stream"
            answer = Answer(call.target.site.name, reply.stream.head, session, call.renewals, reply.stream, Raw())
        answer.verdict = delivered.verdict
        if call.conversation.by_identity:
            answer.cookies = call.conversation.changes
        if reply.verdict.kind is Kind.OK and delivered.verdict.kind is Kind.OK:
            self._attempts.accept(reply, session)
            for shape in call.shapes:
                self._refusals.forget(session.key, shape)
            answer.on_failed = lambda verdict: self._assessor.break_off(session, reply, verdict)
        return answer

    async def _reject_answered(self, call: Call[T], session: Session, delivered: Deliver, answer: Answer[Any]) -> None:
        """Mark the session refused, although *answer* goes to the caller."""
        try:
            await self._reject(call, session, delivered)
        except BaseException:
            await answer.aclose()
            raise

    async def _fail(self, call: Call[T], session: Session, reply: JudgedReply[T], failed: Fail) -> NoReturn:
        """Tell the caller *failed*'s error; the answer is nobody's."""
        reply.close()
        await self._reject(call, session, failed)
        raise failed.error

    async def _reject(self, call: Call[T], session: Session, decision: Deliver | Fail) -> None:
        """Mark the session refused, where it was, and renew it for the next call."""
        if decision.refused == "not":
            return
        self._keeper.refuse(session, named=decision.refused == "named", login=bool(call.target.provider.steps))
        if not decision.behind:
            return
        if self._checks is not None and isinstance(decision, Fail):
            self._checks.learning.spawn(self._renew_behind(call, session))  # nobody waits for an error
            return
        await self._renew_behind(call, session)

    async def _renew_behind(self, call: Call[T], session: Session) -> None:
        """Renew the session for the next call."""
        try:
            await self._keeper.get(call.target, newer_than=session.gen, deadline=call.deadline)
        except DoorkeyError as error:
            log.info("%s: not renewed after a request that is not sent again: %s", call.target.site.name, error)
