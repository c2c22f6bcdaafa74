"""Notices that a site ends each new login soon: maybe somebody else logs in again and again with the same account."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field

from doorkey.clock import Clock
from doorkey.errors import NeedsPerson
from doorkey.model.session import Key
from doorkey.shared_notes import SharedNotes, SharedTexts

log = logging.getLogger("doorkey.notes")

YOUNG = 120.0
"""Seconds after its beginning within which a session dies young."""
SPAN = 600.0
MOST = 4
"""Sessions that worked and died young within `SPAN` seconds, after which nobody logs in for a while."""
REST = 300.0
"""Seconds for which nobody logs in then."""


@dataclass(frozen=True, slots=True)
class YoungDeaths:
    """The wall times at which young sessions of one key died, by their generations. `SPAN` is all that is kept."""

    times: Mapping[int, float] = field(default_factory=dict)

    def note(self, gen: int, wall: float) -> YoungDeaths:
        """The session *gen* died young. Of one that several processes saw die, the first news counts."""
        if gen in self.times:
            return self
        return YoungDeaths({**{gen: at for gen, at in self.times.items() if at > wall - SPAN}, gen: wall})

    def rest_left(self, wall: float) -> float:
        """Seconds for which nobody should log in; 0 while logins last."""
        last = max(self.times.values(), default=0.0)
        recent = [at for at in self.times.values() if at > last - SPAN]
        return max(0.0, last + REST - wall) if len(recent) >= MOST else 0.0


class YoungDeathsText:
    """How `YoungDeaths` lie in the store."""

    empty = YoungDeaths()

    def write(self, value: YoungDeaths) -> str:
        return json.dumps({str(gen): at for gen, at in value.times.items()})

    def read(self, text: str, wall: float) -> YoungDeaths:
        """The deaths in *text*; none of them lies ahead, whatever a wrong clock wrote."""
        try:
            return YoungDeaths({int(gen): min(float(at), wall) for gen, at in json.loads(text).items()})
        except (ValueError, TypeError, AttributeError) as error:
            log.warning("the ends of logins can't be read (%s): they are counted anew", type(error).__name__)
            return self.empty


class LoginWars:
    """The deaths of young sessions by key. *texts*: where the processes of a store share them."""

    def __init__(self, clock: Clock, texts: SharedTexts | None = None) -> None:
        self.notes: SharedNotes[YoungDeaths] = SharedNotes("login war", YoungDeathsText(), clock, texts)

    def note(self, key: Key, gen: int, age: float) -> NeedsPerson | None:
        """The login *gen*, which had worked, was ended after *age* seconds; the error once that is too often."""
        if age >= YOUNG:
            return None
        self.notes.change(key, lambda deaths, wall: deaths.note(gen, wall))
        return self._explain(key)

    async def find(self, key: Key) -> NeedsPerson | None:
        """The error for who would log in now, with what other processes have seen; None while logins last."""
        await self.notes.refresh(key)
        return self._explain(key)

    async def close(self) -> None:
        await self.notes.close()

    def _explain(self, key: Key) -> NeedsPerson | None:
        deaths = self.notes.get(key)
        left = deaths.rest_left(self.notes.time)
        if not left:
            return None
        error = NeedsPerson(
            f"{key.site}: the site has ended {len(deaths.times)} logins within {SPAN / 60:.0f} minutes, each soon "
            "after it had worked. Perhaps another program or person logs in with the same account, and the site "
            f"allows one session. Nobody logs in for {REST / 60:.0f} minutes: stop the other one, or give doorkey an "
            "account of its own",
            site=key.site,
        )
        error.retry_after = left
        return error
