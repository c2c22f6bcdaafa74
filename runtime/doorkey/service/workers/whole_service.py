"""What the workers of a service know together: each publishes a report, and reads those of the others."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cache
from typing import TYPE_CHECKING

from aiohttp import web

from doorkey.browser.running_browser import PoolStatus
from doorkey.clock import Clock
from doorkey.service.dashboard.history import History, HistoryState
from doorkey.service.metrics import MetricsState, ServiceMetrics
from doorkey.service.workers.merged_status import grow_older, merge_statuses
from doorkey.service.workers.place import Place
from doorkey.status import SiteStatus

if TYPE_CHECKING:
    from pydantic import TypeAdapter

    from doorkey.runtime import Runtime

OFTEN = 1.0
"""Seconds between two reports of a worker at the least."""
SELDOM = 5.0
"""Seconds after which a worker reports although nothing happened: ages grow."""
ANSWERING = 0.25
"""Seconds that the other workers have for a report that is asked for."""
ASKED, PUBLISHED, LINE = b"?", b"!", b"="
"""What a worker tells another: a report is asked for; there is a new one; a line into a live view is asked for."""
LATEST = 15.0
"""Seconds after which a report no longer tells how its worker is: it was killed. Its counts still hold."""


@dataclass(frozen=True, slots=True)
class Need:
    """A visit that waits for a person: the id of its live view, its site, the reason, and since when (wall time)."""

    id: str = field(repr=False)
    site: str
    why: str
    asked: float


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerReport:
    """What one worker publishes. `at` is the clock's `now`, `watched` the pages of the dashboard that it keeps live."""

    at: float
    pid: int
    sites: list[SiteStatus]
    metrics: MetricsState
    history: HistoryState
    browsers: PoolStatus
    watched: int
    needs: list[Need]


@cache
def _adapter() -> TypeAdapter[WorkerReport]:
    from pydantic import TypeAdapter  # reports are written where there are several workers only

    return TypeAdapter(WorkerReport)


@dataclass(slots=True)
class WholeService:
    """What the dashboard, `/metrics` and `/api/sites` tell: this worker's part, and what the others have published."""

    place: Place
    runtime: Runtime
    metrics: ServiceMetrics
    history: History
    clock: Clock
    _made_before: Mapping[str, SiteStatus] = field(default_factory=dict)
    on_line: Callable[[bytes, socket.socket], None] | None = None
    """Called with what a line into a live view is asked for by, and this worker's end of it."""
    _read: dict[int, tuple[int, WorkerReport | None]] = field(default_factory=dict)
    _published: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        before = self._read_report(self.place.number)
        if before is not None:  # this worker takes the place of one that died
            self.metrics.take(before.metrics)
            self.history.take(before.history)
            self._made_before = {site.name: site for site in before.sites}

    async def publish(self, _: web.Application) -> AsyncIterator[None]:
        """Publish reports until the service ends (aiohttp's `cleanup_ctx`)."""
        if self.place.is_alone:
            yield
            return
        mailbox = self.place.memory.mailboxes[self.place.number]
        mailbox.open(self._take)
        self.runtime.pool.handovers.on_change.append(self._publish_now)
        task = asyncio.create_task(self._publish())
        yield
        mailbox.close()
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    async def known(self) -> list[SiteStatus]:
        """Return the states of the sites as they are now: the store is read, and then the other workers are asked."""
        here = await self.runtime.known()
        await self.ask_others()
        return self.sites(here)

    async def ask_others(self) -> None:
        """Let the other workers publish how they are. One that hangs, or has died, is not waited for for long."""
        asked = {number: self.place.memory.reports[number].version for number in self._others_alive()}
        for number in asked:
            self.place.memory.mailboxes[number].post(ASKED)
        with suppress(TimeoutError):
            async with asyncio.timeout(ANSWERING):
                while any(self.place.memory.reports[number].version == before for number, before in asked.items()):
                    self._published.clear()
                    await self._published.wait()

    def ask_for_line(self, worker: int, asked: bytes, connection: socket.socket) -> bool:
        """Give *worker* its end of a line into a live view. Return whether it takes messages."""
        return self.place.memory.mailboxes[worker].post(LINE + asked, connection)

    def needs(self) -> list[tuple[int, Need]]:
        """Return the visits of all workers that wait for a person, each with its worker; the oldest first."""
        found = [(self.place.number, need) for need in self._needs()]
        for number in self._others_alive():
            report = self._read_report(number)
            found += [(number, need) for need in report.needs] if report is not None else []
        return sorted(found, key=lambda each: each[1].asked)

    def sites(self, here: Sequence[SiteStatus]) -> list[SiteStatus]:
        """Return *here*, the states of sites in this worker, merged with those in the others."""
        if self.place.is_alone:
            return list(here)
        found: dict[str, list[SiteStatus]] = {site.name: [site] for site in self._count_before(here)}
        for report in self._others(alive=True):
            late = self.clock.now() - report.at
            for site in report.sites:
                if site.name in found:
                    found[site.name].append(grow_older(site, late, found[site.name][0]))
        return [merge_statuses(each) for each in found.values()]

    def whole_history(self) -> History:
        """Return what all workers remember."""
        if self.place.is_alone:
            return self.history
        whole = History(self.clock)
        for state in (self.history.state(), *(report.history for report in self._others())):
            whole.take(state)
        return whole

    def whole_metrics(self) -> ServiceMetrics:
        """Return the counts of all workers, and the sums of their gauges."""
        if self.place.is_alone:
            return self.metrics
        whole, sums = ServiceMetrics(), dict(self.metrics.state().gauges)
        whole.take(self.metrics.state())
        for report in self._others():
            whole.take(report.metrics)
        for report in self._others(alive=True):
            for name, value in report.metrics.gauges.items():
                sums[name] = sums.get(name, 0.0) + value
        whole.gauges.append(lambda: sums)
        return whole

    def pool(self) -> PoolStatus:
        """Return how the browsers of all workers are."""
        pools = [self.runtime.pool.status(), *(report.browsers for report in self._others(alive=True))]
        return PoolStatus(
            contexts=sum(pool.contexts for pool in pools),
            leases=sum(pool.leases for pool in pools),
            launches=sum(pool.launches for pool in pools),
            browsers=tuple(browser for pool in pools for browser in pool.browsers),
        )

    @property
    def watched(self) -> int:
        """How many pages of the dashboard are live."""
        return self.history.watched + sum(report.watched for report in self._others(alive=True))

    @property
    def processes(self) -> dict[str, int]:
        """The pids of the workers, by their numbers from 1; without numbers where there is only one."""
        if self.place.is_alone:
            return {"": os.getpid()}
        reports = {number: self._read_report(number) for number in range(len(self.place.memory.reports))}
        pids = {
            number: report.pid for number, report in reports.items() if report is not None and self._is_alive(report)
        }
        return {str(number + 1): pid for number, pid in sorted({**pids, self.place.number: os.getpid()}.items())}

    async def _publish(self) -> None:
        published, told, seen = -SELDOM, -1, 0
        while True:
            if self.history.changes != told or self.clock.now() - published >= SELDOM:
                published, told = self.clock.now(), self.history.changes
                self._write(self._report())
            version = sum(text.version for text in self.place.others)
            if version != seen:
                seen = version
                self.history.notify()
            await self.clock.sleep(OFTEN)

    def _publish_now(self) -> None:
        self._write(self._report())
        for number in self._others_alive():
            self.place.memory.mailboxes[number].post(PUBLISHED)

    def _take(self, message: bytes, connection: socket.socket | None) -> None:
        """Take what another worker tells."""
        if connection is not None:
            if self.on_line is None:
                connection.close()
            else:
                self.on_line(message.removeprefix(LINE), connection)
        elif message == ASKED:
            self._publish_now()
        else:
            self._published.set()

    def _needs(self) -> list[Need]:
        return [Need(each.id, each.site, each.why, each.asked) for each in self.runtime.pool.handovers.list()]

    def _report(self) -> WorkerReport:
        return WorkerReport(
            at=self.clock.now(),
            pid=os.getpid(),
            sites=self._count_before(self.runtime.status()),
            metrics=self.metrics.state(),
            history=self.history.state(),
            browsers=self.runtime.pool.status(),
            watched=self.history.watched,
            needs=self._needs(),
        )

    def _write(self, report: WorkerReport) -> None:
        """Publish *report*. If it is too long, the oldest half of the history and half of the sites are left out."""
        while True:
            try:
                return self.place.report.write(_adapter().dump_json(report).decode())
            except ValueError:
                if not report.sites and not report.history.minutes:
                    raise
                records, minutes = report.history.records, report.history.minutes
                history = HistoryState(records[len(records) // 2 + 1 :], minutes[len(minutes) // 2 + 1 :])
                report = replace(report, history=history, sites=report.sites[: len(report.sites) // 2])

    def _count_before(self, sites: Iterable[SiteStatus]) -> list[SiteStatus]:
        """Add to *sites* what the worker counted whose place this one took."""
        return [
            site
            if (before := self._made_before.get(site.name)) is None
            else replace(site, visits=site.visits + before.visits, checks=site.checks + before.checks)
            for site in sites
        ]

    def _others(self, *, alive: bool = False) -> list[WorkerReport]:
        reports = [report for number in self._other_numbers() if (report := self._read_report(number)) is not None]
        return [report for report in reports if self._is_alive(report)] if alive else reports

    def _other_numbers(self) -> list[int]:
        return [number for number in range(len(self.place.memory.reports)) if number != self.place.number]

    def _others_alive(self) -> list[int]:
        reports = {number: self._read_report(number) for number in self._other_numbers()}
        return [number for number, report in reports.items() if report is not None and self._is_alive(report)]

    def _is_alive(self, report: WorkerReport) -> bool:
        return self.clock.now() - report.at < LATEST

    def _read_report(self, number: int) -> WorkerReport | None:
        text = self.place.memory.reports[number]
        version, report = self._read.get(number, (0, None))
        if text.version != version:
            report = _adapter().validate_json(text.read())
            self._read[number] = (text.version, report)
        return report
