"""How a site stands, in words and numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from doorkey.assembly import Assembly
from doorkey.clock import Clock
from doorkey.errors import NeedsPerson, Unavailable
from doorkey.model.overrides import key_of
from doorkey.model.session import Key
from doorkey.model.site import Site
from doorkey.rate.limiter import RateStatus
from doorkey.sessions.key_state import KeyState
from doorkey.sessions.store import Row, Store

State = Literal["none", "fresh", "stale", "visiting", "pausing", "open", "needs person", "paused"]


ORIGINS = {
    "token endpoint": "from the site's token endpoint",
    "direct": "from the page, by plain HTTP",
    "login request": "from a login by request",
    "browser": "from a browser",
    "browser past the cache": "from a browser, past a page cache",
    "a person": "from a login by hand",
    "imported": "from a file",
    "logged out": "logged out",
}
"""How a session was made, in words; by the name that the session keeps."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteStatus:
    """How a site stands. Ages and pauses are seconds; `gen` is -1 before the first session.

    `state`: "open" where the site refused several new sessions in a row before they ever worked. Visits go on at
    growing pauses; a session that works closes it. "paused": a person wants no requests there.
    `transport`: what carries its requests now, "direct" or "page".
    `rungs`: how often each way of entering or renewing made a session, over all processes that share the store.
    `waits`: what a visit under way waits for, empty if for nothing but the site.
    `waiting`: calls that wait, for a visit or for their turn; `pace` tells of the turns, None without limits.
    `checks`: how many session checks this process made; `noticed`: how well a dead session would be noticed.
    `robots`: what the site's robots.txt says of its page, once that was read.
    `store`: why new sessions stay in this process's memory, or that the store is away; empty while all is well.
    """

    name: str
    provider: str
    url: str
    state: State
    gen: int = -1
    age: float | None = None
    rung: str = ""
    rungs: Mapping[str, int] = field(default_factory=dict)
    transport: str = "direct"
    last_error: str = ""
    retry_after: float | None = None
    visits: int = 0
    used: int = 0
    waits: str = ""
    waiting: int = 0
    pace: RateStatus | None = None
    robots: str = ""
    checks: int = 0
    noticed: str = ""
    store: str = ""


def status_of(
    site: Site,
    provider: str,
    key_state: KeyState,
    stored: Row,
    clock: Clock,
    transport: str = "direct",
    pace: RateStatus | None = None,
    robots: str = "",
    *,
    checks: int = 0,
    noticed: str = "",
    store: str = "",
    paused: bool = False,
) -> SiteStatus:
    """The status of *site* from what the keeper knows, or else of what the store remembers."""
    session = key_state.current or stored.session
    here = key_state.current is not None or key_state.pause.why is not None
    pause = key_state.pause.until - clock.now() if here else min(stored.failed_until - clock.wall(), stored.failed_for)
    age = clock.wall() - session.born if session else None
    state: State = "none"
    if paused:
        state = "paused"
    elif key_state.flight is not None:
        state = "visiting"
    elif isinstance(key_state.pause.why, NeedsPerson) or (not here and stored.code == NeedsPerson.code):
        state = "needs person"
    elif key_state.is_open:
        state = "open"
    elif pause > 0:
        state = "pausing"
    elif session is not None and age is not None:
        state = "fresh" if session.gen > key_state.refused and age < session.hard else "stale"
    return SiteStatus(
        name=site.name,
        provider=provider,
        url=site.url,
        state=state,
        gen=session.gen if session else -1,
        age=age,
        rung=session.rung if session else "",
        rungs=dict(session.rungs) if session else {},
        transport=transport,
        last_error=key_state.pause.why.message if key_state.pause.why else "" if here else stored.why,
        retry_after=pause if pause > 0 else None,
        visits=key_state.visits,
        used=key_state.budget.used,
        waits=key_state.waits,
        waiting=key_state.callers + (len(pace.queue) if pace else 0),
        pace=pace,
        robots=robots,
        checks=checks,
        noticed=noticed,
        store=store,
    )


def read_status(site: Site, provider: str, parts: Assembly, stored: Row) -> SiteStatus:
    """The status of a configured site, by the parts of this process and the row that the store has for it."""
    key = key_of(site)
    checks, noticed = parts.checks.status(key)
    return status_of(
        site,
        provider,
        parts.keeper.states[key],
        stored,
        parts.clock,
        parts.selector.name(site, key),
        parts.keeper.limiters.status(key),
        parts.robots.describe(site),
        checks=checks,
        noticed=noticed,
        store=parts.store.trouble,
        paused=site.name in parts.paused,
    )


async def stored_row(store: Store, key: Key) -> Row:
    """What *store* holds for *key*; an empty row while it is away, which `Store.trouble` tells then."""
    try:
        return await store.row(key)
    except Unavailable:
        return Row()
