"""What a refusal leads to: a renewal, another transport, or the site's own refusal as the caller's answer."""

from __future__ import annotations

import logging
from typing import Any

from doorkey.answer import Answer, Raw
from doorkey.errors import Blocked, DoorkeyError, SiteError
from doorkey.journey import Journey, Refused
from doorkey.session import Session
from doorkey.sessions.keeper import Keeper
from doorkey.sessions.refusals import Refusals, shape_of
from doorkey.transport.ladder import Ladder
from doorkey.transport.stream import Stream
from doorkey.verdict import Kind, Verdict

log = logging.getLogger("doorkey.engine")
RENEWALS = 2
"""How often one call may have its session renewed."""


class Weighing:
    """Decides by what is known of the session, of the transport, and of refusals like this one."""

    def __init__(self, keeper: Keeper, ladder: Ladder, refusals: Refusals) -> None:
        self._keeper = keeper
        self._ladder = ladder
        self._refusals = refusals

    async def final(self, journey: Journey[Any], session: Session, refused: Refused) -> Answer[Any] | None:
        """The site's own refusal, where it is the caller's answer; None when the session is to be renewed for it."""
        stream = refused.stream
        try:
            self._weigh(journey, session, refused)
        except SiteError as final:
            if stream is None:
                raise
            return as_it_is(journey, session, stream, Verdict(Kind.BLOCKED, final.message))
        except BaseException:
            if stream is not None:
                stream.close()
            raise
        if stream is None:
            return None
        if not journey.again:
            return await self._unrepeated(journey, session, stream, refused.verdict)
        stream.close()
        return None

    def _weigh(self, journey: Journey[Any], session: Session, refused: Refused) -> None:
        """Return when the call is to be renewed for; raise the error that its caller gets otherwise."""
        verdict, site, status = refused.verdict, journey.entrance.site.name, refused.head.status
        if verdict.kind is Kind.REFUSED:
            spent = journey.shape is not None or journey.renewals >= RENEWALS
            why = self._refusals.useless(session, refused.head, refused.sent, renewed=spent)
            if why:
                raise Blocked(f"{site}: {verdict.detail}{why}", site=site, answer_status=status)
            journey.shape = shape_of(refused.head)
            self._keeper.rejected(session, named=False)
            return
        challenged = verdict.kind is Kind.CHALLENGED
        if challenged and journey.fresh(session) and self._climbed(journey, session):
            return
        # A path that is forbidden to every session must not cost a visit each time it is asked for.
        shape = shape_of(refused.head, journey.asked)
        if self._refusals.hopeless(session, shape, refused.sent):
            raise Blocked(
                f"{site}: {verdict.detail}, while the session is accepted elsewhere", site=site, answer_status=status
            )
        # A token may be the same after a challenge, as it is a cookie that was missing: only a visit helps.
        self._keeper.rejected(session, named=not challenged)
        if journey.renewals:
            self._refusals.persists(session, shape)
            journey.persisted = shape
        if journey.renewals >= RENEWALS:
            raise verdict.error(site, status)

    def _climbed(self, journey: Journey[Any], session: Session) -> bool:
        """Whether another transport is to carry the call: this refusal moved the site, or one sent beside it had."""
        site = journey.entrance.site
        return self._ladder.climb(site, session.key) or not self._ladder.carries(session, site)

    async def _unrepeated(
        self, journey: Journey[Any], session: Session, stream: Stream, verdict: Verdict
    ) -> Answer[Any]:
        """The site's refusal of a body that is too long to be kept: renewed all the same, so that the caller's own
        next try is not refused as well."""
        try:
            await self._keeper.get(journey.entrance, not_gen=session.gen, deadline=journey.deadline)
        except DoorkeyError as error:
            log.info("%s: not renewed behind a refused upload: %s", journey.entrance.site.name, error)
        except BaseException:
            stream.close()
            raise
        return as_it_is(journey, session, stream, Verdict(Kind.BLOCKED, verdict.detail))


def as_it_is(journey: Journey[Any], session: Session, stream: Stream, verdict: Verdict) -> Answer[Any]:
    """The site's answer, unread: *verdict* says what it means."""
    answer = Answer(journey.entrance.site.name, stream.head, session, journey.renewals, stream, Raw())
    answer.verdict = verdict
    return answer
