"""The memory of refusals: which of them a renewal did not help against, and which requests were accepted."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TypeAlias

from doorkey.clock import Clock
from doorkey.model.request import Head, Request
from doorkey.model.session import Key, Session
from doorkey.model.verdict import Kind

RefusalShape: TypeAlias = tuple[int, str, str, str]
"""How a refusal looks: status, media type and kind of body; and of one that has a name, what was asked for."""
Asked: TypeAlias = tuple[str, str]
"""The kind of a request: method and path."""

MOST = 2000
MOST_DOUBTS = 64
"""Refusals in a row after which a session is renewed for them again, at most."""


def kind_of(request: Request) -> Asked:
    """What *request* asks for: its method and path, without the query."""
    return request.method, request.url.partition("?")[0]


def refusal_shape(head: Head, request: Request, kind: Kind) -> RefusalShape:
    """The shape of the refusal *head* of *request*, judged to be of *kind*."""
    start = head.start.lstrip()
    body = "empty" if not start else "html" if head.is_html else "json" if start[:1] in (b"{", b"[") else "text"
    asked = "" if kind is Kind.REFUSED else " ".join(kind_of(request))
    return head.status, head.media_type, body, asked


def _identify(request: Request) -> int:
    """A number that the same request has again. It tells nothing about what the request holds."""
    return hash((*kind_of(request), repr(request.form), repr(request.json), repr(request.parts), request.body))


@dataclass(slots=True)
class _Useless:
    """Renewals that did not help against one shape.

    The `known` requests were refused by a fresh session, or not sent again; `about` are their kinds, and `gen` is the
    last session that they were refused with. `renewals` counts them. `doubts` counts the refusals of other requests
    since the last renewal or acceptance of their kind (`asked`).
    """

    length: float
    gen: int = -1
    about: set[Asked] = field(default_factory=set)
    until: float = 0.0
    renewals: int = 0
    known: set[int] = field(default_factory=set)
    doubts: int = 0
    asked: set[Asked] = field(default_factory=set)

    @property
    def needed(self) -> int:
        """Refusals in a row that make another renewal worth a try: 1, 2, 4, …"""
        return min(MOST_DOUBTS, 1 << max(0, self.renewals - 1))


class RefusalMemory:
    """Remembers for a growing pause that a fresh session met a refusal, too. Renewing for it again is of no use then.

    The memory must not hide a death of the same shape. So it holds for the request that the fresh session was refused;
    for others it holds only until more of them in a row are refused, twice as many after each useless renewal.

    `first` and `longest` are the pause's lengths in seconds.
    """

    def __init__(self, clock: Clock, *, first: float = 60.0, longest: float = 3600.0) -> None:
        self._clock = clock
        self._first = first
        self._longest = longest
        self._useless: OrderedDict[tuple[Key, RefusalShape], _Useless] = OrderedDict()
        self._accepted: OrderedDict[tuple[Key, Asked], tuple[int, float]] = OrderedDict()

    def accept(self, session: Session, request: Request, sent: float) -> None:
        """*request*, sent at *sent* (the clock's `now`), was accepted with *session*."""
        kind = request.method, request.url.partition("?")[0]  # kind_of, which every request would call
        key = session.key, kind
        latest = self._accepted.get(key)
        if latest is None or session.gen > latest[0] or (session.gen == latest[0] and sent > latest[1]):
            self._accepted[key] = session.gen, sent
            if len(self._accepted) > MOST:
                self._accepted.popitem(last=False)
        if self._useless:
            self._reconsider(session, kind, request)

    def was_accepted_later(self, session: Session, request: Request, came: float) -> bool:
        """Whether a request of the same kind, sent after an answer that came at *came*, was accepted with the session.

        A request that was only sent after another one proves nothing: sites take requests up in any order.
        """
        gen, latest = self._accepted.get((session.key, kind_of(request)), (-1, 0.0))
        return gen == session.gen and latest > came

    def is_useless(self, session: Session, request: Request, shape: RefusalShape) -> bool:
        """Whether renewing for this refusal is not worth a try now."""
        useless = self._useless.get((session.key, shape))
        if useless is None or self._clock.now() >= useless.until:
            return False
        return _identify(request) in useless.known or useless.doubts + 1 < useless.needed

    def doubt(self, session: Session, request: Request, shape: RefusalShape) -> None:
        """The session is not renewed for this refusal, because it is remembered."""
        useless = self._useless.get((session.key, shape))
        if useless is not None and _identify(request) not in useless.known:
            useless.doubts += 1
            useless.asked.add(kind_of(request))

    def conclude(self, session: Session, request: Request, shape: RefusalShape) -> None:
        """A session that was made fresh for this refusal met it, too; or nobody will see whether renewing helps."""
        key, now = (session.key, shape), self._clock.now()
        useless = self._useless.get(key)
        if useless is None:
            useless = self._useless[key] = _Useless(self._first)
            if len(self._useless) > MOST:
                self._useless.popitem(last=False)
        elif now >= useless.until:
            useless.length = min(self._longest, useless.length * 2)
        if now >= useless.until:
            useless.until = now + useless.length
        useless.renewals += 1
        useless.doubts = 0
        useless.asked.clear()
        useless.known.add(_identify(request))
        useless.about.add(kind_of(request))
        useless.gen = max(useless.gen, session.gen)

    def forget(self, key: Key, shape: RefusalShape) -> None:
        """A renewal helped against this shape."""
        self._useless.pop((key, shape), None)

    def _reconsider(self, session: Session, kind: Asked, request: Request) -> None:
        """An accepted request ends the doubts of its kind; by a newer session, it shows that renewing helped."""
        same = _identify(request)
        for place, useless in list(self._useless.items()):
            if place[0] != session.key:
                continue
            if kind in useless.asked:
                useless.doubts = 0
                useless.asked.clear()
            useless.known.discard(same)
            if not useless.known or (kind in useless.about and session.gen > useless.gen):
                del self._useless[place]
