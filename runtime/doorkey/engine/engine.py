"""The main path: send requests into a site, with a session that is renewed when the site refuses it.

    keeper.get -> session -> provider.dress -> transport -> provider.judge -> the answer, or renewed and sent again

What is sent is a flow: a generator that yields requests. A single request is a flow of one; a chat is a flow of its
provider. After the first item given to the caller nothing is ever sent again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, stop_after_attempt, wait_random_exponential

from doorkey.clock import Clock
from doorkey.engine.answer import Answer
from doorkey.engine.call import Call, Refused, run_within_rate
from doorkey.engine.holding import read_to_judge
from doorkey.engine.refusal_memory import RefusalMemory
from doorkey.engine.refusal_policy import RENEWALS, RefusalPolicy, unread_answer
from doorkey.errors import BrowserFailed, DoorkeyError, EmptyAnswer, SiteDown, VisitFailed
from doorkey.model.request import Decoder, Head, Request, is_large
from doorkey.model.session import Session
from doorkey.model.verdict import OK, Kind, Verdict
from doorkey.network.url_policy import request_url
from doorkey.provider import Flow
from doorkey.sessions.keeper import Keeper
from doorkey.sessions.single_use import hold_token, take_over_tokens
from doorkey.sessions.target import SiteTarget
from doorkey.transport.selector import TransportSelector
from doorkey.transport.stream import Stream, whole

T = TypeVar("T")


class Engine:
    """`attempts`: how often a request that may be repeated is sent to a site that is down."""

    def __init__(
        self, *, keeper: Keeper, selector: TransportSelector, refusals: RefusalMemory, clock: Clock, attempts: int = 3
    ) -> None:
        self._keeper = keeper
        self._selector = selector
        self._refusals = refusals
        self._clock = clock
        self._attempts = attempts
        self._weighing = RefusalPolicy(keeper, selector, refusals)

    async def send(self, target: SiteTarget, request: Request, *, deadline: float) -> Answer[bytes]:
        """*request*'s answer with its true status, as it comes. *deadline* is the clock's `now`.

        A refused session is renewed as in `run`; what is refused all the same is the site's own answer too, and its
        `verdict` says so. Raises what a visit raised, RequestError, SiteDown when the site can't be reached,
        NeedsPerson where what stands before it lets no session in, TimeLimit.
        """
        call: Call[bytes] = Call(target, deadline, self._clock, single=request)
        if target.provider.single_use and target.provider.uses_up(request):
            async with hold_token(self._keeper.key_state(target.key), deadline, self._clock):
                return await run_within_rate(self._keeper.limiters, call, self._run)
        return await run_within_rate(self._keeper.limiters, call, self._run)

    async def run(self, target: SiteTarget, start: Callable[[Session], Flow[Any]], *, deadline: float) -> Answer[Any]:
        """The answer of the flow that *start* makes for a session, once its first items are there.

        Raises DoorkeyError: what a visit raised, the final verdict of the site, RequestError from the provider,
        TimeLimit.
        """
        return await run_within_rate(self._keeper.limiters, Call(target, deadline, self._clock, start), self._run)

    async def _run(self, call: Call[T]) -> Answer[T]:
        newer_than, told = -1, None
        try:
            while True:
                session = self._at_hand(call, newer_than) or await self._session(call, newer_than)
                try:
                    answer = await self._advance(call, session)
                except Refused as refused:
                    final = await self._weighing.final(call, session, refused)
                    if final is not None:
                        return final
                    call.renewals += 1
                    newer_than, told = session.gen, refused.verdict.error(call.target.site.name, refused.head.status)
                    continue
                except BrowserFailed:
                    gone = not self._selector.carries(session, call.target.site)
                    if not gone or not call.harmless or call.renewals >= RENEWALS:
                        raise
                    call.renewals += 1  # the live page died under it: another is opened
                    continue
                if call.renewals and call.verdict:
                    for shape in (call.shape, call.persisted):
                        self._refusals.helped(session.key, shape)
                return answer
        except VisitFailed as error:
            # No visit now, as fresh sessions are refused: the caller is told the site's own refusal.
            raise (told or error).again(error.retry_after) from error
        except DoorkeyError as error:
            error.site = error.site or call.target.site.name
            raise

    def _at_hand(self, call: Call[T], newer_than: int) -> Session | None:
        """What `_session` gives, where that takes no waiting."""
        session = self._keeper.get_ready(call.target, newer_than=newer_than)
        return session if session is not None and self._selector.carries(session, call.target.site) else None

    async def _session(self, call: Call[T], newer_than: int) -> Session:
        """A session newer than *not_gen* that the site's transport can carry: `page` needs its context live."""
        if call.single is not None:
            request_url(call.single, call.target.site)  # nobody visits for what can't be sent
        for _ in range(RENEWALS + 1):
            session = await self._keeper.get(call.target, newer_than=newer_than, deadline=call.deadline)
            if self._selector.carries(session, call.target.site):
                return session
            newer_than = session.gen
        raise BrowserFailed("the browser's page does not stay open for requests")

    async def _advance(self, call: Call[T], session: Session) -> Answer[Any]:
        """Carry the flow on with *session*, to its streamed answer or its value."""
        request = call.request(session)
        while True:
            try:
                stream = await self._once(call, request, session)
            except SiteDown as down:
                stream = await self._repeated(call, request, session, down)
            if call.flow is None:
                if call.target.provider.passes_on and request.own_host:
                    await self._pass_on(call, request, session, stream)
                self._worked(call, request, session)
                return unread_answer(call, session, stream, OK)
            if request.decode is not None:
                answer = await self._opened(call, request, request.decode, session, stream)
                call.flow.close()
                return answer
            reply = await whole(stream, request.limit)
            self._worked(call, request, session)
            call.spent = call.spent or not request.repeatable
            try:
                request = call.pending = call.flow.send(reply)
            except StopIteration as stop:
                if not stop.value:
                    raise EmptyAnswer(f"{call.target.site.name}: the answer is empty") from None
                made = Answer(call.target.site.name, reply, session, call.renewals, first=list(stop.value))
                made.transport = stream.transport
                return made

    async def _repeated(self, call: Call[T], request: Request, session: Session, down: SiteDown) -> Stream:
        """The answer of a request that met a site that is *down*: sent again, only where that does no harm."""

        def may_repeat(error: BaseException) -> bool:
            return (
                isinstance(error, SiteDown)
                and (request.repeatable or not error.arrived)
                and request.again
                and (error.retry_after is None)
                and self._clock.now() < call.deadline
            )

        # Entered at the first failure only: tenacity's machinery would cost every request more than our own path does.
        if not may_repeat(down):
            raise down
        wait = wait_random_exponential(multiplier=0.25, max=4)
        retrying = AsyncRetrying(
            retry=retry_if_exception(may_repeat),
            stop=stop_after_attempt(self._attempts - 1),
            wait=wait,
            sleep=self._clock.sleep,
            reraise=True,
        )
        await self._clock.sleep(wait(RetryCallState(retrying, None, (), {})))
        return await retrying(self._once, call, request, session)

    async def _once(self, call: Call[T], request: Request, session: Session) -> Stream:
        """The answer of one request, judged acceptable by its head."""
        provider, site = call.target.provider, call.target.site
        if is_large(request):
            # A thread, so that looking through the body does not hold up everybody else's answers.
            dressed = await asyncio.to_thread(provider.dress, request, session)
        else:
            dressed = provider.dress(request, session)
        sent = call.sent = self._clock.now()
        stream = await self._selector.of(request, site, session.key).open(
            dressed,
            session,
            site,
            conversation=call.conversation,
            sliding=provider.cookies_sliding,
            total=call.deadline - sent,
        )
        if request.own_host:
            verdict = provider.judge(dressed, await read_to_judge(provider, dressed, stream), session)
        else:
            verdict = foreign_verdict(stream.head)
        call.verdict = verdict
        call.target.events.report(
            "attempt", f"{request.what}: HTTP {stream.head.status} by {stream.transport}, {verdict.kind.value}"
        )
        if verdict:
            return stream
        refused = verdict.kind in (Kind.STALE, Kind.CHALLENGED, Kind.REFUSED)
        if call.single is not None and refused:
            raise Refused(verdict, stream.head, sent, stream)
        if call.single is not None:
            return stream  # its true status is the caller's to read
        stream.close()
        if refused:
            raise Refused(verdict, stream.head, sent)
        raise verdict.error(site.name, stream.head.status)

    async def _opened(
        self,
        call: Call[T],
        request: Request,
        decode: Callable[[Head], Decoder[T]],
        session: Session,
        stream: Stream,
    ) -> Answer[T]:
        """The streamed answer once its first items, or its end, are there: what the body says still counts here."""
        site = call.target.site.name
        answer: Answer[T] = Answer(site, stream.head, session, call.renewals, stream, decode(stream.head))
        answer.on_refused = lambda verdict: self._refused_midway(session, verdict)
        try:
            verdict = await answer.begin()
        except BaseException:
            await answer.aclose()
            raise
        if verdict.kind in (Kind.STALE, Kind.CHALLENGED, Kind.REFUSED):
            await answer.aclose()
            raise Refused(verdict, stream.head, call.sent)
        call.verdict = verdict
        if not verdict:
            await answer.aclose()
            raise verdict.error(site, stream.head.status)
        self._worked(call, request, session)
        return answer

    async def _pass_on(self, call: Call[T], request: Request, session: Session, stream: Stream) -> None:
        try:
            await take_over_tokens(call.target.provider, self._keeper.key_state(session.key), request, session, stream)
        except BaseException:
            stream.close()
            raise

    def _worked(self, call: Call[T], request: Request, session: Session) -> None:
        # Neither another host, nor a site that is down or says "enough", has looked at the session.
        if call.verdict and request.own_host:
            self._keeper.accept(session)
            self._refusals.accepted(session, call.sent)

    def _refused_midway(self, session: Session, verdict: Verdict) -> None:
        if verdict.kind in (Kind.STALE, Kind.CHALLENGED):
            self._keeper.refuse(session, named=True)


def foreign_verdict(head: Head) -> Verdict:
    """What an answer of another host than the site's means: it says nothing about the session."""
    if head.status == 200:
        return OK
    return Verdict(Kind.CHANGED, f"another host than the site's answered HTTP {head.status}")
