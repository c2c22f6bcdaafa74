"""Gets a key's next session: asks the store who visits, and visits where it is this process."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import nullcontext

from doorkey.clock import Clock
from doorkey.errors import DoorkeyError, TimeLimit, Unavailable, VisitFailed
from doorkey.model.events import Events, VisitRecord
from doorkey.model.session import Key, Session
from doorkey.rate.limits import RateLimiters
from doorkey.sessions.held import StoreJournal
from doorkey.sessions.key_state import KeyState
from doorkey.sessions.login_war import LoginWars
from doorkey.sessions.pause import remembered
from doorkey.sessions.source import Source
from doorkey.sessions.store import Backoff, BeginResult, Busy, Claim, Newer, Store, VisitClaims, hold_claim

log = logging.getLogger("doorkey.keeper")

AGAIN = (0.2, 0.5)
"""Seconds after which a store that is away is asked again."""


class Flights:
    """`limit`: seconds that one visit may take, and `longer` more where a person may be asked. `away`: seconds that a
    store which is away is waited for. `ttl`: seconds after which another process takes over from one that died while
    visiting. `claims` decides who visits; by default the store. `wars` tells when nobody should log in.
    """

    def __init__(
        self,
        store: Store,
        private: Store,
        clock: Clock,
        *,
        claims: VisitClaims | None = None,
        limit: float,
        away: float,
        ttl: float,
        limiters: RateLimiters,
        events: Events,
        uniform: Callable[[float, float], float],
        longer: Callable[[], float],
        wars: LoginWars,
    ) -> None:
        self._store = store
        self._private = private
        self._claims = claims or store
        self._clock = clock
        self._limit = limit
        self._away = away
        self._ttl = ttl
        self._limiters = limiters
        self._events = events
        self._uniform = uniform
        self._longer = longer
        self._wars = wars

    def store_of(self, key: Key) -> Store:
        return self._private if key.caller else self._store

    async def fly(self, source: Source, state: KeyState, seen: int) -> None:
        """Ask the store who visits, and visit where it is this process. Ends with a session or a pause."""
        store, site = self.store_of(state.key), state.key.site
        claims = store if state.key.caller else self._claims
        try:
            ended = self._wars.notes
            may_rest = (ended.held or ended.shared) and not state.hurried
            if may_rest and (error := await self._wars.find(state.key)) is not None:
                self._remember(state, error, known=True)
                return
            while True:
                match await self._begin(claims, state, seen):
                    case Newer(session) if not source.fits(session):
                        seen = session.gen
                    case Newer(session):
                        state.join(session, birth(self._clock, session))
                        return
                    case Backoff(seconds, why, code):
                        message = f"{site}: {why.removeprefix(f'{site}: ')}"
                        state.back_off(seconds, remembered(code, message, site=site), self._clock.now())
                        return
                    case Busy(seconds):
                        state.wait_for("another process visits")
                        await claims.changed(state.key, seconds * self._uniform(1.0, 1.1))
                    case Claim() as claim:
                        if await self._visit(source, state, store, claim):
                            return
        except DoorkeyError as error:
            # The store itself failed: remembered as a visit that failed, so that it is not asked at every request.
            self._remember(state, error, known=False)
        except Exception:  # the rim of a background task
            log.exception("%s: the visit ended by a fault of doorkey's own", site)
            self._remember(state, VisitFailed(f"{site}: a fault of doorkey's own; see its log", site=site), known=False)
            raise
        finally:
            state.end_flight()

    async def _begin(self, claims: VisitClaims, state: KeyState, seen: int) -> BeginResult:
        """What the store says. One that is away is asked again for a while; requests go on with what is held here."""
        end = self._clock.now() + self._away
        while True:
            try:
                return await claims.begin(state.key, seen, self._ttl, patient=not state.hurried)
            except Unavailable:
                if self._clock.now() >= end:
                    raise
            state.wait_for("the session store is away")
            await self._clock.sleep(self._uniform(*AGAIN))

    async def _visit(self, source: Source, state: KeyState, store: Store, claim: Claim) -> bool:
        """Visit under *claim*; False when the claim was lost on the way and all has to be decided anew."""
        began = self._clock.now()
        try:
            limiters = self._limiters.known
            free = state.key in limiters and limiters[state.key] is None
            turn = nullcontext() if free else self._limiters.page(state.key)
            async with hold_claim(store, claim, self._ttl, self._clock), turn:
                state.begin_visit(self._clock.now())
                made = await self._make(source, state, StoreJournal(store, claim, state))
            session = await store.commit(claim, made)
            if session is None:
                return False
            state.end_visit(session, self._clock.now())
            log.info("%s: session %d by %s", state.key.site, session.gen, session.rung)
            self._publish(state.key.site, began, rung=session.rung)
        except DoorkeyError as error:
            known = claim.previous is not None or state.current is not None
            after = self._remember(state, error, known=known)
            self._publish(state.key.site, began, error=error.code)
            await asyncio.shield(_tell(store, claim, error.message, error.code, after))
        except BaseException:
            # Cancelled at shutdown, or a fault of ours: another process must not wait for the claim to run out.
            await asyncio.shield(_tell(store, claim, "the visiting process ended", "", 0.0))
            raise
        return True

    async def _make(self, source: Source, state: KeyState, journal: StoreJournal) -> Session:
        """The session that *source* makes. Raises TimeLimit after the visit's limit, and what the source raises."""
        try:
            async with asyncio.timeout(self._limit + self._longer()):
                return await source.make(state.reason(journal.claim.previous), journal)
        except TimeoutError as error:
            if isinstance(error, DoorkeyError):
                raise
            raise TimeLimit("visit", self._limit, site=state.key.site, setting="limits.visit") from error

    def _publish(self, site: str, began: float, *, rung: str = "", error: str = "") -> None:
        """Publish the end of a visit that *began* at this time (the clock's `now`)."""
        took = self._clock.now() - began
        self._events.publish(VisitRecord(at=self._clock.wall(), site=site, took=took, rung=rung, error=error))

    def _remember(self, state: KeyState, error: DoorkeyError, *, known: bool) -> float:
        """Begin a pause for *error*; returns its seconds. *known*: see `Pause.remember`."""
        now = self._clock.now()
        state.fail_visit(error, now, known=known)
        after = state.pause.until - now
        log.warning("%s: visit failed, next in %.1f s: %s", state.key.site, after, error.message)
        return after


async def _tell(store: Store, claim: Claim, why: str, code: str, after: float) -> None:
    """Tell the store of a visit that failed. One that is away lets the claim run out."""
    try:
        await store.fail(claim, why, code, after)
    except DoorkeyError as error:
        log.warning("%s: the failed visit is not in the store: %s", claim.key.site, error.message)


def birth(clock: Clock, session: Session) -> float:
    """When *session* was born, by this process's clock."""
    return clock.now() - max(0.0, clock.wall() - session.born)
