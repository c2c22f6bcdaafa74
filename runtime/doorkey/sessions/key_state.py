"""The state of one key: its current session, the refused generations, and the visit under way."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from doorkey.errors import DoorkeyError
from doorkey.model.session import Key, Session, Tokens
from doorkey.sessions.pause import Pause, PauseRule
from doorkey.sessions.source import RenewalReason
from doorkey.sessions.use_budget import UseBudget

P = ParamSpec("P")
T = TypeVar("T")
EARLIEST = 0.9
"""Share of the soft age after which the next session is fetched at the earliest."""
OPEN = 3
"""Sessions in a row that were refused before they ever worked, after which the site counts as closed to us."""
TRANSITIONS: list[str] = []
"""The names of the methods that change a key's state."""


def transition(method: Callable[P, T]) -> Callable[P, T]:
    """Mark a change of a key's state."""
    TRANSITIONS.append(method.__name__)
    return method


@dataclass(slots=True)
class KeyState:
    """What this process knows of one key. Only the methods below change it; times are the clock's `now`.

    `current` is the session that requests get, `born` its birth by this process's clock. `waiting_session` was fetched
    before the use budget of the current one was spent. `refused` is the highest generation that the site refused by
    name, `doubted` the highest one refused without a name, `accepted` the highest one that worked. `shared`: another
    process uses this key's sessions, too. `hurried`: a visit was asked for by name, so that no pause holds it back.
    `callers` counts those who wait; `visits` counts the sessions made here, `made` is the last one's generation.
    `token_turn` is held while a single-use token is used up. `soft_at` is when the current session's successor is
    fetched: a little before its soft age, so that many sites and processes do not all begin at once. `unproven` counts
    the sessions made here in a row that were refused before they ever worked. `waits`: what a flight waits for now.
    """

    key: Key
    pause: Pause = field(default_factory=lambda: Pause(PauseRule()))
    current: Session | None = None
    born: float = 0.0
    waiting_session: Session | None = None
    waiting_born: float = 0.0
    refused: int = -1
    doubted: int = -1
    accepted: int = -1
    budget: UseBudget = field(default_factory=UseBudget)
    shared: bool = False
    hurried: bool = False
    callers: int = 0
    visits: int = 0
    made: int = -1
    soft_at: float = 0.0
    unproven: int = 0
    waits: str = ""
    visit_began: float | None = None
    flight: asyncio.Task[None] | None = field(default=None, repr=False)
    token_turn: asyncio.Lock = field(default_factory=asyncio.Lock, repr=False)

    @property
    def generation(self) -> int:
        """Of the current session; -1 without one."""
        return self.current.gen if self.current is not None else -1

    @property
    def is_open(self) -> bool:
        """Whether new sessions are refused: visits go on at growing pauses, but a person should look."""
        return self.unproven >= OPEN

    @property
    def spent(self) -> bool:
        """Whether the current session has no use left in its budget."""
        held = self.current
        return held is not None and (held.max_uses or self.budget.learned) is not None and self.budget.is_spent(held)

    def is_usable(self, session: Session | None, born: float, newer_than: int, now: float) -> bool:
        """Whether *session* is newer than *newer_than*, was not refused, and is within its hard age."""
        return session is not None and session.gen > max(newer_than, self.refused) and now < born + session.hard

    def needs_successor(self, now: float) -> bool:
        """Whether the next session should be fetched now, while the current one still serves."""
        session = self.current
        if session is None or self.flight is not None or self.waiting_session is not None or now < self.pause.until:
            return False
        return now >= self.soft_at or self.budget.runs_out(session)

    def reason(self, stored: Session | None) -> RenewalReason:
        """Why a visit is made now. *stored* is the last session that the store knows.

        A stored session newer than the current one comes first: somebody logged in or out in another process. One of
        the same generation has the newer cookies: those that a visit was given before it failed.
        """
        current = self.current
        if current is None or (stored is not None and stored.gen > current.gen):
            return RenewalReason(previous=stored)
        previous = stored if stored is not None and stored.gen == current.gen else current
        if current.gen > max(self.refused, self.doubted):
            return RenewalReason(previous=previous)
        fresh = self.accepted < current.gen <= self.made
        return RenewalReason(previous, refused=current, named=current.gen <= self.refused, fresh=fresh)

    @transition
    def hand_out(self) -> Session:
        """Count one use of the current session."""
        session = self.current
        assert session is not None, "there is no session to hand out"
        self.budget.used += 1
        return session

    @transition
    def publish(self, session: Session, born: float) -> None:
        """Take a newer session. It waits behind the current one while that has uses left in its budget."""
        if session.gen <= self.generation:
            return
        usable = self.is_usable(self.current, self.born, self.doubted, born)
        if usable and self.budget.most(self.current) is not None and not self.spent:
            self.waiting_session, self.waiting_born = session, born
        else:
            self._take(session, born)

    @transition
    def promote(self, newer_than: int, now: float) -> bool:
        """Make the waiting session the current one; False when there is none, or it is not usable."""
        waiting, self.waiting_session = self.waiting_session, None
        if waiting is None or not self.is_usable(waiting, self.waiting_born, newer_than, now):
            return False
        self._take(waiting, self.waiting_born)
        return True

    @transition
    def adopt(self, session: Session, now: float) -> None:
        """Take a session that was made without a visit (a login by hand); it ends a pause."""
        self.unproven = 0
        self.pause.end()
        self._take(session, now)

    @transition
    def accept(self, gen: int) -> None:
        """The site accepted a request with the session *gen*. Only this ends the growth of the pauses."""
        if gen > self.accepted:
            self.accepted, self.unproven = gen, 0
            if self.pause.failures or self.pause.why or self.pause.away_until:
                self.pause.forget()
        if self.pause.useless:
            self.pause.forgive(gen)
        if self.current is not None and gen == self.current.gen:
            self.budget.successes += 1

    @transition
    def refuse(self, gen: int, now: float, *, named: bool) -> None:
        """The site refused the session *gen*. A refusal of an older generation is ignored.

        A refusal without a name (*named* is false) leaves the session to other callers. A session of our own visit that
        is refused before it ever worked begins a pause; one from the store may have worked elsewhere.
        """
        if gen <= self.refused or gen < self.generation or (not named and gen <= self.doubted):
            return
        if named:
            self.refused = gen
            if not self.shared:  # others use the same sessions
                self.budget.learn()
        self.doubted = max(self.doubted, gen)
        if self.accepted < gen <= self.made:
            self.unproven += 1
            self.pause.grow(now)

    def pause_after(self, gen: int, now: float) -> float:
        """Seconds without a visit, if the session *gen* were refused now without a name."""
        begins = max(self.accepted, self.refused, self.doubted, self.generation - 1) < gen <= self.made
        return max(self.pause.until - now, self.pause.next_length(now) if begins else 0.0)

    @transition
    def hurry(self) -> None:
        """A visit was asked for by name: neither a pause nor a session at hand stands in its way."""
        self.pause.until, self.waiting_session, self.hurried = 0.0, None, True
        self.doubted = max(self.doubted, self.generation)

    @transition
    def join(self, session: Session, born: float) -> None:
        """Take a session that another process made; it ends a pause here."""
        self.shared = True
        self.pause.end()
        self.publish(session, born)

    @transition
    def begin_flight(self, flight: asyncio.Task[None]) -> None:
        """*flight* decides now who visits, and visits."""
        assert self.flight is None, "two visits for one key"
        self.flight = flight

    @transition
    def end_flight(self) -> None:
        """The flight has ended: with a session, or a pause."""
        self.flight, self.hurried, self.visit_began, self.waits = None, False, None, ""

    @transition
    def begin_visit(self, now: float) -> None:
        """A visit sets out under this process's claim."""
        self.visit_began, self.waits = now, ""

    @transition
    def wait_for(self, what: str) -> None:
        """The flight under way waits for *what*."""
        self.waits = what

    @transition
    def end_visit(self, session: Session, now: float) -> None:
        """The visit made *session*."""
        self.visits += 1
        self.made = session.gen
        self._count_visit(session)
        self.publish(session, now)

    @transition
    def fail_visit(self, error: DoorkeyError, now: float, *, known: bool) -> None:
        """The visit, or the store, failed: a pause begins. *known*: the site was entered before."""
        self._count_visit(error)
        self.pause.remember(error, now, known=known)

    @transition
    def back_off(self, seconds: float, error: DoorkeyError, now: float) -> None:
        """Another process's visit failed just now: its pause holds here, too."""
        self.pause.adopt(seconds, error, now)

    @transition
    def replace_tokens(self, gen: int, tokens: Tokens, *, renews_budget: bool) -> None:
        """An answer carried new tokens for the session *gen*. Whoever holds older ones is told so by the site."""
        if self.current is None or self.current.gen != gen:
            return
        self.current = replace(self.current, tokens={**self.current.tokens, **tokens})
        if renews_budget:
            self.budget.used = 0

    @transition
    def renew_cookies(self, gen: int, renewed: Callable[[Session], Session]) -> None:
        """An answer, or a visit under way, renewed cookies or storage of the session *gen*, for everybody."""
        if self.current is not None and self.current.gen == gen:
            self.current = renewed(self.current)

    @transition
    def begin_wait(self) -> None:
        """A caller waits: for a visit, or for its turn at a single-use token."""
        self.callers += 1

    @transition
    def end_wait(self) -> None:
        """A caller no longer waits."""
        self.callers -= 1

    def check(self) -> None:
        """Raise AssertionError when the state contradicts itself."""
        waiting = self.waiting_session
        assert waiting is None or waiting.gen > self.generation, "the waiting session is not newer than the current one"
        assert waiting is None or self.current is not None, "a session waits behind none"
        assert self.refused <= self.doubted, "a generation refused by name is not doubted"
        assert self.callers >= 0, "more callers left than came"
        assert min(self.budget.used, self.budget.successes) >= 0, "a use was taken back"
        assert self.current is None or self.current.key == self.key, "the session belongs to another key"
        assert self.pause.failures >= 0, "fewer than no failures"

    def _take(self, session: Session, born: float) -> None:
        self.current, self.born, self.waiting_session = session, born, None
        self.soft_at = born + session.soft * self.pause.rule.uniform(EARLIEST, 1.0)
        self.budget.used = self.budget.successes = 0

    def _count_visit(self, made: Session | DoorkeyError) -> None:
        began, self.visit_began = self.visit_began, None
        if began is not None and self.pause.limit is not None:
            self.pause.count(began, made)


def check_transitions() -> None:
    """Check the invariants of a key's state after each change from now on: for tests, and for `python -X dev`."""

    def checked(method: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(method)
        def run(state: KeyState, *args: object, **named: object) -> Any:
            result = method(state, *args, **named)
            state.check()
            return result

        return run

    while TRANSITIONS:
        name = TRANSITIONS.pop()
        setattr(KeyState, name, checked(getattr(KeyState, name)))


if sys.flags.dev_mode:
    check_transitions()
