"""The memory of refusals that nobody has named: which of them a renewal does not help against."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TypeAlias

from doorkey.clock import Clock
from doorkey.model.request import Head
from doorkey.model.session import Key, Session

Shape: TypeAlias = tuple[int, str, str, str]
"""How a refusal looks: status, media type, kind of body; and, of one with a name, what was asked for."""

MOST = 2000
REORDERED = 0.1
"""Seconds by which a site may take up requests in another order than they were sent in."""


def shape_of(head: Head, asked: str = "") -> Shape:
    start = head.start.lstrip()
    kind = "empty" if not start else "html" if head.is_html else "json" if start[:1] in (b"{", b"[") else "text"
    return head.status, head.media_type, kind, asked


@dataclass(slots=True)
class _Pause:
    since: float
    until: float
    length: float


class RefusalMemory:
    """One renewal is spent on an unknown refusal; where it did not help, the shape is remembered for a growing pause.

    `first` and `longest` are the pause's lengths in seconds.
    """

    def __init__(self, clock: Clock, *, first: float = 60.0, longest: float = 3600.0) -> None:
        self._clock = clock
        self._first = first
        self._longest = longest
        self._pauses: OrderedDict[tuple[Key, Shape], _Pause] = OrderedDict()
        self._accepted: OrderedDict[Key, tuple[int, float]] = OrderedDict()

    def accepted(self, session: Session, sent: float) -> None:
        """A request sent at *sent* (the clock's `now`) was accepted with *session*."""
        gen, latest = self._accepted.get(session.key, (-1, 0.0))
        if session.gen > gen or (session.gen == gen and sent > latest):
            self._accepted[session.key] = (session.gen, sent)
            if len(self._accepted) > MOST:
                self._accepted.popitem(last=False)

    def useless(self, session: Session, head: Head, sent: float, *, renewed: bool) -> str:
        """Why renewing is of no use against this refusal, as the end of a sentence; empty when it is worth a try.

        *sent* is when the refused request was sent; *renewed* says that the session was renewed for it already.
        """
        shape = shape_of(head)
        pause = self._pauses.get((session.key, shape))
        if self._alive(session, sent):
            return ", while the same session is accepted elsewhere"
        if renewed:
            self._remember(session.key, shape)
            return ", by a fresh session too"
        if pause is not None and self._clock.now() < pause.until:
            return "; renewing did not help lately"
        return ""

    def hopeless(self, session: Session, shape: Shape, sent: float) -> bool:
        """Whether the refusal of a request sent at *sent*, which has a name, is no matter of the session: that a fresh
        one met it too, there alone, was known before."""
        pause = self._pauses.get((session.key, shape))
        gen, _ = self._accepted.get(session.key, (-1, 0.0))
        return pause is not None and pause.since <= sent and self._clock.now() < pause.until and gen == session.gen

    def persists(self, session: Session, shape: Shape) -> None:
        """A session renewed for this refusal, which has a name, met it again."""
        self._remember(session.key, shape)

    def suspect(self, session: Session, head: Head) -> None:
        """A session was renewed for an answer whose request is not sent again, so nobody will see whether it helped.

        The same answer renews nothing for the first pause's length: it may be what the site always says.
        """
        now = self._clock.now()
        self._pauses[session.key, shape_of(head)] = _Pause(now, now + self._first, self._first)

    def _alive(self, session: Session, sent: float) -> bool:
        """Whether a request sent after one sent at *sent* was accepted with the same session."""
        gen, latest = self._accepted.get(session.key, (-1, 0.0))
        return gen == session.gen and latest > sent + REORDERED

    def _remember(self, key: Key, shape: Shape) -> None:
        now = self._clock.now()
        pause = self._pauses.get((key, shape))
        if pause is None:
            self._pauses[key, shape] = _Pause(now, now + self._first, self._first)
            if len(self._pauses) > MOST:
                self._pauses.popitem(last=False)
        elif now >= pause.until:
            pause.length = min(self._longest, pause.length * 2)
            pause.until = now + pause.length

    def helped(self, key: Key, shape: Shape | None) -> None:
        """A renewal did help against this shape, where there was one: it is no longer remembered."""
        if shape is not None:
            self._pauses.pop((key, shape), None)
