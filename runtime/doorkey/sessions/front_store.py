"""Who visits for a machine without a browser: it asks for visits in the store, and waits for what others make."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from doorkey.clock import Clock
from doorkey.errors import DoorkeyError, VisitFailed
from doorkey.model.session import Key
from doorkey.sessions.keeper import Keeper
from doorkey.sessions.source import Target
from doorkey.sessions.store import Backoff, BeginResult, Busy, Claim, Store

log = logging.getLogger("doorkey.store")

WANTED = "visits that are wanted"
LOOK = 0.5
"""Seconds between two looks at the visits that are wanted, and at what has become of one."""
PAUSE = 5.0
"""Seconds for which no visit is asked for after none was made."""
LASTS = 5.0
"""Seconds for which a visit is wanted; who waits for it asks again meanwhile."""


@dataclass(frozen=True, slots=True)
class WantedVisit:
    """A machine without a browser wants a session of *key* newer than generation *seen*, since *at* (wall seconds)."""

    key: Key
    seen: int
    at: float


class FrontStore:
    """The steps of a store by which a visit begins, for a process that makes none.

    Where others would visit, it asks for a visit and reports that somebody else is at it. `limit`: seconds for which
    it asks before it reports that no machine answers.
    """

    def __init__(self, store: Store, clock: Clock, *, limit: float) -> None:
        self._store = store
        self._clock = clock
        self._limit = limit
        self._asked: dict[Key, float] = {}
        """Since when (wall seconds) nobody has taken a wanted visit up."""

    async def begin(self, key: Key, seen: int, ttl: float, *, patient: bool = True) -> BeginResult:
        """As `Store.begin`, but never a claim. That no machine visits for `limit` seconds counts as a failed visit."""
        row, wall = await self._store.row(key), self._clock.wall()
        _, decided = row.begin(key, seen, ttl, wall, patient)
        since = self._asked.get(key, wall)
        if isinstance(decided, Claim) and row.failed_until > wall and row.failed_until - row.failed_for >= since:
            decided = Backoff(row.failed_until - wall, row.why, row.code)  # the visit that was asked for failed
        if not isinstance(decided, Claim):
            self._asked.pop(key, None)
            return decided
        if wall - since > self._limit:
            self._asked.pop(key, None)
            why = (
                f'this machine has no browser (role = "front"), and none that has one visited within {self._limit:.0f} '
                's. Run `doorkey serve` with role = "all", the same sites and the same store there'
            )
            return Backoff(PAUSE, why, VisitFailed.code)
        self._asked[key] = since
        await self._store.share(WANTED, lambda text, wall: (add_wanted(text, WantedVisit(key, seen, wall)), None))
        return Busy(LOOK)

    async def changed(self, key: Key, timeout: float) -> None:
        """As `Store.changed`; while nobody visits it returns after a moment."""
        if (await self._store.row(key)).claim:
            await self._store.changed(key, timeout)
        else:
            await self._clock.sleep(min(timeout, LOOK))


class WantedVisits:
    """Makes the visits that machines without a browser want. *target_of* returns the way into a site, by its name;
    `limit`: seconds that one visit may take.
    """

    def __init__(
        self, store: Store, keeper: Keeper, clock: Clock, target_of: Callable[[str], Target], *, limit: float
    ) -> None:
        self._store = store
        self._keeper = keeper
        self._clock = clock
        self._target_of = target_of
        self._limit = limit
        self._under_way: dict[Key, asyncio.Task[None]] = {}
        self._failure = ""

    async def serve(self) -> None:
        """Look for wanted visits until cancelled."""
        try:
            while True:
                for wanted in await self._take():
                    if wanted.key not in self._under_way:
                        task = asyncio.create_task(self._make(wanted), name=f"visit wanted by others {wanted.key.site}")
                        self._under_way[wanted.key] = task
                        task.add_done_callback(lambda _, key=wanted.key: self._under_way.pop(key, None))  # type: ignore[misc]
                await self._clock.sleep(LOOK)
        finally:
            tasks = list(self._under_way.values())
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _take(self) -> list[WantedVisit]:
        """Take all wanted visits, so that no other machine makes them as well."""

        def take(text: str, wall: float) -> tuple[str | None, list[WantedVisit]]:
            wanted = read_wanted(text, wall)
            return ("" if text else None), wanted

        try:
            wanted = await self._store.share(WANTED, take)
        except DoorkeyError as error:
            if error.message != self._failure:  # said once, not at each look
                log.warning("visits that others want can't be read now: %s", error.message)
            self._failure = error.message
            return []
        if self._failure:
            log.info("visits that others want can be read again")
        self._failure = ""
        return wanted

    async def _make(self, wanted: WantedVisit) -> None:
        try:
            target = self._target_of(wanted.key.site)
            if target.key != wanted.key:
                log.warning(
                    "%s: another machine wants a session for other settings of the site than this machine's: compare "
                    "url, profile and proxy",
                    wanted.key.site,
                )
                return
            deadline = self._clock.now() + self._limit
            await self._keeper.get(target, newer_than=wanted.seen, deadline=deadline)
        except DoorkeyError as error:  # who asked finds it in the store
            log.info("%s: a visit that another machine wanted: %s", wanted.key.site, error.message)


def add_wanted(text: str, wanted: WantedVisit) -> str:
    """The *text* of the visits that are wanted, with one more. It takes the place of an older one of its key."""
    others = [one for one in read_wanted(text, wanted.at) if one.key != wanted.key]
    return json.dumps([{"key": list(one.key), "seen": one.seen, "at": one.at} for one in (*others, wanted)])


def read_wanted(text: str, wall: float) -> list[WantedVisit]:
    """The visits in *text* that are still wanted; none where it can't be read."""
    try:
        found: list[dict[str, Any]] = json.loads(text) if text else []
        wanted = [WantedVisit(Key(*map(str, one["key"])), int(one["seen"]), float(one["at"])) for one in found]
    except (ValueError, TypeError, KeyError):
        return []
    return [one for one in wanted if abs(wall - one.at) <= LASTS]
