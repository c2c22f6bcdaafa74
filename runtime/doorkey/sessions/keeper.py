"""Hands sessions out and renews them: one visit at a time for a key, shared by all who wait, result and error alike.

The state of a key is one `KeyState`; it changes only in synchronous code on the event loop. The visit belongs to the
keeper: a caller who hangs up never ends it.
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
    TimeLimit,
    VisitFailed,
    remembered,
)
from doorkey.model.session import Key, Session
from doorkey.rate.limits import RateLimiters
from doorkey.sessions.key_state import KeyState, KeyStates
from doorkey.sessions.pauses import Pauses
from doorkey.sessions.source import Source, within
from doorkey.sessions.store import Backoff, Busy, Claim, Newer, Store, kept

log = logging.getLogger("doorkey.keeper")

LASTING = (Changed, ConfigurationError, NeedsPerson, SessionRefused)
"""Failures of a visit that another try a second later would only repeat: told at once, not waited out."""


class Keeper:
    """`patience`: a pause up to that many seconds is waited out, a longer one is told. `pause`, `longest_pause`: the
    first and the longest pause after a failed visit. `limit`: seconds that one visit, with all its rungs, may take.
    `claim_ttl`: seconds after which another process takes over from one that died while visiting. `paces`: how the
    sites are treated; None without limits.
    """

    def __init__(
        self,
        store: Store,
        *,
        private: Store,
        clock: Clock,
        limit: float = 60.0,
        patience: float = 2.0,
        pause: float = 1.0,
        longest_pause: float = 300.0,
        claim_ttl: float = 15.0,
        limiters: RateLimiters | None = None,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._store = store
        self._private = private
        self._clock = clock
        self._limit = limit
        self._patience = patience
        self._claim_ttl = claim_ttl
        self.limiters = limiters or RateLimiters(lambda key: None, clock)
        self._pauses = Pauses(self.limiters, clock, first=pause, longest=longest_pause, uniform=uniform)
        self._uniform = uniform
        self._states = KeyStates()
        self._closed = False

    def key_state(self, key: Key) -> KeyState:
        return self._states.get(key) or self._states.add(key)

    async def get(self, source: Source, *, newer_than: int = -1, deadline: float) -> Session:
        """A usable session newer than *not_gen*; visits when there is none, together with all who wait.

        Raises what the visit raised while its failure is remembered (with `retry_after`), and TimeLimit at *deadline*.
        """
        state = self.key_state(source.key)
        while (session := self.at_hand(source, newer_than=newer_than)) is None:
            if state.flight is None:
                now = self._clock.now()
                if now < state.next_ok:
                    await self._wait_out(source, state, now, deadline)
                    continue
                self._launch(source, state, seen=max(newer_than, state.bad, state.cur.gen if state.cur else -1))
            await self._wait(state, deadline)
        return session

    def at_hand(self, source: Source, *, newer_than: int = -1) -> Session | None:
        """What `get` gives, where that takes no waiting."""
        state, now = self.key_state(source.key), self._clock.now()
        while not state.usable(state.cur, state.born, newer_than, now) or not (
            state.max_uses is None or state.used < state.max_uses
        ):
            if not state.promote(newer_than, now):
                return None
        return self._hand_out(source, state, now)

    async def visit(self, source: Source, *, deadline: float) -> Session:
        """A session newer than any known, by a visit made for this call (or one under way), pause or no pause."""
        state = self.key_state(source.key)
        # Newer than what other processes visited, too: else the store's session would be taken for this visit's.
        stored = None if source.key.caller else (await self._store.row(source.key)).session
        if stored is not None and stored.max_uses is None:
            state.publish(stored, self._here(stored))
            state.proven = max(state.proven, stored.gen)  # nobody refused it: no reason to wait longer than usual
        seen = state.cur.gen if state.cur else -1
        state.next_ok, state.next, state.hurried = 0.0, None, True
        state.doubted = max(state.doubted, seen)
        return await self.get(source, newer_than=seen, deadline=deadline)

    async def adopt(self, source: Source, session: Session) -> Session:
        """Make *session*, which came about without a visit of ours, the current one for all who share the store."""
        state = self.key_state(source.key)
        store = self._private if source.key.caller else self._store
        seen = state.cur.gen if state.cur else -1
        while True:
            match await store.begin(source.key, seen, self._claim_ttl, patient=False):
                case Newer(newer):
                    seen = newer.gen
                case Backoff(seconds):  # not while it is hurried
                    await self._clock.sleep(seconds)
                case Busy(seconds):
                    await store.changed(source.key, seconds)
                case Claim() as claim:
                    committed = await store.commit(claim, session)
                    if committed is not None:
                        state.next_ok, state.why = 0.0, None
                        state.take(committed, self._clock.now())
                        return committed

    def worked(self, session: Session) -> None:
        """A request was accepted with *session*."""
        state = self.key_state(session.key)
        if session.gen > state.proven or state.useless:
            state.prove(session.gen)
        if state.cur is not None and state.cur.gen == session.gen:
            state.successes += 1

    def rejected(self, session: Session, *, named: bool) -> None:
        """*session* was refused. Late news of an older one changes nothing."""
        state = self.key_state(session.key)
        gen = session.gen
        if gen <= state.bad or (state.cur is not None and gen < state.cur.gen) or (not named and gen <= state.doubted):
            return
        if named:
            state.bad = gen
            state.learn_budget()
        state.doubted = max(state.doubted, gen)
        if state.proven < gen:
            self._pauses.penalty(state)

    async def close(self) -> None:
        """End the visits under way and wait for them."""
        self._closed = True
        flights = [state.flight for state in self._states.values() if state.flight is not None]
        for flight in flights:
            flight.cancel()
        await asyncio.gather(*flights, return_exceptions=True)

    def _hand_out(self, source: Source, state: KeyState, now: float) -> Session:
        session = state.cur
        assert session is not None
        state.used += 1
        spent = state.max_uses is not None and state.used >= 0.8 * state.max_uses
        old = now >= state.born + session.soft
        if (old or spent) and state.flight is None and state.next is None and now >= state.next_ok:
            self._launch(source, state, seen=session.gen)
        return session

    async def _wait_out(self, source: Source, state: KeyState, now: float, deadline: float) -> None:
        pause = state.next_ok - now
        lasting = isinstance(state.why, LASTING)
        if lasting or pause > min(self._patience, deadline - now):
            if await self._cured(source, state):
                return
            why = state.why or VisitFailed(
                f"{state.key.site}: new sessions are refused as well; the next visit is in {pause:.0f} s",
                site=state.key.site,
            )
            raise why.again(pause) from why
        await self._clock.sleep(pause)

    async def _cured(self, source: Source, state: KeyState) -> bool:
        """Whether another process has a session by now: a person who logged in there ends the pause here."""
        if state.key.caller:
            return False
        stored = (await self._store.row(state.key)).session
        born = self._here(stored) if stored is not None else 0.0
        newest = max(state.bad, state.cur.gen if state.cur else -1)
        if (
            stored is None
            or stored.max_uses is not None
            or not source.fits(stored)
            or not state.usable(stored, born, newest, self._clock.now())
        ):
            return False
        state.next_ok, state.why, state.shared = 0.0, None, True
        state.publish(stored, born)
        return True

    def _launch(self, source: Source, state: KeyState, seen: int) -> None:
        if self._closed:
            raise VisitFailed(f"{state.key.site}: doorkey is shutting down", site=state.key.site)
        # In a context of its own: the visit is nobody's in particular.
        flight = self._fly(source, state, seen)
        state.flight = asyncio.create_task(flight, name=f"visit {state.key.site}", context=Context())

    async def _wait(self, state: KeyState, deadline: float) -> None:
        # Waited for, not owned: asyncio.wait leaves the flight alone when the waiter is cancelled or runs out of time.
        flight = state.flight
        assert flight is not None
        left = deadline - self._clock.now()
        state.waiting += 1
        try:
            if left > 0:
                await asyncio.wait([flight], timeout=left)
        finally:
            state.waiting -= 1
        if flight.done():
            if not flight.cancelled() and (error := flight.exception()) is not None:
                raise error
            if self._closed:
                raise VisitFailed(f"{state.key.site}: doorkey is shutting down", site=state.key.site)
        elif self._clock.now() >= deadline:
            raise TimeLimit(
                "total, while a visit goes on", round(max(left, 0.0), 3), site=state.key.site, setting="limits.total"
            )

    async def _fly(self, source: Source, state: KeyState, seen: int) -> None:
        """The only writer of a record's session. Ends with a published session or a remembered failure."""
        store = self._private if state.key.caller else self._store
        try:
            while True:
                match await store.begin(state.key, seen, self._claim_ttl, patient=not state.hurried):
                    case Newer(session) if not source.fits(session):
                        seen = session.gen
                    case Newer(session):
                        state.shared = True
                        state.publish(session, self._here(session))
                        return
                    case Backoff(seconds, why, code):
                        state.next_ok = self._clock.now() + seconds
                        name = f"{state.key.site}: "
                        state.why = state.why or remembered(code, name + why.removeprefix(name), site=state.key.site)
                        return
                    case Busy(seconds):
                        await store.changed(state.key, seconds * self._uniform(1.0, 1.1))
                    case Claim() as claim:
                        if await self._climb(source, state, store, claim):
                            return
        except DoorkeyError as error:
            # The store itself failed: remembered as a visit that failed, so that it is not asked at every request.
            self._pauses.remember(state, error)
        except Exception:  # the rim of a background task
            log.exception("%s: the visit ended by a fault of doorkey's own", state.key.site)
            self._pauses.remember(
                state, VisitFailed(f"{state.key.site}: a fault of doorkey's own; see its log", site=state.key.site)
            )
            raise
        finally:
            state.flight, state.hurried = None, False

    async def _climb(self, source: Source, state: KeyState, store: Store, claim: Claim) -> bool:
        """Visit under *claim*; False when the claim was lost on the way and all has to be decided anew."""
        try:
            async with kept(store, claim, self._claim_ttl, self._clock), self.limiters.page(state.key):
                state.out = self._clock.now()
                fetched = await within(self._limit, source, state.need(claim.previous))
            session = await store.commit(claim, fetched)
            if session is None:
                return False
            state.came_back(session)
            state.publish(session, self._clock.now())
            log.info("%s: session %d by %s", state.key.site, session.gen, session.rung)
        except DoorkeyError as error:
            state.came_back(error)
            after = self._pauses.remember(state, error)
            await asyncio.shield(store.fail(claim, error.message, error.code, after))
        except BaseException:
            # Cancelled at shutdown, or a fault of ours: another process must not wait for the claim to run out.
            await asyncio.shield(store.fail(claim, "the visiting process ended", "", 0.0))
            raise
        return True

    def _here(self, session: Session) -> float:
        """When *session* was born, by this process's clock."""
        return self._clock.now() - max(0.0, self._clock.wall() - session.born)
