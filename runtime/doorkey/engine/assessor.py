"""Puts together what the decision on an answer depends on, asks the session check where it takes one, and remembers."""

from __future__ import annotations

from typing import Any, TypeVar

from doorkey.engine.attempts import REFUSALS
from doorkey.engine.call import Call, JudgedReply, is_logout
from doorkey.engine.check.checks import SessionChecks
from doorkey.engine.decision import Check, Decision, Deliver, Fail, Renew, SiteAnswer, decide
from doorkey.engine.decision_tables import MOST_RENEWALS, Case, CheckOutcome, News, Resend, Suspicion
from doorkey.engine.refusal_memory import RefusalMemory, refusal_shape
from doorkey.errors import DoorkeyError, NotPlainHttp
from doorkey.model.request import kind_of
from doorkey.model.session import Session
from doorkey.model.verdict import Kind, Verdict
from doorkey.sessions.keeper import Keeper
from doorkey.transport.selector import TransportSelector

T = TypeVar("T")
TELLING = (CheckOutcome.ALIVE, CheckOutcome.RENEWED, CheckOutcome.DEAD)


class Assessor:
    """`checks` is None where no session is ever checked."""

    def __init__(
        self, keeper: Keeper, selector: TransportSelector, refusals: RefusalMemory, checks: SessionChecks | None
    ) -> None:
        self._keeper = keeper
        self._selector = selector
        self._refusals = refusals
        self._checks = checks

    async def assess(self, call: Call[T], session: Session, reply: JudgedReply[T]) -> Deliver | Renew | Fail:
        """The decision on *reply*, by the session check where it takes one."""
        checks, watched = self._checks, reply.error is None and reply.request.own_host
        if not watched or not call.watched:
            checks = None
        try:
            if checks is not None:
                await checks.inspect(call, session, reply)
            if (self._refusals.shared or self._selector.shared) and is_refusal(reply):  # what others know of it
                await self._refusals.refresh(session.key)
                await self._selector.refresh(session.key)
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
        if reply.verdict.kind is Kind.OK and reply.suspicion is Suspicion.NONE:
            return Deliver()
        case = self._describe(call, session, reply)
        site, status = call.target.site.name, reply.head.status
        template = " ".join(kind_of(reply.request))
        decision = decide(case, SiteAnswer(site, reply.verdict, status, call.single is not None, template, reply.error))
        self._remember(session, reply, case, decision)
        return decision

    def _describe(self, call: Call[T], session: Session, reply: JudgedReply[T]) -> Case:
        """All that the decision on *reply* depends on."""
        kind = None if reply.error is not None else reply.verdict.kind
        key, site, request = session.key, call.target.site, reply.request
        state, news, remembered = self._keeper.states[key], News.NONE, False
        if kind is not None and is_refusal(reply):
            remembered = self._refusals.is_useless(session, request, refusal_shape(reply.head, request, kind))
            # Or no newer session is to be had, as new ones were refused as well.
            remembered = remembered or (
                kind is Kind.REFUSED and self._keeper.cannot_renew_in_time(session, call.deadline)
            )
        if self._refusals.was_accepted_later(session, request, reply.came):
            news = News.ACCEPTED
        elif state.generation > session.gen:
            news = News.SUPERSEDED
        elif call.refused >= 0 and state.made == session.gen and state.accepted < session.gen:
            news = News.FRESH
        resend = find_resend(call, reply)
        return Case(
            kind=kind,
            suspicion=reply.suspicion,
            check=reply.check,
            news=news,
            remembered=remembered,
            movable=kind is Kind.CHALLENGED
            and call.is_fresh(session)
            and (self._selector.can_move(site, key) or not self._selector.carries(session, site)),
            renewals=min(call.renewals - (call.excused if resend is Resend.HARMLESS else 0), MOST_RENEWALS),
            resend=resend,
            rule=call.target.provider.resend,
        )

    def _remember(self, session: Session, reply: JudgedReply[T], case: Case, decision: Decision) -> None:
        """Remember whether renewing helps against this refusal."""
        refusal = case.kind in REFUSALS or case.suspicion is Suspicion.REFUSING
        if case.kind is None or not refusal or isinstance(decision, Check) or case.check in TELLING:
            return
        shape = refusal_shape(reply.head, reply.request, case.kind)
        if case.news is News.FRESH or (isinstance(decision, Deliver | Fail) and decision.refused == "doubted"):
            self._refusals.conclude(session, reply.request, shape)
        elif case.remembered and isinstance(decision, Deliver | Fail):
            if self._refusals.is_useless(session, reply.request, shape):
                self._refusals.doubt(session, reply.request, shape)
            else:
                self._keeper.refuse(session, named=False)  # begins the pause, after which it is renewed

    def break_off(self, session: Session, reply: JudgedReply[T], verdict: Verdict) -> DoorkeyError:
        """The error of an answer that failed after the caller got a part of it."""
        told = SiteAnswer(session.key.site, verdict, reply.head.status, plain=False)
        decision = decide(Case(verdict.kind, begun=True), told)
        assert isinstance(decision, Fail)
        if decision.refused != "not":
            self._keeper.refuse(session, named=decision.refused == "named")
        return decision.error


def is_refusal(reply: JudgedReply[Any]) -> bool:
    """Whether the site refused the request, as far as its answer tells."""
    refused = reply.verdict.kind in REFUSALS or reply.suspicion is Suspicion.REFUSING
    return refused and reply.error is None


def find_resend(call: Call[Any], reply: JudgedReply[Any]) -> Resend:
    """What sending the pending request again would mean: it does no harm if it certainly did not reach the site."""
    if is_logout(reply.request, call.target.provider.ready or ""):
        return Resend.LOGOUT
    request = call.pending
    if request is None:
        return Resend.HARMLESS
    if not request.again:
        return Resend.IMPOSSIBLE
    unsent = isinstance(reply.error, NotPlainHttp) and not reply.error.arrived
    return Resend.HARMLESS if request.repeatable or unsent else Resend.ONCE
