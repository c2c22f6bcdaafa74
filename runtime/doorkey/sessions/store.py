"""The contract of a session store: who may visit, and what the newest session is, decided in one atomic step.

A store is shared by the keepers of several processes. Every transition is a pure function of a row and the wall time,
so that each store holds to the same rules and only differs in where the row lies.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Protocol, TypeAlias, TypeVar

from doorkey.clock import Clock
from doorkey.errors import DoorkeyError
from doorkey.model.session import Key, Session

T = TypeVar("T")
log = logging.getLogger("doorkey.store")


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to visit, until its time limit. `previous` is the last session, however old: it holds what stays.

    `floor` is a generation below that of the session to come.
    """

    key: Key
    token: str = field(repr=False)
    floor: int
    previous: Session | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Newer:
    """Someone has visited already."""

    session: Session


@dataclass(frozen=True, slots=True)
class Backoff:
    """Someone's visit failed just now: wait `seconds`. `why` and `code` are the error's message and code."""

    seconds: float
    why: str
    code: str = ""


@dataclass(frozen=True, slots=True)
class Busy:
    """Someone is visiting; their claim runs out in `seconds` at the latest."""

    seconds: float


BeginResult: TypeAlias = Claim | Newer | Backoff | Busy


@dataclass(frozen=True, slots=True)
class Row:
    """What a store holds for one key; times are wall seconds.

    `whole`: whether requests can be sent with the session; False for one kept without its tokens, or in the middle of
    a visit. `failed_for` is the length of the pause that ends at `failed_until`.
    """

    session: Session | None = None
    whole: bool = False
    gen: int = -1
    claim: str = field(default="", repr=False)
    claimed_until: float = 0.0
    failed_until: float = 0.0
    failed_for: float = 0.0
    why: str = ""
    code: str = ""

    def begin(self, key: Key, seen: int, ttl: float, wall: float, patient: bool) -> tuple[Row, BeginResult]:
        """Decide what a keeper that has seen generation *seen* does next; one not *patient* heeds no pause."""
        row, session = self.corrected(ttl, wall), self.session
        if session and row.whole and session.gen > seen and wall < session.born + session.hard:
            return row, Newer(session)
        if patient and wall < row.failed_until:
            return row, Backoff(row.failed_until - wall, row.why, row.code)
        if row.claim and wall < row.claimed_until:
            return row, Busy(row.claimed_until - wall)
        token = secrets.token_hex(16)
        claimed = replace(row, claim=token, claimed_until=wall + ttl)
        return claimed, Claim(key, token, max(row.gen, seen), session)

    def corrected(self, ttl: float, wall: float) -> Row:
        """The row without times that only a wrong clock can have written: no claim ends later than *ttl* from now, and
        no pause later than its whole length from now.
        """
        if self.claimed_until <= wall + ttl and self.failed_until <= wall + self.failed_for:
            return self
        return replace(
            self,
            claimed_until=min(self.claimed_until, wall + ttl),
            failed_until=min(self.failed_until, wall + self.failed_for),
        )

    def renew(self, claim: Claim, ttl: float, wall: float) -> Row | None:
        """Keep the claim; None when it was lost."""
        return replace(self, claimed_until=wall + ttl) if self.claim == claim.token else None

    def commit(self, claim: Claim, session: Session, wall: float) -> tuple[Row, Session] | None:
        """Publish, under a generation above all before; None when the claim was lost.

        A session with a use budget belongs to the process that fetched it: its tokens are not shared, but its cookies
        stay for the next visit, as they may be somebody's login.
        """
        if self.claim != claim.token:
            return None
        session = replace(session, gen=max(self.gen, claim.floor, int(wall * 1000)) + 1)
        kept = session if session.max_uses is None else replace(session, tokens={})
        return Row(session=kept, whole=session.max_uses is None, gen=session.gen), session

    def keep(self, claim: Claim, session: Session) -> Row | None:
        """Keep what the site gave in the middle of a visit, for the next one; None when the claim was lost.

        The session takes no new generation, and no request is sent with it: it is not known yet whether it works.
        """
        if self.claim != claim.token:
            return None
        gen = self.session.gen if self.session is not None else -1
        return replace(self, session=replace(session, gen=gen), whole=False)

    def renew_cookies(self, session: Session) -> Row | None:
        """Take the cookies of *session*, which an answer renewed; None where another session has come since."""
        held = self.session
        if held is None or held.gen != session.gen or (self.claim and not self.whole):
            return None
        return replace(self, session=replace(held, cookies=session.cookies, soft=session.soft, hard=session.hard))

    def fail(self, claim: Claim, why: str, code: str, after: float, wall: float) -> Row | None:
        """Remember a failed visit, and heed it for *after* seconds; None when the claim was lost."""
        if self.claim != claim.token:
            return None
        return replace(
            self, claim="", claimed_until=0.0, failed_until=wall + after, failed_for=after, why=why, code=code
        )


class VisitClaims(Protocol):
    """Decides which process visits."""

    async def begin(self, key: Key, seen: int, ttl: float, *, patient: bool = True) -> BeginResult: ...

    async def changed(self, key: Key, timeout: float) -> None:
        """Return when the key's row may have changed, at the latest after *timeout* seconds: a hint, no more."""
        ...


class Store(VisitClaims, Protocol):
    """All steps are atomic over every process that shares the store.

    A store that can't be opened as it was configured raises ConfigurationError; one that is away, Unavailable. One
    that can't be written goes on in memory, and writes what it holds as soon as it can.
    """

    @property
    def trouble(self) -> str:
        """Why sessions stay in this process's memory now, or that the store is away; empty while all is well."""
        ...

    async def renew(self, claim: Claim, ttl: float) -> bool: ...

    async def commit(self, claim: Claim, session: Session) -> Session | None: ...

    async def keep(self, claim: Claim, session: Session) -> bool:
        """Keep *session*, from the middle of a visit, as the one that the next visit begins with."""
        ...

    async def renew_cookies(self, session: Session) -> None:
        """Keep the cookies of *session*, which an answer renewed, where its generation is the last one."""
        ...

    async def fail(self, claim: Claim, why: str, code: str, after: float) -> None: ...

    async def row(self, key: Key) -> Row:
        """All that is remembered, the last session however old: for status, and for what stays beyond a session."""
        ...

    async def learned(self, key: Key) -> str:
        """What `learn` kept last for *key*; empty without any."""
        ...

    async def learn(self, key: Key, merge: Callable[[str], str]) -> str:
        """Replace what was learned of the answers that *key* gets by what *merge* makes of it; returns that.

        *merge* may run in another thread, and more than once.
        """
        ...

    async def share(self, name: str, step: Callable[[str, float], tuple[str | None, T]]) -> T:
        """Read the short text *name* (empty without one), decide by *step* at this wall time, and write: all at once.
        None leaves it as it was. A text that nobody writes for a day may be dropped.

        Raises Unavailable where the text can't be read or written now.
        """
        ...

    async def close(self) -> None: ...


@asynccontextmanager
async def hold_claim(store: Store, claim: Claim, ttl: float, clock: Clock) -> AsyncIterator[None]:
    """Keep *claim* for as long as the work under it takes; a claim that was lost is not fought for.

    A store that is away is asked again at the next beat: it may be back before the claim ends.
    """

    async def beat() -> None:
        while True:
            await clock.sleep(ttl / 3)
            try:
                if not await store.renew(claim, ttl):
                    return
            except DoorkeyError as error:
                log.info("%s: the claim was not renewed: %s", claim.key.site, error.message)

    heart = asyncio.create_task(beat())
    try:
        yield
    finally:
        heart.cancel()
        await asyncio.gather(heart, return_exceptions=True)
