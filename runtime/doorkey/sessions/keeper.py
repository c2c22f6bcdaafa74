"""Hands sessions out and renews them: one visit at a time for a key, shared by all who wait, result and error alike.

The state of a key is one `Record`; it changes only in synchronous code on the event loop. The visit belongs to the
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
from doorkey.session import Key, Session
from doorkey.sessions.manners import Paces
from doorkey.sessions.pauses import Pauses
from doorkey.sessions.record import Record, Records
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
        paces: Paces | None = None,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._store = store
        self._private = private
        self._clock = clock
        self._limit = limit
        self._patience = patience
        self._claim_ttl = claim_ttl
        self.paces = paces or Paces(lambda key: None, clock)
        self._pauses = Pauses(self.paces, clock, first=pause, longest=longest_pause, uniform=uniform)
        self._uniform = uniform
        self._records = Records()
        self._closed = False

    def record(self, key: Key) -> Record:
        return self._records.get(key) or self._records.add(key)

    async def get(self, source: Source, *, not_gen: int = -1, deadline: float) -> Session:
        """A usable session newer than *not_gen*; visits when there is none, together with all who wait.

        Raises what the visit raised while its failure is remembered (with `retry_after`), and TimeLimit at *deadline*.
        """
        rec = self.record(source.key)
        while (session := self.at_hand(source, not_gen=not_gen)) is None:
            if rec.flight is None:
                now = self._clock.now()
                if now < rec.next_ok:
                    await self._wait_out(source, rec, now, deadline)
                    continue
                self._launch(source, rec, seen=max(not_gen, rec.bad, rec.cur.gen if rec.cur else -1))
            await self._wait(rec, deadline)
        return session

    def at_hand(self, source: Source, *, not_gen: int = -1) -> Session | None:
        """What `get` gives, where that takes no waiting."""
        rec, now = self.record(source.key), self._clock.now()
        while not rec.usable(rec.cur, rec.born, not_gen, now) or not (rec.max_uses is None or rec.used < rec.max_uses):
            if not rec.promote(not_gen, now):
                return None
        return self._hand_out(source, rec, now)

    async def visit(self, source: Source, *, deadline: float) -> Session:
        """A session newer than any known, by a visit made for this call (or one under way), pause or no pause."""
        rec = self.record(source.key)
        # Newer than what other processes visited, too: else the store's session would be taken for this visit's.
        stored = None if source.key.own else (await self._store.row(source.key)).session
        if stored is not None and stored.max_uses is None:
            rec.publish(stored, self._here(stored))
            rec.proven = max(rec.proven, stored.gen)  # nobody refused it: no reason to wait longer than usual
        seen = rec.cur.gen if rec.cur else -1
        rec.next_ok, rec.next, rec.hurried = 0.0, None, True
        rec.doubted = max(rec.doubted, seen)
        return await self.get(source, not_gen=seen, deadline=deadline)

    async def adopt(self, source: Source, session: Session) -> Session:
        """Make *session*, which came about without a visit of ours, the current one for all who share the store."""
        rec = self.record(source.key)
        store = self._private if source.key.own else self._store
        seen = rec.cur.gen if rec.cur else -1
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
                        rec.next_ok, rec.why = 0.0, None
                        rec.take(committed, self._clock.now())
                        return committed

    def worked(self, session: Session) -> None:
        """A request was accepted with *session*."""
        rec = self.record(session.key)
        if session.gen > rec.proven or rec.useless:
            rec.prove(session.gen)
        if rec.cur is not None and rec.cur.gen == session.gen:
            rec.successes += 1

    def rejected(self, session: Session, *, named: bool) -> None:
        """*session* was refused. Late news of an older one changes nothing."""
        rec = self.record(session.key)
        gen = session.gen
        if gen <= rec.bad or (rec.cur is not None and gen < rec.cur.gen) or (not named and gen <= rec.doubted):
            return
        if named:
            rec.bad = gen
            rec.learn_budget()
        rec.doubted = max(rec.doubted, gen)
        if rec.proven < gen:
            self._pauses.penalty(rec)

    async def close(self) -> None:
        """End the visits under way and wait for them."""
        self._closed = True
        flights = [rec.flight for rec in self._records.values() if rec.flight is not None]
        for flight in flights:
            flight.cancel()
        await asyncio.gather(*flights, return_exceptions=True)

    def _hand_out(self, source: Source, rec: Record, now: float) -> Session:
        session = rec.cur
        assert session is not None
        rec.used += 1
        spent = rec.max_uses is not None and rec.used >= 0.8 * rec.max_uses
        old = now >= rec.born + session.soft
        if (old or spent) and rec.flight is None and rec.next is None and now >= rec.next_ok:
            self._launch(source, rec, seen=session.gen)
        return session

    async def _wait_out(self, source: Source, rec: Record, now: float, deadline: float) -> None:
        pause = rec.next_ok - now
        lasting = isinstance(rec.why, LASTING)
        if lasting or pause > min(self._patience, deadline - now):
            if await self._cured(source, rec):
                return
            why = rec.why or VisitFailed(
                f"{rec.key.site}: new sessions are refused as well; the next visit is in {pause:.0f} s",
                site=rec.key.site,
            )
            raise why.again(pause) from why
        await self._clock.sleep(pause)

    async def _cured(self, source: Source, rec: Record) -> bool:
        """Whether another process has a session by now: a person who logged in there ends the pause here."""
        if rec.key.own:
            return False
        stored = (await self._store.row(rec.key)).session
        born = self._here(stored) if stored is not None else 0.0
        newest = max(rec.bad, rec.cur.gen if rec.cur else -1)
        if (
            stored is None
            or stored.max_uses is not None
            or not source.fits(stored)
            or not rec.usable(stored, born, newest, self._clock.now())
        ):
            return False
        rec.next_ok, rec.why, rec.shared = 0.0, None, True
        rec.publish(stored, born)
        return True

    def _launch(self, source: Source, rec: Record, seen: int) -> None:
        if self._closed:
            raise VisitFailed(f"{rec.key.site}: doorkey is shutting down", site=rec.key.site)
        # In a context of its own: the visit is nobody's in particular.
        flight = self._fly(source, rec, seen)
        rec.flight = asyncio.create_task(flight, name=f"visit {rec.key.site}", context=Context())

    async def _wait(self, rec: Record, deadline: float) -> None:
        # Waited for, not owned: asyncio.wait leaves the flight alone when the waiter is cancelled or runs out of time.
        flight = rec.flight
        assert flight is not None
        left = deadline - self._clock.now()
        rec.waiting += 1
        try:
            if left > 0:
                await asyncio.wait([flight], timeout=left)
        finally:
            rec.waiting -= 1
        if flight.done():
            if not flight.cancelled() and (error := flight.exception()) is not None:
                raise error
            if self._closed:
                raise VisitFailed(f"{rec.key.site}: doorkey is shutting down", site=rec.key.site)
        elif self._clock.now() >= deadline:
            raise TimeLimit(
                "total, while a visit goes on", round(max(left, 0.0), 3), site=rec.key.site, setting="limits.total"
            )

    async def _fly(self, source: Source, rec: Record, seen: int) -> None:
        """The only writer of a record's session. Ends with a published session or a remembered failure."""
        store = self._private if rec.key.own else self._store
        try:
            while True:
                match await store.begin(rec.key, seen, self._claim_ttl, patient=not rec.hurried):
                    case Newer(session) if not source.fits(session):
                        seen = session.gen
                    case Newer(session):
                        rec.shared = True
                        rec.publish(session, self._here(session))
                        return
                    case Backoff(seconds, why, code):
                        rec.next_ok = self._clock.now() + seconds
                        name = f"{rec.key.site}: "
                        rec.why = rec.why or remembered(code, name + why.removeprefix(name), site=rec.key.site)
                        return
                    case Busy(seconds):
                        await store.changed(rec.key, seconds * self._uniform(1.0, 1.1))
                    case Claim() as claim:
                        if await self._climb(source, rec, store, claim):
                            return
        except DoorkeyError as error:
            # The store itself failed: remembered as a visit that failed, so that it is not asked at every request.
            self._pauses.remember(rec, error)
        except Exception:  # the rim of a background task
            log.exception("%s: the visit ended by a fault of doorkey's own", rec.key.site)
            self._pauses.remember(
                rec, VisitFailed(f"{rec.key.site}: a fault of doorkey's own; see its log", site=rec.key.site)
            )
            raise
        finally:
            rec.flight, rec.hurried = None, False

    async def _climb(self, source: Source, rec: Record, store: Store, claim: Claim) -> bool:
        """Visit under *claim*; False when the claim was lost on the way and all has to be decided anew."""
        try:
            async with kept(store, claim, self._claim_ttl, self._clock), self.paces.page(rec.key):
                rec.out = self._clock.now()
                fetched = await within(self._limit, source, rec.need(claim.previous))
            session = await store.commit(claim, fetched)
            if session is None:
                return False
            rec.came_back(session)
            rec.publish(session, self._clock.now())
            log.info("%s: session %d by %s", rec.key.site, session.gen, session.rung)
        except DoorkeyError as error:
            rec.came_back(error)
            after = self._pauses.remember(rec, error)
            await asyncio.shield(store.fail(claim, error.message, error.code, after))
        except BaseException:
            # Cancelled at shutdown, or a fault of ours: another process must not wait for the claim to run out.
            await asyncio.shield(store.fail(claim, "the visiting process ended", "", 0.0))
            raise
        return True

    def _here(self, session: Session) -> float:
        """When *session* was born, by this process's clock."""
        return self._clock.now() - max(0.0, self._clock.wall() - session.born)
