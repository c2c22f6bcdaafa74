"""What the processes that share a store know of the calls at one site: who is there, and when the next may begin."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace

KEPT = 15.0
"""Seconds for which a call counts as being at the site without a sign of life from its process."""
WAITS = 5.0
"""Seconds for which a call that waits keeps its place without asking again."""
POLL = 0.2
"""Seconds after which a call that waits for another one's end asks again."""


@dataclass(frozen=True, slots=True)
class Rest:
    """The site wants no requests until `until` (wall seconds), `length` seconds in all. `kind` and `detail` are those
    of the verdict that said so."""

    until: float = 0.0
    length: float = 0.0
    kind: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Admission:
    """Whether a call may begin: `wait` is 0, else the seconds after which it should ask again.

    `rest`: the site wants no requests, for `rest_left` more seconds.
    """

    wait: float
    rest: Rest | None = None
    rest_left: float = 0.0


@dataclass(frozen=True, slots=True)
class SiteQueue:
    """The calls at one site; times are wall seconds.

    `begins`: when the next call may begin, `step` seconds after the one before. `inside` and `waiting` hold calls by
    their tokens, each with the time when it is forgotten; those that wait stand in the order in which they came.
    """

    begins: float = 0.0
    step: float = 0.0
    rest: Rest = field(default_factory=Rest)
    inside: Mapping[str, float] = field(default_factory=dict)
    waiting: Mapping[str, float] = field(default_factory=dict)

    def enter(self, token: str, at_once: int, step: float, wall: float) -> tuple[SiteQueue, Admission]:
        """Let the call *token* in where fewer than *at_once* are at the site, and none waits that came before it. The
        next may begin after *step* seconds."""
        queue = self.corrected(wall)
        before = list(queue.waiting)
        before = before[: before.index(token)] if token in before else before
        free = len(queue.inside) < at_once and not before
        wait = max(queue.begins - wall, queue.rest.until - wall, 0.0) if free else POLL
        if wait > 0:
            queue = replace(queue, waiting={**queue.waiting, token: wall + WAITS})
            return queue, queue._wait(min(wait, WAITS / 2), wall)
        waiting = {other: until for other, until in queue.waiting.items() if other != token}
        inside = {**queue.inside, token: wall + KEPT}
        return replace(queue, waiting=waiting, inside=inside, begins=wall + step, step=step), Admission(0.0)

    def take_token(self, step: float, wall: float) -> tuple[SiteQueue, Admission]:
        """Let a request begin that takes no place among the calls and does not queue."""
        queue = self.corrected(wall)
        wait = max(queue.begins - wall, queue.rest.until - wall, 0.0)
        if wait > 0:
            return queue, queue._wait(wait, wall)
        return replace(queue, begins=wall + step, step=step), Admission(0.0)

    def leave(self, token: str) -> SiteQueue:
        """The call has ended, or waits no longer."""
        return replace(
            self,
            inside={other: until for other, until in self.inside.items() if other != token},
            waiting={other: until for other, until in self.waiting.items() if other != token},
        )

    def keep(self, tokens: Iterable[str], wall: float) -> SiteQueue:
        """The process of the calls *tokens* is alive. One that has left meanwhile does not come back."""
        kept = {token: wall + KEPT for token in tokens if token in self.inside}
        return replace(self, inside={**self.inside, **kept})

    def begin_rest(self, length: float, kind: str, detail: str, wall: float) -> SiteQueue:
        """The site wants no requests for *length* seconds; a longer rest that is under way goes on."""
        if wall + length <= self.corrected(wall).rest.until:
            return self
        return replace(self, rest=Rest(wall + length, length, kind, detail))

    def corrected(self, wall: float) -> SiteQueue:
        """The queue without calls that are forgotten, and without times that only a wrong clock can have written."""
        return replace(
            self,
            begins=min(self.begins, wall + self.step),
            rest=replace(self.rest, until=min(self.rest.until, wall + self.rest.length)),
            inside={token: min(until, wall + KEPT) for token, until in self.inside.items() if until > wall},
            waiting={token: min(until, wall + WAITS) for token, until in self.waiting.items() if until > wall},
        )

    def _wait(self, wait: float, wall: float) -> Admission:
        left = self.rest.until - wall
        return Admission(wait, self.rest, left) if left > 0 else Admission(wait)


def write_queue(queue: SiteQueue) -> str:
    return json.dumps(asdict(queue))


def read_queue(text: str) -> SiteQueue:
    """The queue that *text* holds; empty ones where it can't be read."""
    try:
        values = json.loads(text)
        rest = values["rest"]
        return SiteQueue(
            float(values["begins"]),
            float(values["step"]),
            Rest(float(rest["until"]), float(rest["length"]), str(rest["kind"]), str(rest["detail"])),
            {str(token): float(until) for token, until in values["inside"].items()},
            {str(token): float(until) for token, until in values["waiting"].items()},
        )
    except (ValueError, TypeError, KeyError, AttributeError):
        return SiteQueue()
