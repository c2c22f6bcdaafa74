"""Writes the reports of one process: of visits that failed, and of calls that were refused."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

from doorkey.clock import Clock
from doorkey.errors import ConfigurationError, DoorkeyError, MissingToken, QueueFull, RequestError
from doorkey.model.events import CallRecord, SiteEvents, VisitEvent
from doorkey.model.evidence import VisitEvidence
from doorkey.model.inspection import RecordingKind
from doorkey.model.page import Page
from doorkey.model.session import Session
from doorkey.provider import Provider
from doorkey.reports.archive import MOST_CALLS, Archive
from doorkey.reports.clues import Failure
from doorkey.reports.making import VisitMaterial, list_values, make_call_report, make_visit, read_facts
from doorkey.reports.recordings import Recording, TraceWhen, has_failed, keep_recording, number_name
from doorkey.reports.report import Report

T = TypeVar("T")
log = logging.getLogger("doorkey.reports")
AGAIN = 60.0
"""Seconds in which calls that fail in the same way get one report."""
GOOD_AGAIN = 3600.0
"""Seconds after which a visit that works is remembered anew."""
CLOSING = 30.0
"""Seconds for what is still written at the end. A window that was never closed leaves no recording."""
MOST_STEPS = 200
MOST_SHAPES = 1000
UNTOLD = (RequestError, ConfigurationError, QueueFull)
"""Errors that say all there is to say: nothing at the site has failed."""


class Recorder:
    """*secrets* returns what doorkey's own settings hold."""

    def __init__(
        self,
        archive: Archive,
        clock: Clock,
        secrets: Callable[[], Iterable[str]] = tuple,
        *,
        trace: TraceWhen = "never",
    ) -> None:
        self.archive, self._clock, self._secrets, self.trace = archive, clock, secrets, trace
        self._tasks: set[asyncio.Task[Any]] = set()
        self._shapes: dict[tuple[str, str, str], tuple[float, asyncio.Task[str | None]]] = {}
        self._calls: deque[tuple[str, str]] = deque(maxlen=MOST_CALLS)
        self._remembering: asyncio.Task[None] | None = None
        self._version = version("doorkey")
        self.wanted: set[str] = set()
        """The sites whose next visit gets a report, whether it works or not."""

    def of(self, site: str, provider: Provider, events: SiteEvents) -> SiteRecorder:
        """The reports of one site's sessions."""
        return SiteRecorder(self, site, provider, events)

    async def close(self) -> None:
        """Wait for what is being written."""
        until = self._clock.now() + CLOSING
        while self._tasks:  # what ends may begin more
            _, late = await asyncio.wait(self._tasks, timeout=max(0.0, until - self._clock.now()))
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def write_visit(self, material: VisitMaterial) -> Report | None:
        """Write a visit's report and return it; None if it can't be written."""
        picture = material.evidence.picture if material.evidence is not None else b""

        def write() -> Report:
            good = self.archive.read_good(material.failure.site)
            return self.archive.write(*make_visit(replace(material, good=good)), picture)

        return await self._try(write)

    def keep(self, recordings: Sequence[Recording], report: Report | None) -> None:
        """Move *recordings* to *report* when they are written; without one, delete them."""
        for number, recording in enumerate(recordings, 1):
            self.spawn(self._guard(keep_recording(self.archive, recording, number, report)))

    async def report_call(self, record: CallRecord, failure: Failure, request: str, secrets: Iterable[str]) -> str:
        """Return the id of the call's report. Calls that fail alike within AGAIN share the first one's."""
        last = record.attempts[-1] if record.attempts else None
        shape = failure.site, failure.code, f"{last.what} {last.status}" if last else ""
        until, task = self._shapes.get(shape, (0.0, None))
        if task is None or self._clock.now() >= until:
            known = (*secrets, *self._secrets())

            def write() -> str:
                made = make_call_report(record, failure, version=self._version, secrets=known, request=request)
                return self.archive.write(made).id

            while len(self._shapes) >= MOST_SHAPES:
                del self._shapes[next(iter(self._shapes))]
            task = self.spawn(self._try(write))
            self._shapes[shape] = self._clock.now() + AGAIN, task
        # Shielded: the caller who leaves must not cancel what the others wait for.
        report = await asyncio.shield(task) or ""
        self.remember_call(request, report)
        return report

    def remember_call(self, request: str, report: str) -> None:
        """Remember that the call with the id *request* ended with *report*."""
        if request and report:
            self._calls.append((request, report))
            if self._remembering is None or self._remembering.done():
                self._remembering = self.spawn(self._write_calls())

    async def _write_calls(self) -> None:
        while self._calls:
            calls = [self._calls.popleft() for _ in range(len(self._calls))]

            def write(calls: list[tuple[str, str]] = calls) -> None:
                self.archive.remember_calls(calls)

            await self._try(write)

    def remember_good(self, failure: Failure, page: Page, status: int) -> None:
        """Remember a visit that worked, behind what goes on. *failure* names the rules of the site."""

        def write() -> None:
            facts = read_facts(page, failure, at=self._clock.wall(), status=status)
            self.archive.remember_good(failure.site, facts)

        self.spawn(self._try(write))

    def material(
        self,
        failure: Failure,
        evidence: VisitEvidence | None,
        trail: Iterable[VisitEvent],
        secrets: Iterable[str],
    ) -> VisitMaterial:
        return VisitMaterial(
            failure=failure,
            at=self._clock.wall(),
            version=self._version,
            evidence=evidence,
            trail=tuple(trail),
            secrets=(*secrets, *self._secrets()),
        )

    def now(self) -> float:
        return self._clock.now()

    def spawn(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _try(self, write: Callable[[], T]) -> T | None:
        return await self._guard(asyncio.to_thread(write))

    async def _guard(self, work: Awaitable[T]) -> T | None:
        try:
            return await work
        except OSError as error:
            log.warning("a report can't be written: %s", error.strerror or error)
        except Exception:
            # A rim: a page that no parser likes must not replace the error that the report tells of.
            log.exception("a report can't be made")
        return None


class SiteRecorder:
    """The reports of one key's visits and calls. `events` are the site's, with a trail for the visit's timeline."""

    def __init__(self, recorder: Recorder, site: str, provider: Provider, events: SiteEvents) -> None:
        self._recorder, self._site, self._provider = recorder, site, provider
        self._trail: deque[VisitEvent] = deque(maxlen=MOST_STEPS)
        self.events = SiteEvents(events.events, events.site, self._trail)
        self._evidence: VisitEvidence | None = None
        self._recordings: list[Recording] = []
        self._sessions: tuple[Session | None, ...] = ()
        self._good_at = float("-inf")

    @property
    def wanted(self) -> bool:
        """Whether the next visit gets a report in any case."""
        return self._site in self._recorder.wanted

    def want(self) -> None:
        """Write a report of the next visit in any case."""
        self._recorder.wanted.add(self._site)

    @property
    def secrets(self) -> tuple[str, ...]:
        """The values of the sessions that the visit began with."""
        return tuple(value for session in self._sessions if session is not None for value in list_values(session))

    def begin(self, *sessions: Session | None) -> None:
        """A renewal begins, with what *sessions* hold."""
        self._trail.clear()
        self._evidence = None
        if self._recordings:
            self._recorder.keep(self._take_recordings(), None)
        self._sessions = sessions

    def note(self, evidence: VisitEvidence | None) -> None:
        """Keep what a visit of this renewal found at its end."""
        self._evidence = evidence or self._evidence

    async def prepare(self, recordings: frozenset[RecordingKind]) -> tuple[frozenset[RecordingKind], Path | None]:
        """Return what to record of a visit that was asked for *recordings*, and a folder for it."""
        if self._recorder.trace != "never" and await asyncio.to_thread(has_failed, self._recorder.archive, self._site):
            recordings |= {"trace"}
        return recordings, await asyncio.to_thread(self._recorder.archive.make_folder) if recordings else None

    def note_recording(self, recording: Recording) -> None:
        """Keep with this renewal's report what is recorded of one of its visits."""
        self._recordings.append(recording)

    async def fail(self, error: DoorkeyError) -> None:
        """Write the report of a renewal that ended with *error*, which is made to name it."""
        if isinstance(error, UNTOLD) or error.report:
            self.begin()
            return
        material, recordings = self._material(error, self.secrets), self._take_recordings()
        self.begin()
        self._good_at = float("-inf")
        report = await self._recorder.write_visit(material)
        self._recorder.keep(recordings, report)
        if report is not None:
            error.message = report.message  # a page may have said a secret that the message repeats
            name_report(error, report.id)

    async def succeed(self, session: Session) -> None:
        """A renewal worked: write its report where one is wanted."""
        if self._site in self._recorder.wanted:
            self._recorder.wanted.discard(self._site)
            material = self._material(None, (*self.secrets, *list_values(session)))
            self._recorder.keep(self._take_recordings(), await self._recorder.write_visit(material))
        self.begin()

    async def close_window(self) -> None:
        """A window that a person had open is closed: write a report of it if it was recorded."""
        if self._recordings:
            material = replace(self._material(None, self.secrets), by_person=True)
            self._recorder.keep(self._take_recordings(), await self._recorder.write_visit(material))
        self.begin()

    def _material(self, error: DoorkeyError | None, secrets: Iterable[str]) -> VisitMaterial:
        made = self._recorder.material(self._explain(error), self._evidence, self._trail, secrets)
        names = [number_name(name, at) for at, one in enumerate(self._recordings, 1) for name in one.names]
        return replace(made, recordings=tuple(names))

    def _take_recordings(self) -> list[Recording]:
        taken, self._recordings = self._recordings, []
        return taken

    def remember(self, page: Page, status: int) -> None:
        """Remember the page of a visit that worked, now and then: later reports are compared with it."""
        if self._recorder.now() >= self._good_at + GOOD_AGAIN:
            self._good_at = self._recorder.now()
            self._recorder.remember_good(self._explain(None), page, status)

    async def fail_call(self, record: CallRecord, error: DoorkeyError, request: str, session: Session | None) -> None:
        """Write the report of a call that ended with *error*, which is made to name it."""
        if isinstance(error, UNTOLD):
            return
        if error.report:
            self._recorder.remember_call(request, error.report)
            return
        if report := await self._report_call(record, error, request, session):
            name_report(error, report)

    def note_refusal(self, record: CallRecord, error: DoorkeyError, request: str, session: Session) -> None:
        """Write, behind the answer, the report of a call that the site refused. *error* says how."""
        self._recorder.spawn(self._report_call(record, error, request, session))

    async def _report_call(self, record: CallRecord, error: DoorkeyError, request: str, session: Session | None) -> str:
        secrets = list_values(session) if session is not None else ()
        return await self._recorder.report_call(record, self._explain(error), request, secrets)

    def _explain(self, error: DoorkeyError | None) -> Failure:
        return Failure(
            site=self._site,
            code=error.code if error is not None else "",
            message=error.message if error is not None else "",
            token=error.name if isinstance(error, MissingToken) else "",
            by=getattr(error, "by", ""),
            sought=self._provider.sought,
            ready=self._provider.ready,
        )


def name_report(error: DoorkeyError, report: str) -> None:
    """Let *error* name the *report* that was written of it."""
    error.report = report
    error.message += f". See what happened: doorkey reports open {report}"
