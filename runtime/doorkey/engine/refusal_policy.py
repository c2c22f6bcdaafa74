"""What a refusal leads to: a renewal, another transport, or the site's own refusal as the caller's answer."""

from __future__ import annotations

import logging
from typing import Any

from doorkey.engine.answer import Answer, Raw
from doorkey.engine.call import Call, Refused
from doorkey.engine.refusal_memory import RefusalMemory, shape_of
from doorkey.errors import Blocked, DoorkeyError, SiteError
from doorkey.model.session import Session
from doorkey.model.verdict import Kind, Verdict
from doorkey.sessions.keeper import Keeper
from doorkey.transport.selector import TransportSelector
from doorkey.transport.stream import Stream

log = logging.getLogger("doorkey.engine")
RENEWALS = 2
"""How often one call may have its session renewed."""


class RefusalPolicy:
    """Decides by what is known of the session, of the transport, and of refusals like this one."""

    def __init__(self, keeper: Keeper, selector: TransportSelector, refusals: RefusalMemory) -> None:
        self._keeper = keeper
        self._selector = selector
        self._refusals = refusals

    async def final(self, call: Call[Any], session: Session, refused: Refused) -> Answer[Any] | None:
        """The site's own refusal, where it is the caller's answer; None when the session is to be renewed for it."""
        stream = refused.stream
        try:
            self._weigh(call, session, refused)
        except SiteError as final:
            if stream is None:
                raise
            return unread_answer(call, session, stream, Verdict(Kind.BLOCKED, final.message))
        except BaseException:
            if stream is not None:
                stream.close()
            raise
        if stream is None:
            return None
        if not call.again or (refused.verdict.by_absence and not call.harmless):
            return await self._unrepeated(call, session, stream, refused.verdict)
        stream.close()
        return None

    def _weigh(self, call: Call[Any], session: Session, refused: Refused) -> None:
        """Return when the call is to be renewed for; raise the error that its caller gets otherwise."""
        verdict, site, status = refused.verdict, call.target.site.name, refused.head.status
        if verdict.kind is Kind.REFUSED:
            spent = call.shape is not None or call.renewals >= RENEWALS
            why = self._refusals.useless(session, refused.head, refused.sent, renewed=spent)
            if why:
                raise Blocked(f"{site}: {verdict.detail}{why}", site=site, answer_status=status)
            call.shape = shape_of(refused.head)
            self._keeper.refuse(session, named=False)
            return
        challenged = verdict.kind is Kind.CHALLENGED
        if challenged and call.fresh(session) and self._climbed(call, session):
            return
        # A path that is forbidden to every session must not cost a visit each time it is asked for.
        shape = shape_of(refused.head, call.asked)
        if self._refusals.hopeless(session, shape, refused.sent):
            raise Blocked(
                f"{site}: {verdict.detail}, while the session is accepted elsewhere", site=site, answer_status=status
            )
        # A token may be the same after a challenge, as it is a cookie that was missing: only a visit helps.
        self._keeper.refuse(session, named=not challenged)
        if call.renewals:
            self._refusals.persists(session, shape)
            call.persisted = shape
        if call.renewals >= RENEWALS:
            raise verdict.error(site, status)

    def _climbed(self, call: Call[Any], session: Session) -> bool:
        """Whether another transport is to carry the call: this refusal moved the site, or one sent beside it had."""
        site = call.target.site
        return self._selector.climb(site, session.key) or not self._selector.carries(session, site)

    async def _unrepeated(self, call: Call[Any], session: Session, stream: Stream, verdict: Verdict) -> Answer[Any]:
        """The site's refusal of a request that can't, or must not, be sent again.

        The session is renewed all the same, so that the caller's next request is not refused as well.
        """
        if verdict.by_absence:
            self._refusals.suspect(session, stream.head)
        try:
            await self._keeper.get(call.target, newer_than=session.gen, deadline=call.deadline)
        except DoorkeyError as error:
            log.info("%s: not renewed after a request that is not sent again: %s", call.target.site.name, error)
        except BaseException:
            stream.close()
            raise
        return unread_answer(call, session, stream, Verdict(Kind.BLOCKED, verdict.detail))


def unread_answer(call: Call[Any], session: Session, stream: Stream, verdict: Verdict) -> Answer[Any]:
    """The site's answer, unread: *verdict* says what it means."""
    answer = Answer(call.target.site.name, stream.head, session, call.renewals, stream, Raw())
    answer.verdict = verdict
    return answer
