"""The main path: send requests into a site, with a session that is renewed when the site refuses it.

    keeper.get -> session -> provider.dress -> transport -> provider.judge -> decide -> the answer, or a newer session

What is sent is a flow: a generator that yields requests. A single request is a flow of one; a chat is a flow of its
provider. After the first item is given to the caller nothing is ever sent again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, NoReturn, TypeVar

from doorkey.clock import Clock
from doorkey.engine.answer import Answer, Raw
from doorkey.engine.attempts import REFUSALS, Attempts
from doorkey.engine.call import Call, JudgedReply
from doorkey.engine.check.checks import SessionChecks
from doorkey.engine.check.suspicion import is_logout
from doorkey.engine.decision import Check, Decision, Deliver, Fail, Refused, Renew, Told, decide
from doorkey.engine.decision_tables import MOST_RENEWALS, Case, CheckOutcome, News, Resend, Suspicion
from doorkey.engine.refusal_memory import RefusalMemory, kind_of, shape_of
from doorkey.errors import BrowserFailed, DoorkeyError, NotPlainHttp, VisitFailed
from doorkey.model.request import Request
from doorkey.model.session import Session
from doorkey.model.verdict import Kind, Verdict
from doorkey.network.url_policy import request_url
from doorkey.provider import Flow
from doorkey.sessions.keeper import Keeper
from doorkey.sessions.single_use import hold_token
from doorkey.sessions.target import SiteTarget
from doorkey.transport.selector import TransportSelector

T = TypeVar("T")
log = logging.getLogger("doorkey.engine")
TELLING = (CheckOutcome.ALIVE, CheckOutcome.RENEWED, CheckOutcome.DEAD)


class Engine:
    """`attempts`: how often a request that may be repeated is sent to a site that is down. `away`: seconds that a site
    which takes no connections is waited for.
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
        self._attempts = Attempts(keeper, selector, refusals, clock, most=attempts, away=away)

    async def send(self, target: SiteTarget, request: Request, *, deadline: float) -> Answer[bytes]:
        """*request*'s answer with its true status, as it comes. *deadline* is the clock's `now`.

        A refused session is renewed as in `run`; what is refused all the same is the site's own answer too, and its
        `verdict` says so. Raises what a visit raised, RequestError, SiteDown when the site can't be reached,
        MayHaveArrived, SessionEnded, NeedsPerson where what stands before it lets no session in, TimeLimit.
        """
        call: Call[bytes] = Call(target, deadline, self._clock, single=request)
        if target.provider.single_use and target.provider.uses_up(request):
            async with hold_token(self._keeper.key_state(target.key), deadline, self._clock):
                return await self._enter(call)
        return await self._enter(call)

    async def run(self, target: SiteTarget, start: Callable[[Session], Flow[Any]], *, deadline: float) -> Answer[Any]:
        """The answer of the flow that *start* makes for a session, once its first items are there.

        Raises DoorkeyError: what a visit raised, the final verdict of the site, RequestError from the provider,
        TimeLimit.
        """
        return await self._enter(Call(target, deadline, self._clock, start))

    async def _enter(self, call: Call[T]) -> Answer[T]:
        """Carry *call* when it is its turn at the site. Its place is free again when its answer has ended."""
        if self._checks is not None and call.target.provider.check_url is not None:
            await self._checks.settle(call.target.key, call.deadline)
        limiter = self._keeper.limiters.of(call.target.key)
        slot = None if limiter is None else await limiter.enter(call.deadline, call.target.events)
        error = "unexpected"
        try:
            answer = await self._carry(call)
            error = ""
        except DoorkeyError as failure:
            failure.site = failure.site or call.target.site.name
            error = failure.code
            raise
        finally:
            if slot is not None:
                if error:
                    slot.leave()
                if call.verdict is not None and limiter is not None:
                    limiter.obey(call.verdict)
            events = call.target.events.events
            if events.hooks:
                events.publish(call.record(slot.waited if slot else 0.0, error))
        if slot is not None:
            answer.hold(slot)
        return answer

    async def _carry(self, call: Call[T]) -> Answer[T]:
        while True:
            session = self._get_ready(call) or await self._session(call)
            reply = await self._attempts.make(call, session)
            match await self._judge(call, session, reply):
                case Deliver() as delivered:
                    return await self._deliver(call, session, reply, delivered)
                case Renew(refused):
                    self._renew(call, session, reply, refused)
                case Fail() as failed:
                    await self._fail(call, session, reply, failed)

    def _get_ready(self, call: Call[T]) -> Session | None:
        """What `_session` gives, where that takes no waiting."""
        session = self._keeper.get_ready(call.target, newer_than=call.refused)
        return session if session is not None and self._selector.carries(session, call.target.site) else None

    async def _session(self, call: Call[T]) -> Session:
        """A session newer than the refused one that the site's transport can carry: `page` needs its context live."""
        if call.single is not None:
            request_url(call.single, call.target.site)  # nobody visits for what can't be sent
        try:
            for _ in range(MOST_RENEWALS + 1):
                session = await self._keeper.get(call.target, newer_than=call.refused, deadline=call.deadline)
                if self._selector.carries(session, call.target.site):
                    return session
                call.refused = session.gen
        except VisitFailed as error:
            # No visit now, as fresh sessions are refused: the caller is told the site's own refusal.
            raise (call.told or error).again(error.retry_after) from error
        raise BrowserFailed("the browser's page does not stay open for requests")

    async def _judge(self, call: Call[T], session: Session, reply: JudgedReply[T]) -> Deliver | Renew | Fail:
        """The decision on *reply*, by the session check where it takes one."""
        checks, watched = self._checks, reply.error is None and reply.request.own_host
        if checks is None or call.target.provider.check_url is None or not watched:
            checks = None
        try:
            if checks is not None:
                await checks.inspect(call, session, reply)
            while isinstance(decision := self._decide(call, session, reply), Check):
                assert checks is not None, "only an inspected answer is suspect"
                reply.check = await checks.ask(call, session, reply)
                call.checks.append(f"{reply.ground}: {reply.check.name.lower()}")
        except BaseException:
            reply.close()
            raise
        return decision

    def _decide(self, call: Call[T], session: Session, reply: JudgedReply[T]) -> Decision:
        """The decision on *reply*, and what is remembered of it."""
        if reply.accepted:
            return Deliver()
        case = self._describe(call, session, reply)
        site, status = call.target.site.name, reply.head.status
        template = " ".join(kind_of(reply.request))
        decision = decide(case, Told(site, reply.verdict, status, call.single is not None, template, reply.error))
        self._remember(session, reply, case, decision)
        return decision

    def _describe(self, call: Call[T], session: Session, reply: JudgedReply[T]) -> Case:
        """All that the decision on *reply* depends on."""
        kind = None if reply.error is not None else reply.verdict.kind
        key, site, request = session.key, call.target.site, reply.request
        state, news, remembered = self._keeper.key_state(key), News.NONE, False
        if kind in REFUSALS or (kind is not None and reply.suspicion is Suspicion.REFUSING):
            remembered = self._refusals.is_useless(session, request, shape_of(reply.head, request, kind))
        if self._refusals.was_accepted_later(session, request, reply.sent):
            news = News.ACCEPTED
        elif state.generation > session.gen:
            news = News.SUPERSEDED
        elif call.refused >= 0 and state.made == session.gen and state.accepted < session.gen:
            news = News.FRESH
        carried = self._selector.carries(session, site)
        return Case(
            kind=kind,
            suspicion=reply.suspicion,
            check=reply.check,
            news=news,
            remembered=remembered,
            movable=kind is Kind.CHALLENGED
            and call.is_fresh(session)
            and (self._selector.can_move(site, key) or not carried),
            renewals=min(call.renewals, MOST_RENEWALS),
            resend=find_resend(call, reply),
            rule=call.target.provider.resend,
        )

    def _remember(self, session: Session, reply: JudgedReply[T], case: Case, decision: Decision) -> None:
        """Remember whether renewing helps against this refusal."""
        refusal = case.kind in REFUSALS or case.suspicion is Suspicion.REFUSING
        if case.kind is None or not refusal or isinstance(decision, Check) or case.check in TELLING:
            return
        shape = shape_of(reply.head, reply.request, case.kind)
        if case.news is News.FRESH or (isinstance(decision, Deliver | Fail) and decision.refused == "doubted"):
            self._refusals.conclude(session, reply.request, shape)
        elif case.remembered and isinstance(decision, Deliver | Fail):
            self._refusals.doubt(session, reply.request, shape)

    def _renew(self, call: Call[T], session: Session, reply: JudgedReply[T], refused: Refused) -> None:
        """The call goes on with a newer session; the answer is nobody's."""
        reply.close()
        call.renewals += 1
        call.refused = session.gen
        site, status = call.target.site, reply.head.status
        if refused == "not":
            if reply.verdict.kind is Kind.CHALLENGED:
                self._selector.move(site, session.key)
            return
        self._keeper.refuse(session, named=refused == "named")
        call.told = reply.verdict.error(site.name, status)
        if reply.verdict.kind in REFUSALS:
            call.shapes.append(shape_of(reply.head, reply.request, reply.verdict.kind))

    async def _deliver(self, call: Call[T], session: Session, reply: JudgedReply[T], delivered: Deliver) -> Answer[Any]:
        """Hand the answer over to the caller."""
        answer: Answer[Any]
        if reply.answer is not None:
            answer = reply.answer
        else:
            assert reply.stream is not None, "a reply without an answer is an open stream"
            answer = Answer(call.target.site.name, reply.stream.head, session, call.renewals, reply.stream, Raw())
        answer.verdict, answer.cookies = delivered.verdict, call.conversation.changes
        if reply.verdict and delivered.verdict:
            self._attempts.accept(reply, session)
            for shape in call.shapes:
                self._refusals.forget(session.key, shape)
            answer.on_failed = lambda verdict: self._break_off(session, reply, verdict)
        try:
            await self._reject(call, session, delivered)
        except BaseException:
            await answer.aclose()
            raise
        return answer

    async def _fail(self, call: Call[T], session: Session, reply: JudgedReply[T], failed: Fail) -> NoReturn:
        """Tell the caller *failed*'s error; the answer is nobody's."""
        reply.close()
        await self._reject(call, session, failed)
        raise failed.error

    async def _reject(self, call: Call[T], session: Session, decision: Deliver | Fail) -> None:
        """Mark the session refused, where it was, and renew it for the next call."""
        if decision.refused == "not":
            return
        self._keeper.refuse(session, named=decision.refused == "named")
        if not decision.behind:
            return
        try:
            await self._keeper.get(call.target, newer_than=session.gen, deadline=call.deadline)
        except DoorkeyError as error:
            log.info("%s: not renewed after a request that is not sent again: %s", call.target.site.name, error)

    def _break_off(self, session: Session, reply: JudgedReply[T], verdict: Verdict) -> DoorkeyError:
        """The error of an answer that failed after the caller got a part of it."""
        told = Told(session.key.site, verdict, reply.head.status, plain=False)
        decision = decide(Case(verdict.kind, begun=True), told)
        assert isinstance(decision, Fail)
        if decision.refused != "not":
            self._keeper.refuse(session, named=decision.refused == "named")
        return decision.error


def find_resend(call: Call[Any], reply: JudgedReply[Any]) -> Resend:
    """What sending the request again would mean: it does no harm if it certainly did not reach the site."""
    if is_logout(reply.request, call.target.provider.ready or ""):
        return Resend.LOGOUT
    unsent = isinstance(reply.error, NotPlainHttp) and not reply.error.arrived
    return Resend.HARMLESS if unsent and call.resend is Resend.ONCE else call.resend
