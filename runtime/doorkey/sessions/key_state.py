"""What the keeper knows of one key: which session is current, which were refused, what the last visit said."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from doorkey.errors import BrowserFailed, ConfigurationError, DoorkeyError, SiteDown
from doorkey.model.session import Key, Session
from doorkey.sessions.source import RenewalReason

ALIKE = 3
"""Generations that have to end alike before a use budget is believed."""


@dataclass(slots=True)
class KeyState:
    """What is known of one key. Times are the clock's `now`."""

    key: Key
    cur: Session | None = None
    born: float = 0.0
    next: Session | None = None
    next_born: float = 0.0
    bad: int = -1  # the highest generation refused by a verdict that has a name
    doubted: int = -1  # the highest one refused without a name: others go on using it
    proven: int = -1  # the highest one that ever worked
    used: int = 0
    successes: int = 0
    refused_after: tuple[int, ...] = ()  # successes of the last generations
    budget: int | None = None  # learned: see learn_budget
    shared: bool = False
    fails: int = 0
    next_ok: float = 0.0
    why: DoorkeyError | None = None
    flight: asyncio.Task[None] | None = field(default=None, repr=False)
    hurried: bool = False  # a visit was asked for by name: no pause holds it back
    waiting: int = 0
    visits: int = 0
    out: float | None = None  # when the visit under way began
    useless: tuple[tuple[float, int], ...] = ()  # visits that led to no used session: when, and to which (-1: none)
    turn: asyncio.Lock = field(default_factory=asyncio.Lock, repr=False)  # held while a single-use token is used up

    def usable(self, session: Session | None, born: float, newer_than: int, now: float) -> bool:
        return session is not None and session.gen > max(newer_than, self.bad) and now < born + session.hard

    @property
    def max_uses(self) -> int | None:
        declared = self.cur.max_uses if self.cur else None
        return declared if declared is not None else self.budget

    def publish(self, session: Session, born: float) -> None:
        """Take *session* if it is newer. One fetched because of a use budget waits until the current one is used up."""
        if self.cur is not None and session.gen <= self.cur.gen:
            return
        if (
            self.usable(self.cur, self.born, self.doubted, born)
            and self.max_uses is not None
            and self.used < self.max_uses
        ):
            self.next, self.next_born = session, born
            return
        self.take(session, born)

    def promote(self, newer_than: int, now: float) -> bool:
        """Whether the session that waited behind could take the current one's place."""
        waiting, self.next = self.next, None
        if waiting is None or not self.usable(waiting, self.next_born, newer_than, now):
            return False
        self.take(waiting, self.next_born)
        return True

    def take(self, session: Session, born: float) -> None:
        """Make *session* the current one."""
        self.cur, self.born, self.next, self.used, self.successes = session, born, None, 0, 0

    def came_back(self, found: Session | DoorkeyError) -> None:
        """What the visit has brought: useless until its session was used, but none where it never reached the site."""
        began, self.out = self.out, None
        if isinstance(found, Session):
            self.visits += 1
        away = isinstance(found, SiteDown) and not found.arrived
        if began is not None and not (away or isinstance(found, ConfigurationError | BrowserFailed)):
            self.useless = (*self.useless, (began, found.gen if isinstance(found, Session) else -1))

    def prove(self, gen: int) -> None:
        """The session *gen* was used with success; where none newer was, that ends a pause, as no visit does."""
        if gen > self.proven:
            self.proven, self.fails, self.next_ok, self.why = gen, 0, 0.0, None
        self.useless = tuple(visit for visit in self.useless if visit[1] != gen)

    def useless_since(self, then: float) -> int:
        """How many visits since *then* (the clock's `now`) have led to no used session."""
        self.useless = tuple(visit for visit in self.useless if visit[0] >= then)
        return len(self.useless)

    def learn_budget(self) -> None:
        """Three generations in a row refused after the same number of successes: the site counts uses.

        Two would be common chance: sessions that die at fixed times, under a steady load. Not learned while other
        processes use the same sessions.
        """
        if self.shared:
            return
        counts = self.refused_after = (*self.refused_after, self.successes)[-ALIKE:]
        if self.budget is not None and self.successes < self.budget:
            self.budget = None
        elif len(counts) == ALIKE and len(set(counts)) == 1 and self.successes:
            self.budget = self.successes

    def need(self, stored: Session | None) -> RenewalReason:
        """Why a visit is made now; *stored* is the last session that the store knew.

        One that another process has stored since goes before our own: somebody may have logged in or out there.
        """
        cur = self.cur
        if stored is not None and (cur is None or stored.gen > cur.gen):
            return RenewalReason(previous=stored)
        if cur is None or cur.gen > max(self.bad, self.doubted):
            return RenewalReason(previous=cur)
        return RenewalReason(cur, refused=cur, named=cur.gen <= self.bad, fresh=self.proven < cur.gen)


class KeyStates(dict[Key, KeyState]):
    """The records by key. Those of callers' own cookies are forgotten when they are many, oldest first."""

    def add(self, key: Key, most: int = 1000) -> KeyState:
        if key.caller:
            idle = [own for own, rec in self.items() if own.caller and rec.flight is None and not rec.waiting]
            for own in idle[: max(0, len(idle) - most + 1)]:
                del self[own]
        rec = self[key] = KeyState(key)
        return rec
