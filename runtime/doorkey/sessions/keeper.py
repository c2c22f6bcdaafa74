"""Hands sessions out and renews them: one visit at a time for a key, shared by all who wait, result and error alike.

The state of a key is one `KeyState`; it changes only in synchronous code on the event loop. The visit belongs to the
keeper: a caller who hangs up does not end it.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable
from contextvars import Context

from doorkey.clock import Clock
from doorkey.errors import (
    Changed,
    ConfigurationError,
    DoorkeyError,
    NeedsPerson,
    SessionRefused,
    SiteDown,
    TimeLimit,
    Unavailable,
    VisitFailed,
)
from doorkey.model.events import Events
from doorkey.model.session import Session
from doorkey.rate.limits import RateLimiters
from doorkey.sessions.flights import Flights, birth
from doorkey.sessions.key_state import KeyState
from doorkey.sessions.key_states import KeyStates
from doorkey.sessions.login_war import LoginWars
from doorkey.sessions.pause import PauseRule
from doorkey.sessions.renewed_cookies import RenewedCookies
from doorkey.sessions.source import Source, Target
from doorkey.sessions.store import Backoff, Busy, Claim, Newer, Row, Store, VisitClaims
from doorkey.shared_notes import SharedTexts

LASTING = (Changed, ConfigurationError, NeedsPerson, SessionRefused)
"""Failures of a visit that another try a second later would only repeat: told at once, not waited out."""

LOOK_AGAIN = 5.0
"""Seconds after which a store that was away is looked into again during a pause."""

log = logging.getLogger("doorkey.keeper")


class Keeper:
    """`states` is what this process knows of each key.

    `patience`: a pause up to that many seconds is waited out, a longer one is told. `away`: seconds that a known
    site which takes no connections is waited for. `pause`, `longest_pause`: the
    first and the longest pause after a failed visit. `limit`: seconds that one visit, with all its rungs, may take, and
    `longer` more where a person may be asked.
    `claim_ttl`: seconds after which another process takes over from one that died while visiting. `limiters`: how
    many pages are opened at a site at a time, and how many visits in vain it gets; None without limits.
    `events` get a record of each visit. `claims` decides who visits; by default the store. `texts`: where the processes
    of a store share which logins were ended soon.
    """

    def __init__(
        self,
        store: Store,
        *,
        private: Store,
        clock: Clock,
        claims: VisitClaims | None = None,
        limit: float = 60.0,
        patience: float = 2.0,
        away: float = 10.0,
        pause: float = 1.0,
        longest_pause: float = 300.0,
        claim_ttl: float = 15.0,
        limiters: RateLimiters | None = None,
        events: Events | None = None,
        uniform: Callable[[float, float], float] = random.uniform,
        longer: Callable[[], float] = lambda: 0.0,
        texts: SharedTexts | None = None,
    ) -> None:
        self._store = store
        self._clock = clock
        self._patience = patience
        self._away = away
        self._claim_ttl = claim_ttl
        self.limiters = limiters or RateLimiters(lambda key: None, clock)
        self._events = events or Events(clock)
        self._wars = LoginWars(clock, texts)
        self._flights = Flights(
            store, private, clock, claims=claims, limit=limit, away=away, ttl=claim_ttl, limiters=self.limiters,
            events=self._events, uniform=uniform, longer=longer, wars=self._wars,
        )  # fmt: skip
        self._renewed_cookies = RenewedCookies(store, clock)
        self.states = KeyStates(PauseRule(pause, longest_pause, away, uniform), self.limiters.limit_visits)
        self._look_again = 0.0
        self._closed = False

    async def get(self, target: Target, *, newer_than: int = -1, deadline: float) -> Session:
        """A usable session newer than *newer_than*; visits when there is none, together with all who wait.

        Raises what the visit raised while its failure is remembered (with `retry_after`), and TimeLimit at *deadline*.
        """
        state = self.states[target.key]
        while (session := self.get_ready(target, newer_than=newer_than)) is None:
            if state.flight is None:
                now = self._clock.now()
                if now < state.pause.until:
                    await self._wait_out(target.source, state, now, deadline)
                    continue
                self._launch(target.source, state, seen=max(newer_than, state.refused, state.generation))
            await self._wait(state, deadline)
        return session

    def get_ready(self, target: Target, *, newer_than: int = -1) -> Session | None:
        """What `get` returns where that takes no waiting, else None. Past the soft age a visit begins behind it."""
        state, now = self.states[target.key], self._clock.now()
        while True:
            current = state.current
            counted = current is not None and (current.max_uses is not None or state.budget.learned is not None)
            if state.is_usable(current, state.born, newer_than, now) and not (counted and state.spent):
                break
            if not state.promote(newer_than, now):
                return None
        session = state.hand_out()
        if now < state.soft_at and not counted:
            return session
        if state.needs_successor(now):
            self._launch(target.source, state, seen=session.gen)
        return session

    async def renew(self, target: Target, refused: Session, *, named: bool = True, deadline: float) -> Session:
        """A session newer than *refused*, visiting the site only if nobody has yet. Raises as `get` does."""
        self.refuse(refused, named=named)
        return await self.get(target, newer_than=refused.gen, deadline=deadline)

    def cannot_renew_in_time(self, session: Session, deadline: float) -> bool:
        """Whether a doubt about *session* brings no newer one in time: new ones were refused before they worked."""
        state, now = self.states[session.key], self._clock.now()
        return state.pause.why is None and state.pause_after(session.gen, now) > min(self._patience, deadline - now)

    async def visit(self, target: Target, *, deadline: float) -> Session:
        """A session newer than any known, by a visit made for this call (or one under way), pause or no pause."""
        state = self.states[target.key]
        # Newer than what other processes visited, too: else the store's session would be taken for this visit's.
        row = Row() if target.key.caller else await self._store.row(target.key)
        if row.session is not None and row.whole:
            state.publish(row.session, birth(self._clock, row.session))
        state.hurry()
        return await self.get(target, newer_than=state.generation, deadline=deadline)

    async def adopt(self, target: Target, session: Session) -> Session:
        """Make *session*, which was made without a visit of the keeper, the current one for all who share the store."""
        state, store = self.states[target.key], self._flights.store_of(target.key)
        seen = state.generation
        while True:
            match await store.begin(target.key, seen, self._claim_ttl, patient=False):
                case Newer(newer):
                    seen = newer.gen
                case Backoff(seconds):  # not while it is impatient
                    await self._clock.sleep(seconds)
                case Busy(seconds):
                    await store.changed(target.key, seconds)
                case Claim() as claim:
                    committed = await store.commit(claim, session)
                    if committed is not None:
                        state.adopt(committed, self._clock.now())
                        return committed

    def accept(self, session: Session) -> None:
        """The site accepted a request with *session*."""
        self.states[session.key].accept(session.gen)

    async def renew_cookies(self, session: Session, renewed: Callable[[Session], Session]) -> None:
        """An answer to a request with *session* renewed cookies that belong to everybody."""
        state = self.states[session.key]
        before = state.current
        state.renew_cookies(session.gen, renewed)
        if before is not None and state.current is not None and state.current is not before and not session.key.caller:
            await self._renewed_cookies.write(before, state.current)

    def refuse(self, session: Session, *, named: bool, login: bool = False) -> None:
        """The site refused *session*; *named*: by a verdict that says so. A refusal of an older one is ignored.

        *login*: it came from a login. Logins that the site ends soon, again and again, lead to a pause.
        """
        state, now = self.states[session.key], self._clock.now()
        before, was_open = state.refused, state.is_open
        state.refuse(session.gen, now, named=named)
        if state.is_open and not was_open:
            told = f"the site refused {state.unproven} new sessions in a row before they ever worked"
            self._events.of(session.key.site).report("person", told)
        if login and session.max_uses is None and before < session.gen == state.refused <= state.accepted:
            error = self._wars.note(session.key, session.gen, now - state.born)
            if error is not None:
                log.warning("%s", error.message)
                state.fail_visit(error, now, known=True)

    async def close(self) -> None:
        """End the visits under way and wait for them."""
        self._closed = True
        flights = [state.flight for state in self.states.values() if state.flight is not None]
        for flight in flights:
            flight.cancel()
        await asyncio.gather(*flights, return_exceptions=True)
        await self._wars.close()

    async def _wait_out(self, source: Source, state: KeyState, now: float, deadline: float) -> None:
        """Wait for the end of the pause, where that is short; else raise the error that it was begun for."""
        pause = state.pause.until - now
        patience = max(self._patience, state.pause.away_until - now)
        if not is_lasting(state.pause.why) and pause <= min(patience, deadline - now):
            await self._clock.sleep(pause)
            return
        if await self._take_stored(source, state):
            return
        why = state.pause.why
        if isinstance(why, SiteDown) and state.pause.away_until:
            raise why.waited_for(self._away).again(pause) from why
        raise state.pause.explain(state.key.site, now) from why

    async def _take_stored(self, source: Source, state: KeyState) -> bool:
        """Take a session that another process has made meanwhile: a person who logged in there ends the pause here."""
        if state.key.caller or self._clock.now() < self._look_again:
            return False
        try:
            row = await self._store.row(state.key)
        except Unavailable:  # the pause's own error says more, and it is told without waiting for the store each time
            self._look_again = self._clock.now() + LOOK_AGAIN
            return False
        stored = row.session
        if stored is None or not row.whole or not source.fits(stored):
            return False
        born, newest = birth(self._clock, stored), max(state.refused, state.generation)
        if not state.is_usable(stored, born, newest, self._clock.now()):
            return False
        state.join(stored, born)
        return True

    def _launch(self, source: Source, state: KeyState, seen: int) -> None:
        if self._closed:
            raise VisitFailed(f"{state.key.site}: doorkey is shutting down", site=state.key.site)
        # In a context of its own: the visit is nobody's in particular.
        flight = self._flights.fly(source, state, seen)
        state.begin_flight(asyncio.create_task(flight, name=f"visit {state.key.site}", context=Context()))

    async def _wait(self, state: KeyState, deadline: float) -> None:
        # Waited for, not owned: asyncio.wait leaves the flight alone when the waiter is cancelled or runs out of time.
        flight = state.flight
        assert flight is not None
        left = deadline - self._clock.now()
        state.begin_wait()
        try:
            if left > 0:
                await asyncio.wait([flight], timeout=left)
        finally:
            state.end_wait()
        if flight.done():
            if not flight.cancelled() and (error := flight.exception()) is not None:
                raise error
            if self._closed:
                raise VisitFailed(f"{state.key.site}: doorkey is shutting down", site=state.key.site)
        elif self._clock.now() >= deadline:
            what = f"total, while {state.waits or 'a visit goes on'}"
            raise TimeLimit(what, round(max(left, 0.0), 3), site=state.key.site, setting="limits.total")


def is_lasting(why: DoorkeyError | None) -> bool:
    """Whether a pause for *why* is told and not waited out. A store that is away was asked again and again before."""
    return isinstance(why, LASTING) or type(why) is Unavailable
