"""What the stores that keep a row for each key have in common: each operation is one step from a row to the next."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TypeVar

from doorkey.model.session import Key, Session
from doorkey.sessions.store import BeginResult, Claim, Row

T = TypeVar("T")


class RowStore(ABC):
    """The rules are those of `Row`; a store brings only the atomic step."""

    @abstractmethod
    async def _step(self, key: Key, step: Callable[[Row, float], tuple[Row | None, T]]) -> T:
        """Read the row, decide by *step* at this wall time, and write: all at once. None leaves the row as it was."""

    async def begin(self, key: Key, seen: int, ttl: float, *, patient: bool = True) -> BeginResult:
        def step(row: Row, wall: float) -> tuple[Row, BeginResult]:
            return row.begin(key, seen, ttl, wall, patient)

        return await self._step(key, step)

    async def renew(self, claim: Claim, ttl: float) -> bool:
        def step(row: Row, wall: float) -> tuple[Row | None, bool]:
            kept = row.renew(claim, ttl, wall)
            return kept, kept is not None

        return await self._step(claim.key, step)

    async def keep(self, claim: Claim, session: Session) -> bool:
        def step(row: Row, wall: float) -> tuple[Row | None, bool]:
            kept = row.keep(claim, session)
            return kept, kept is not None

        return await self._step(claim.key, step)

    async def renew_cookies(self, session: Session) -> None:
        def step(row: Row, wall: float) -> tuple[Row | None, None]:
            return row.renew_cookies(session), None

        await self._step(session.key, step)

    async def fail(self, claim: Claim, why: str, code: str, after: float) -> None:
        def step(row: Row, wall: float) -> tuple[Row | None, None]:
            return row.fail(claim, why, code, after, wall), None

        await self._step(claim.key, step)
