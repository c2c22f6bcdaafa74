"""The memory of refusals: which of them a renewal did not help against, and which requests were accepted."""

from __future__ import annotations

import secrets
from collections import OrderedDict

from doorkey.clock import Clock
from doorkey.engine.useless_renewals import Asked, RefusalShape, UselessRenewals, UselessRenewalsText
from doorkey.model.request import Head, Request, kind_of
from doorkey.model.session import Key, Session
from doorkey.model.verdict import Kind
from doorkey.shared_notes import SharedNotes, SharedTexts

MOST = 2000
"""Kinds of requests of which it is remembered when the last one was accepted."""


def refusal_shape(head: Head, request: Request, kind: Kind) -> RefusalShape:
    """The shape of the refusal *head* of *request*, judged to be of *kind*."""
    start = head.start.lstrip()
    body = "empty" if not start else "html" if head.is_html else "json" if start[:1] in (b"{", b"[") else "text"
    asked = "" if kind is Kind.REFUSED else " ".join(kind_of(request))
    return head.status, head.media_type, body, asked


class RefusalMemory:
    """Remembers for a growing pause that a fresh session met a refusal, too. Renewing for it again is of no use then.

    The memory must not hide a death of the same shape. So it holds for the request that the fresh session was refused;
    for others it holds only until more of them in a row are refused, twice as many after each useless renewal.

    `first` and `longest` are the pause's lengths in seconds. `texts`: where the processes of a store share it. Of the
    store nothing is asked for requests that are accepted; what one process sees accepted, others learn once it ends a
    doubt there.
    """

    def __init__(
        self, clock: Clock, *, first: float = 60.0, longest: float = 3600.0, texts: SharedTexts | None = None
    ) -> None:
        self._first = first
        self._longest = longest
        self._notes: SharedNotes[UselessRenewals] = SharedNotes("refusals", UselessRenewalsText(), clock, texts)
        self.shared = self._notes.shared
        """Whether other processes may know more."""
        self._accepted: OrderedDict[tuple[Key, Asked], tuple[int, float]] = OrderedDict()

    async def refresh(self, key: Key) -> None:
        """Take over what other processes have met, before a refusal is decided on."""
        await self._notes.refresh(key)

    async def close(self) -> None:
        await self._notes.close()

    def accept(self, session: Session, request: Request, sent: float) -> None:
        """*request*, sent at *sent* (the clock's `now`), was accepted with *session*."""
        kind = request.method, request.url.partition("?")[0]  # kind_of, which every request would call
        key = session.key, kind
        latest = self._accepted.get(key)
        if latest is None or session.gen > latest[0] or (session.gen == latest[0] and sent > latest[1]):
            self._accepted[key] = session.gen, sent
            if len(self._accepted) > MOST:
                self._accepted.popitem(last=False)
        if self._notes.held:
            held = self._notes.get(session.key)
            if held.shapes and held.accept(request, session.gen) is not held:
                self._notes.change(session.key, lambda value, wall: value.accept(request, session.gen))

    def was_accepted_later(self, session: Session, request: Request, came: float) -> bool:
        """Whether a request of the same kind, sent after an answer that came at *came*, was accepted with the session.

        A request that was only sent after another one proves nothing: sites take requests up in any order.
        """
        gen, latest = self._accepted.get((session.key, kind_of(request)), (-1, 0.0))
        return gen == session.gen and latest > came

    def is_useless(self, session: Session, request: Request, shape: RefusalShape) -> bool:
        """Whether renewing for this refusal is not worth a try now."""
        known = self._notes.held.get(session.key)
        return known is not None and known.is_useless(request, shape, self._notes.time)

    def doubt(self, session: Session, request: Request, shape: RefusalShape) -> None:
        """The session is not renewed for this refusal, because it is remembered."""
        self._notes.change(session.key, lambda value, wall: value.doubt(request, shape))

    def conclude(self, session: Session, request: Request, shape: RefusalShape) -> None:
        """A session that was made fresh for this refusal met it, too; or nobody will see whether renewing helps."""
        salt, gen = secrets.token_hex(16), session.gen

        def change(value: UselessRenewals, wall: float) -> UselessRenewals:
            return value.conclude(request, shape, gen, wall, first=self._first, longest=self._longest, salt=salt)

        self._notes.change(session.key, change)

    def forget(self, key: Key, shape: RefusalShape) -> None:
        """A renewal helped against this shape."""
        if self._notes.held and shape in self._notes.get(key).shapes:
            self._notes.change(key, lambda value, wall: value.forget(shape))
