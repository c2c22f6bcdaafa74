"""Writes cookies that answers renewed to the store, so that no login is lost with the process."""

from __future__ import annotations

import logging

from doorkey.clock import Clock
from doorkey.errors import DoorkeyError
from doorkey.model.session import Key, Session
from doorkey.sessions.store import Store

log = logging.getLogger("doorkey.keeper")

LATER = 30.0
"""Seconds between two writes for cookies that only last longer. Many sites extend a cookie with each answer."""


class RenewedCookies:
    """One key's renewed cookies are written at once where a value changed, since the site may take no older one."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._written: dict[Key, float] = {}

    async def write(self, before: Session, after: Session) -> None:
        """Write the cookies of *after*, which is *before* with renewed ones. A store that is away only delays it."""
        same = {c.identity: c.value for c in before.cookies} == {c.identity: c.value for c in after.cookies}
        now = self._clock.now()
        if same and now < self._written.get(after.key, float("-inf")) + LATER:
            return
        try:
            await self._store.renew_cookies(after)
        except DoorkeyError as error:
            log.warning("%s: renewed cookies were not stored: %s", after.key.site, error.message)
        else:
            self._written[after.key] = now
