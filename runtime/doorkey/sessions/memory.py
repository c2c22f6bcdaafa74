"""Sessions in this process only."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from typing import TypeVar

from doorkey.clock import Clock
from doorkey.model.session import Key, Session
from doorkey.sessions.store import BeginResult, Claim, Row

T = TypeVar("T")
ROWS = 1024
"""Keys kept: callers may pass as many different cookies as they like, each with sessions of their own."""


class MemoryStore:
    """Forgets the rows that were not written for longest when there are too many."""

    trouble = ""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._rows: OrderedDict[Key, Row] = OrderedDict()
        self._learned: OrderedDict[Key, str] = OrderedDict()
        self._shared: OrderedDict[str, str] = OrderedDict()
        self._notices: dict[Key, asyncio.Event] = {}

    async def begin(self, key: Key, seen: int, ttl: float, *, patient: bool = True) -> BeginResult:
        row, result = self._row(key).begin(key, seen, ttl, self._clock.wall(), patient)
        self._put(key, row)
        return result

    async def renew(self, claim: Claim, ttl: float) -> bool:
        row = self._row(claim.key).renew(claim, ttl, self._clock.wall())
        if row is not None:
            self._put(claim.key, row)
        return row is not None

    async def commit(self, claim: Claim, session: Session) -> Session | None:
        done = self._row(claim.key).commit(claim, session, self._clock.wall())
        if done is None:
            return None
        self._put(claim.key, done[0])
        self._ring(claim.key)
        return done[1]

    async def keep(self, claim: Claim, session: Session) -> bool:
        row = self._row(claim.key).keep(claim, session)
        if row is not None:
            self._put(claim.key, row)
        return row is not None

    async def renew_cookies(self, session: Session) -> None:
        row = self._row(session.key).renew_cookies(session)
        if row is not None:
            self._put(session.key, row)

    async def fail(self, claim: Claim, why: str, code: str, after: float) -> None:
        row = self._row(claim.key).fail(claim, why, code, after, self._clock.wall())
        if row is not None:
            self._put(claim.key, row)
            self._ring(claim.key)

    async def row(self, key: Key) -> Row:
        return self._row(key)

    async def changed(self, key: Key, timeout: float) -> None:
        notice = self._notices.setdefault(key, asyncio.Event())
        try:
            async with asyncio.timeout(timeout):
                await notice.wait()
        except TimeoutError:
            return

    async def learned(self, key: Key) -> str:
        return self._learned.get(key, "")

    async def learn(self, key: Key, merge: Callable[[str], str]) -> str:
        text = self._learned[key] = merge(self._learned.get(key, ""))
        self._learned.move_to_end(key)
        while len(self._learned) > ROWS:
            self._learned.popitem(last=False)
        return text

    async def share(self, name: str, step: Callable[[str, float], tuple[str | None, T]]) -> T:
        text, result = step(self._shared.get(name, ""), self._clock.wall())
        if text is not None:
            self._shared[name] = text
            self._shared.move_to_end(name)
            while len(self._shared) > ROWS:
                self._shared.popitem(last=False)
        return result

    async def close(self) -> None:
        self._rows.clear()

    def _row(self, key: Key) -> Row:
        return self._rows.get(key) or Row()

    def _put(self, key: Key, row: Row) -> None:
        self._rows[key] = row
        self._rows.move_to_end(key)
        while len(self._rows) > ROWS:
            self._rows.popitem(last=False)

    def _ring(self, key: Key) -> None:
        notice = self._notices.pop(key, None)
        if notice is not None:
            notice.set()
