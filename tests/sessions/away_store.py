"""A store that a test takes away and brings back."""

from __future__ import annotations

from doorkey.errors import Unavailable
from doorkey.model.session import Key, Session
from doorkey.sessions.memory import MemoryStore
from doorkey.sessions.store import BeginResult, Claim, Row


class AwayStore(MemoryStore):
    """While `away`, each step fails as one of a server that can't be reached. `asked` counts those that did."""

    away = False
    asked = 0

    def _reach(self) -> None:
        if self.away:
            self.asked += 1
            raise Unavailable("the session store can't be used now")

    async def begin(self, key: Key, seen: int, ttl: float, *, patient: bool = True) -> BeginResult:
        self._reach()
        return await super().begin(key, seen, ttl, patient=patient)

    async def renew(self, claim: Claim, ttl: float) -> bool:
        self._reach()
        return await super().renew(claim, ttl)

    async def commit(self, claim: Claim, session: Session) -> Session | None:
        self._reach()
        return await super().commit(claim, session)

    async def fail(self, claim: Claim, why: str, code: str, after: float) -> None:
        self._reach()
        await super().fail(claim, why, code, after)

    async def row(self, key: Key) -> Row:
        self._reach()
        return await super().row(key)
