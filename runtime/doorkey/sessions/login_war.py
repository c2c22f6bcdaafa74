"""Notices that a site ends each new login soon: maybe somebody else logs in again and again with the same account."""

from __future__ import annotations

from doorkey.errors import NeedsPerson
from doorkey.model.session import Key

YOUNG = 120.0
"""Seconds after its beginning within which a session dies young."""
SPAN = 600.0
MOST = 4
"""Sessions that worked and died young within `SPAN` seconds, after which nobody logs in for a while."""
REST = 300.0
"""Seconds for which nobody logs in then."""


class LoginWars:
    """The deaths of young sessions by key, each at the clock's `now`."""

    def __init__(self) -> None:
        self._deaths: dict[Key, list[float]] = {}

    def note(self, key: Key, age: float, now: float) -> NeedsPerson | None:
        """A login that had worked was ended after *age* seconds; the error for callers once that is too often."""
        if age >= YOUNG:
            return None
        deaths = self._deaths[key] = [death for death in self._deaths.get(key, ()) if death > now - SPAN] + [now]
        if len(deaths) < MOST:
            return None
        error = NeedsPerson(
            f"{key.site}: the site has ended {len(deaths)} logins within {SPAN / 60:.0f} minutes, each soon after it "
            "had worked. Perhaps another program or person logs in with the same account, and the site allows one "
            f"session. Nobody logs in for {REST / 60:.0f} minutes: stop the other one, or give doorkey an account of "
            "its own",
            site=key.site,
        )
        error.retry_after = REST
        return error
