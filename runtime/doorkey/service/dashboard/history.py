"""What the service did lately: its last requests, and each site's calls, refusals and visits by the minute."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple

from doorkey.clock import Clock
from doorkey.model.events import CallRecord, Event, VisitEvent, VisitRecord
from doorkey.rate.limiter import CALLER

REQUESTS = 100
"""How many requests are remembered."""
MINUTES = 60
"""For how many minutes calls, refusals and visits are counted."""
MOST_CALLS = 8
"""The most calls of one request that are remembered: an alias may try several sites."""
MOST_SITES = 1000
CHECKS = 2
"""How many reports of suspect answers and session checks are remembered of each site."""
SKIPPED = ("/healthz", "/readyz", "/metrics")
"""Routes whose requests are not remembered, besides the dashboard's own: they come all the time."""


class RequestRecord(NamedTuple):
    """One request to the service that has ended. `at` is the wall time of its end, `took` seconds.

    `status` is 0 if the client left. `key` is the name of a key of limited rights. `calls` are the calls to sites that
    were made for it.
    """

    at: float
    id: str
    method: str
    route: str
    status: int
    site: str
    took: float
    key: str
    calls: tuple[CallRecord, ...]


@dataclass(slots=True)
class Counts:
    """What happened at one site in one minute. `failures` are visits that made no session."""

    calls: int = 0
    refusals: int = 0
    visits: int = 0
    failures: int = 0


@dataclass(slots=True)
class SiteHistory:
    """What was reported of one site: the last session checks, and the last step of a visit."""

    checks: deque[VisitEvent] = field(default_factory=lambda: deque(maxlen=CHECKS))
    step: VisitEvent | None = None


@dataclass(frozen=True, slots=True)
class HistoryState:
    """All that a history remembers, to be taken over by another one."""

    records: tuple[RequestRecord, ...] = ()
    minutes: tuple[tuple[int, dict[str, Counts]], ...] = ()
    checks: dict[str, tuple[VisitEvent, ...]] = field(default_factory=dict)
    steps: dict[str, VisitEvent] = field(default_factory=dict)


class History:
    """Remembers a bounded number of requests, minutes and reports. It holds no secrets: no path, body or header."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.requests: deque[RequestRecord] = deque(maxlen=REQUESTS)
        self._minutes: deque[tuple[int, dict[str, Counts]]] = deque(maxlen=MINUTES)
        self._sites: dict[str, SiteHistory] = {}
        self._under_way: dict[str, list[CallRecord]] = {}
        self._watchers: set[asyncio.Event] = set()
        self.changes = 0
        """How much has happened so far."""

    @property
    def watched(self) -> int:
        """How many watch now."""
        return len(self._watchers)

    @contextmanager
    def watch(self) -> Iterator[asyncio.Event]:
        """Yield an event that is set with each change."""
        changed = asyncio.Event()
        self._watchers.add(changed)
        try:
            yield changed
        finally:
            self._watchers.discard(changed)

    def begin(self, id_: str) -> None:
        """A request begins: the calls that are made for it are collected."""
        self._under_way[id_] = []

    def end(self, id_: str, *, method: str, route: str, status: int, site: str, took: float, key: str) -> None:
        """The request has ended."""
        calls = self._under_way.pop(id_, ())
        if route in SKIPPED or route == "/" or route.startswith("/dashboard/"):
            return
        self.requests.append(
            RequestRecord(
                at=self._clock.wall(),
                id=id_,
                method=method[:20],
                route=route,
                status=status,
                site=site or (calls[-1].site if calls else ""),
                took=took,
                key=key,
                calls=tuple(calls),
            )
        )
        self.changes += 1
        for changed in self._watchers:
            changed.set()

    def on_event(self, event: Event) -> None:
        """Take a record of the runtime (a hook of `Events`)."""
        match event:
            case CallRecord():
                counts = self._count(event.site)
                counts.calls += 1
                for attempt in event.attempts:
                    counts.refusals += attempt.verdict != "ok"
                collected = self._under_way.get(CALLER.get())
                if collected is not None and len(collected) < MOST_CALLS:
                    collected.append(event)
            case VisitRecord():
                counts = self._count(event.site)
                counts.visits += 1
                counts.failures += bool(event.error)
            case VisitEvent(step="check"):
                self._site(event.site).checks.append(event)
            case VisitEvent():
                self._site(event.site).step = event
        self.changes += 1
        for changed in self._watchers:
            changed.set()

    def site(self, name: str) -> SiteHistory:
        """Return what was reported of a site."""
        return self._sites.get(name, SiteHistory())

    def minutes(self, name: str) -> list[Counts]:
        """Return the counts of a site for each of the last MINUTES minutes, the present one last."""
        now = int(self._clock.now() // 60)
        known: Mapping[int, Counts] = {at: sites[name] for at, sites in self._minutes if name in sites}
        return [known.get(at, Counts()) for at in range(now - MINUTES + 1, now + 1)]

    def _count(self, site: str) -> Counts:
        now = int(self._clock.now() // 60)
        if not self._minutes or self._minutes[-1][0] != now:
            self._minutes.append((now, {}))
        sites = self._minutes[-1][1]
        return sites.setdefault(site, Counts()) if len(sites) < MOST_SITES else sites.get(site, Counts())

    def _site(self, name: str) -> SiteHistory:
        if name not in self._sites:
            while len(self._sites) >= MOST_SITES:
                del self._sites[next(iter(self._sites))]
            self._sites[name] = SiteHistory()
        return self._sites[name]

    def state(self) -> HistoryState:
        """Return all that is remembered."""
        return HistoryState(
            tuple(self.requests),
            tuple(self._minutes),
            {name: tuple(site.checks) for name, site in self._sites.items() if site.checks},
            {name: site.step for name, site in self._sites.items() if site.step is not None},
        )

    def take(self, state: HistoryState) -> None:
        """Add what another history remembers."""
        records = sorted([*self.requests, *state.records], key=lambda record: record.at)
        self.requests = deque(records, maxlen=REQUESTS)
        minutes = dict(self._minutes)
        for at, sites in state.minutes:
            known = minutes.setdefault(at, {})
            for name, counts in sites.items():
                known[name] = _add(known.get(name, Counts()), counts)
        self._minutes = deque(sorted(minutes.items()), maxlen=MINUTES)
        for name, checks in state.checks.items():
            site = self._site(name)
            site.checks = deque(sorted([*site.checks, *checks], key=lambda event: event.at), maxlen=CHECKS)
        for name, step in state.steps.items():
            site = self._site(name)
            site.step = step if site.step is None or site.step.at < step.at else site.step

    def tell(self) -> None:
        """Tell those who watch that something has changed."""
        self.changes += 1
        self.notify()

    def notify(self) -> None:
        """Tell those who watch that something has changed, here or in another process."""
        for changed in self._watchers:
            changed.set()


def _add(one: Counts, other: Counts) -> Counts:
    return Counts(
        one.calls + other.calls,
        one.refusals + other.refusals,
        one.visits + other.visits,
        one.failures + other.failures,
    )
