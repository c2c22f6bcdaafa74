"""What the dashboard shows, as plain values for its templates: sites, browsers and requests."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from doorkey.browser.running_browser import PoolStatus
from doorkey.model.events import LEFT, CallRecord, VisitEvent
from doorkey.service.dashboard.history import Counts, History, RequestRecord
from doorkey.status import ORIGINS, SiteStatus

WORDS = {
    "none": "not entered yet",
    "open": "new sessions are refused",
    "needs person": "needs a person",
    "pausing": "waits after a failure",
    "paused": "paused by a person",
}
"""What a state is called, where its own name does not say it."""
TONES = {
    "fresh": "good", "visiting": "busy", "stale": "warn", "pausing": "warn", "open": "bad", "needs person": "bad",
    "paused": "off", "none": "off",
}  # fmt: skip
SEGMENTS = {
    "queue": "in the queue", "session": "getting a session", "at-site": "at the site", "answer": "passing the answer on"
}  # fmt: skip
"""The parts of a request's time, in their order."""
PLOT_HEIGHT = 24.0
"""Of a plot, above its axis; refusals hang below it, up to half as far."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plot:
    """The last hour of one site: SVG paths of the bars, and the same in words."""

    calls: str
    refusals: str
    visits: str
    told: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteView:
    """One site. `facts` are names and values; `tone` chooses the colour of the state."""

    name: str
    url: str
    state: str
    tone: str
    age: str
    facts: tuple[tuple[str, str], ...]
    plot: Plot
    paused: bool


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of a timing bar: `kind` chooses its colour; `start` and `width` are of 100."""

    kind: str
    start: float
    width: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestView:
    """One request. `path` tells what happened at the sites, in words. `failed`: there may be a report of it."""

    id: str
    when: str
    method: str
    route: str
    status: str
    tone: str
    site: str
    key: str
    path: str
    took: str
    segments: tuple[Segment, ...]
    told: str
    failed: bool


def view_sites(known: Sequence[SiteStatus], history: History, wall: float) -> list[SiteView]:
    """Return how *known* sites stand, and what they did in the last hour."""
    return [
        SiteView(
            name=status.name,
            url=status.url,
            state=WORDS.get(status.state, status.state),
            tone=TONES[status.state],
            age=_describe_age(status),
            facts=tuple(_list_facts(status, history, wall)),
            plot=_draw(history.minutes(status.name)),
            paused=status.state == "paused",
        )
        for status in known
    ]


def view_browsers(pool: PoolStatus) -> list[str]:
    """Return a sentence for each browser."""
    return [
        f"{one.display} browser, pid {one.pid}: {one.leases} in use, used {_times(one.uses)} so far"
        + (f", to be replaced ({one.retired})" if one.retired else "")
        for one in pool.browsers
    ]


def view_requests(records: Sequence[RequestRecord], wall: float) -> list[RequestView]:
    """Return the requests of *records*, the newest first."""
    return [_view_request(record, wall) for record in reversed(records)]


def say_seconds(seconds: float) -> str:
    """Return a duration in words."""
    for unit, size, below in (("s", 1.0, 120.0), ("min", 60.0, 7200.0), ("h", 3600.0, 172800.0)):
        if seconds < below:
            return f"{math.floor(seconds / size)} {unit}"
    return f"{math.floor(seconds / 86400)} days"


def say_took(seconds: float) -> str:
    """Return the duration of a request, to three digits."""
    if seconds < 0.001:
        return "<1 ms"
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s" if seconds < 100 else f"{seconds:.0f} s"


def _describe_age(status: SiteStatus) -> str:
    if status.age is None:
        return "no session yet"
    origin = ORIGINS.get(status.rung, f"by {status.rung}")
    return f"renewed {say_seconds(max(0.0, status.age))} ago, {origin}"


def _list_facts(status: SiteStatus, history: History, wall: float) -> Iterator[tuple[str, str]]:
    known = history.site(status.name)
    carrier = {"direct": "plain HTTP", "page": "the browser's page"}.get(status.transport, status.transport)
    yield "Requests go by", carrier
    if status.state == "visiting" and known.step is not None:
        yield "The visit", _say_event(known.step, wall)
    if waits := _say_waits(status):
        yield "Waiting", waits
    if status.retry_after is not None:
        yield "Next try", f"in {say_seconds(status.retry_after)}"
    if status.last_error:
        yield "Last error", status.last_error
    yield "Last check", "; ".join(_say_event(event, wall) for event in known.checks) or "no answer was suspect yet"
    if status.store:
        yield "Store", status.store
    if status.age is not None:
        yield "Session used", _times(status.used)
    yield "Sessions made", f"{status.visits} by this service"


def _say_waits(status: SiteStatus) -> str:
    parts = [status.waits] if status.waits else []
    if status.waiting:
        parts.append(f"{status.waiting} {'call waits' if status.waiting == 1 else 'calls wait'}")
    if status.pace is not None and status.pace.queue:
        parts.append(f"the last of them about {max(place.about for place in status.pace.queue):.0f} s")
    if status.pace is not None and status.pace.rests is not None:
        parts.append(f"the site wants no requests for {say_seconds(status.pace.rests)}")
    return "; ".join(parts)


def _say_event(event: VisitEvent, wall: float) -> str:
    return f"{event.detail} ({say_seconds(max(0.0, wall - event.at))} ago)"


def _draw(minutes: Sequence[Counts]) -> Plot:
    most = max(1, *(counts.calls for counts in minutes))
    refused = max(1, *(counts.refusals for counts in minutes))
    calls = [-_scale(counts.calls, most, PLOT_HEIGHT) for counts in minutes]
    refusals = [_scale(counts.refusals, refused, PLOT_HEIGHT / 2) for counts in minutes]
    visits = "".join(f"M{at * 4 + 1.5} -{PLOT_HEIGHT + 6}v5" for at, counts in enumerate(minutes) if counts.visits)
    sums = [sum(getattr(counts, name) for counts in minutes) for name in ("calls", "refusals", "visits", "failures")]
    words = ("call", "refusal", "visit", "failed visit")
    told = ", ".join(f"{count} {word}{'' if count == 1 else 's'}" for count, word in zip(sums, words, strict=True))
    return Plot(calls=_bars(calls), refusals=_bars(refusals), visits=visits, told=f"In the last hour: {told}")


def _scale(count: int, most: int, height: float) -> float:
    return round(max(1.5, count / most * height), 1) if count else 0.0


def _bars(heights: Sequence[float]) -> str:
    return "".join(f"M{at * 4} 0h3v{height}h-3z" for at, height in enumerate(heights) if height)


def _view_request(record: RequestRecord, wall: float) -> RequestView:
    segments, told = _split_time(record)
    tone = "good" if 0 < record.status < 400 else "warn" if record.status < 500 else "bad"
    return RequestView(
        id=record.id,
        when=f"{say_seconds(max(0.0, wall - record.at))} ago",
        method=record.method,
        route=_say_route(record.route, record.site),
        status=str(record.status) if record.status else "left",
        tone=tone,
        site=record.site,
        key=record.key,
        path="; ".join(_say_call(call) for call in record.calls),
        took=say_took(record.took),
        segments=tuple(segments),
        told=told,
        failed=any(call.error not in ("", LEFT) for call in record.calls),
    )


def _say_call(call: CallRecord) -> str:
    parts = [f"{attempt.status} by {attempt.transport}: {attempt.verdict}" for attempt in call.attempts]
    parts += [f"check: {check}" for check in call.checks]
    if call.renewals:
        parts.append(f"renewed {_times(call.renewals)}")
    if call.error == LEFT:
        parts.append("the caller left before an answer came")
    elif call.error:
        parts.append(f"failed: {call.error}")
    return f"{call.site}: {', '.join(parts) or 'nothing was sent'}"


def _split_time(record: RequestRecord) -> tuple[list[Segment], str]:
    """Return the timing bar of a request, and the same in words."""
    waited = sum(call.waited for call in record.calls)
    site = sum(attempt.took for call in record.calls for attempt in call.attempts)
    begun = sum(call.took for call in record.calls)
    parts = {
        "queue": waited,
        "session": max(0.0, begun - waited - site),
        "at-site": site,
        "answer": max(0.0, record.took - max(begun, waited + site)),
    }
    whole = sum(parts.values()) or 1.0
    # Lengths are logarithmic: a request of 60 s would make all others invisible.
    length = min(100.0, 4 + 20 * math.log10(1 + record.took * 1000))
    segments, start = [], 0.0
    for kind, seconds in parts.items():
        width = round(seconds / whole * length, 2)
        if width:
            segments.append(Segment(kind, round(start, 2), width))
        start += width
    told = ", ".join(f"{SEGMENTS[kind]} {say_took(seconds)}" for kind, seconds in parts.items() if seconds >= 0.0005)
    return segments, told or "<1 ms"


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _say_route(route: str, site: str) -> str:
    """What was asked for. Of a path at a site no more is told than its site: the path may hold a secret."""
    return "unknown path" if route == "-" else route.replace("{tail}", f"{site}/…").replace("{name}", site)
