"""The main path: send requests into a site, with a session that is renewed when the site refuses it.

    keeper.get -> session -> provider.dress -> transport -> provider.judge -> the answer, or renewed and sent again

What is sent is a flow: a generator that yields requests. A single request is a flow of one; a chat is a flow of its
provider. After the first item given to the caller nothing is ever sent again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, stop_after_attempt, wait_random_exponential

from doorkey.answer import Answer
from doorkey.clock import Clock
from doorkey.errors import BrowserFailed, DoorkeyError, EmptyAnswer, SiteDown, VisitFailed
from doorkey.journey import Journey, Refused, in_turn
from doorkey.provider import Flow
from doorkey.request import Decoder, Head, Request
from doorkey.session import Session
from doorkey.sessions.keeper import Keeper
from doorkey.sessions.refusals import Refusals
from doorkey.sessions.succession import pass_on, turn
from doorkey.sessions.visit import Entrance
from doorkey.transport.ladder import Ladder
from doorkey.transport.reach import target
from doorkey.transport.stream import Stream, whole
from doorkey.verdict import OK, Kind, Verdict
from doorkey.weighing import RENEWALS, Weighing, as_it_is

T = TypeVar("T")


class Engine:
    """`attempts`: how often a request that may be repeated is sent to a site that is down."""

    def __init__(self, *, keeper: Keeper, ladder: Ladder, refusals: Refusals, clock: Clock, attempts: int = 3) -> None:
        self._keeper = keeper
        self._ladder = ladder
        self._refusals = refusals
        self._clock = clock
        self._attempts = attempts
        self._weighing = Weighing(keeper, ladder, refusals)

    async def send(self, entrance: Entrance, request: Request, *, deadline: float) -> Answer[bytes]:
        """*request*'s answer with its true status, as it comes. *deadline* is the clock's `now`.

        A refused session is renewed as in `run`; what is refused all the same is the site's own answer too, and its
        `verdict` says so. Raises what a visit raised, RequestError, SiteDown when the site can't be reached,
        NeedsPerson where what stands before it lets no session in, TimeLimit.
        """
        journey: Journey[bytes] = Journey(entrance, deadline, self._clock, single=request)
        if entrance.provider.single_use and entrance.provider.uses_up(request):
            async with turn(self._keeper.record(entrance.key), deadline, self._clock):
                return await in_turn(self._keeper.paces, journey, self._run)
        return await in_turn(self._keeper.paces, journey, self._run)

    async def run(self, entrance: Entrance, start: Callable[[Session], Flow[Any]], *, deadline: float) -> Answer[Any]:
        """The answer of the flow that *start* makes for a session, once its first items are there.

        Raises DoorkeyError: what a visit raised, the final verdict of the site, RequestError from the provider,
        TimeLimit.
        """
        return await in_turn(self._keeper.paces, Journey(entrance, deadline, self._clock, start), self._run)

    async def _run(self, journey: Journey[T]) -> Answer[T]:
        not_gen, told = -1, None
        try:
            while True:
                session = self._at_hand(journey, not_gen) or await self._session(journey, not_gen)
                try:
                    answer = await self._advance(journey, session)
                except Refused as refused:
                    final = await self._weighing.final(journey, session, refused)
                    if final is not None:
                        return final
                    journey.renewals += 1
                    not_gen, told = session.gen, refused.verdict.error(journey.entrance.site.name, refused.head.status)
                    continue
                except BrowserFailed:
                    gone = not self._ladder.carries(session, journey.entrance.site)
                    if not gone or not journey.harmless or journey.renewals >= RENEWALS:
                        raise
                    journey.renewals += 1  # the live page died under it: another is opened
                    continue
                if journey.renewals and journey.verdict:
                    for shape in (journey.shape, journey.persisted):
                        self._refusals.helped(session.key, shape)
                return answer
        except VisitFailed as error:
            # No visit now, as fresh sessions are refused: the caller is told the site's own refusal.
            raise (told or error).again(error.retry_after) from error
        except DoorkeyError as error:
            error.site = error.site or journey.entrance.site.name
            raise

    def _at_hand(self, journey: Journey[T], not_gen: int) -> Session | None:
        """What `_session` gives, where that takes no waiting."""
        session = self._keeper.at_hand(journey.entrance, not_gen=not_gen)
        return session if session is not None and self._ladder.carries(session, journey.entrance.site) else None

    async def _session(self, journey: Journey[T], not_gen: int) -> Session:
        """A session newer than *not_gen* that the site's transport can carry: `page` needs its context live."""
        if journey.single is not None:
            target(journey.single, journey.entrance.site)  # nobody visits for what can't be sent
        for _ in range(RENEWALS + 1):
            session = await self._keeper.get(journey.entrance, not_gen=not_gen, deadline=journey.deadline)
            if self._ladder.carries(session, journey.entrance.site):
                return session
            not_gen = session.gen
        raise BrowserFailed("the browser's page does not stay open for requests")

    async def _advance(self, journey: Journey[T], session: Session) -> Answer[Any]:
        """Carry the flow on with *session*, to its streamed answer or its value."""
        request = journey.request(session)
        while True:
            try:
                stream = await self._once(journey, request, session)
            except SiteDown as down:
                stream = await self._repeated(journey, request, session, down)
            if journey.flow is None:
                if journey.entrance.provider.passes_on and request.own_host:
                    await self._pass_on(journey, request, session, stream)
                self._worked(journey, request, session)
                return as_it_is(journey, session, stream, OK)
            if request.decode is not None:
                answer = await self._opened(journey, request, request.decode, session, stream)
                journey.flow.close()
                return answer
            reply = await whole(stream, request.limit)
            self._worked(journey, request, session)
            journey.spent = journey.spent or not request.repeatable
            try:
                request = journey.pending = journey.flow.send(reply)
            except StopIteration as stop:
                if not stop.value:
                    raise EmptyAnswer(f"{journey.entrance.site.name}: the answer is empty") from None
                made = Answer(journey.entrance.site.name, reply, session, journey.renewals, first=list(stop.value))
                made.transport = stream.transport
                return made

    async def _repeated(self, journey: Journey[T], request: Request, session: Session, down: SiteDown) -> Stream:
        """The answer of a request that met a site that is *down*: sent again, only where that does no harm."""

        def may_repeat(error: BaseException) -> bool:
            return (
                isinstance(error, SiteDown)
                and (request.repeatable or not error.arrived)
                and request.again
                and (error.retry_after is None)
                and self._clock.now() < journey.deadline
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
        return await retrying(self._once, journey, request, session)

    async def _once(self, journey: Journey[T], request: Request, session: Session) -> Stream:
        """The answer of one request, judged acceptable by its head."""
        provider, site = journey.entrance.provider, journey.entrance.site
        dressed = provider.dress(request, session)
        sent = journey.sent = self._clock.now()
        stream = await self._ladder.of(request, site, session.key).open(
            dressed,
            session,
            site,
            conversation=journey.conversation,
            sliding=provider.cookies_sliding,
            total=journey.deadline - sent,
        )
        verdict = provider.judge(dressed, stream.head, session) if request.own_host else foreign_verdict(stream.head)
        journey.verdict = verdict
        if journey.entrance.steps is not None:
            journey.entrance.say(
                f"{request.what}: HTTP {stream.head.status} by {stream.transport}, {verdict.kind.value}"
            )
        if verdict:
            return stream
        refused = verdict.kind in (Kind.STALE, Kind.CHALLENGED, Kind.REFUSED)
        if journey.single is not None and refused:
            raise Refused(verdict, stream.head, sent, stream)
        if journey.single is not None:
            return stream  # its true status is the caller's to read
        stream.close()
        if refused:
            raise Refused(verdict, stream.head, sent)
        raise verdict.error(site.name, stream.head.status)

    async def _opened(
        self,
        journey: Journey[T],
        request: Request,
        decode: Callable[[Head], Decoder[T]],
        session: Session,
        stream: Stream,
    ) -> Answer[T]:
        """The streamed answer once its first items, or its end, are there: what the body says still counts here."""
        site = journey.entrance.site.name
        answer: Answer[T] = Answer(site, stream.head, session, journey.renewals, stream, decode(stream.head))
        answer.on_refused = lambda verdict: self._refused_midway(session, verdict)
        try:
            verdict = await answer.begin()
        except BaseException:
            await answer.aclose()
            raise
        if verdict.kind in (Kind.STALE, Kind.CHALLENGED, Kind.REFUSED):
            await answer.aclose()
            raise Refused(verdict, stream.head, journey.sent)
        journey.verdict = verdict
        if not verdict:
            await answer.aclose()
            raise verdict.error(site, stream.head.status)
        self._worked(journey, request, session)
        return answer

    async def _pass_on(self, journey: Journey[T], request: Request, session: Session, stream: Stream) -> None:
        try:
            await pass_on(journey.entrance.provider, self._keeper.record(session.key), request, session, stream)
        except BaseException:
            stream.close()
            raise

    def _worked(self, journey: Journey[T], request: Request, session: Session) -> None:
        # Neither another host, nor a site that is down or says "enough", has looked at the session.
        if journey.verdict and request.own_host:
            self._keeper.worked(session)
            self._refusals.accepted(session, journey.sent)

    def _refused_midway(self, session: Session, verdict: Verdict) -> None:
        if verdict.kind in (Kind.STALE, Kind.CHALLENGED):
            self._keeper.rejected(session, named=True)


def foreign_verdict(head: Head) -> Verdict:
    """What an answer of another host than the site's means: it says nothing about the session."""
    if head.status == 200:
        return OK
    return Verdict(Kind.CHANGED, f"another host than the site's answered HTTP {head.status}")
