"""What doorkey does, as records that hooks subscribe to: one a step of a visit, one a visit, one a call."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, TypeAlias

from doorkey.clock import Clock

log = logging.getLogger("doorkey.events")

Step: TypeAlias = Literal[
    "renewal",  # a way of making a session began, failed, or yielded the refused one
    "page",  # the page answered, or is still loading
    "challenge",  # something stands before the site: recognised, waited for, passed
    "login",  # a login step, a login taken, or none needed
    "egress",  # a request of the page was refused by the egress rules
    "window",  # what a person's window or browser shows
    "queue",  # a call waits for its turn at the site
    "check",  # an answer was suspect, or the session check has an outcome
    "person",  # a person is needed
    "attempt",  # a request was answered by the site
]
STEPS_OF_CALLS = ("attempt", "queue")
"""Steps of which each call has several."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VisitEvent:
    """One step of a visit, a renewal, a login or a call, without secrets.

    `at` is wall time. `site` is the site's name, empty for a page that is no configured site yet. `detail` is one
    line for people.
    """

    at: float
    site: str
    step: Step
    detail: str


LEFT = "caller left"
"""Stands in a call's record for the code of an error: the caller waited no longer for an answer."""


class Attempt(NamedTuple):
    """One request of a call: `took` seconds until the head came, by which transport, and the verdict's name."""

    what: str
    status: int
    transport: str
    verdict: str
    took: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRecord:
    """The path of one call, made when its answer has begun or it has failed. Durations are seconds.

    `at` is the wall time at which the call began. `checks` are the outcomes of the session checks that it waited for,
    each with the ground of the suspicion. `waited` is the time in the site's queue. `error` is the code of the
    error that the caller got, LEFT if the caller left before, empty where it got an answer.
    """

    at: float
    site: str
    attempts: tuple[Attempt, ...] = ()
    checks: tuple[str, ...] = ()
    renewals: int = 0
    waited: float = 0.0
    took: float = 0.0
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class VisitRecord:
    """One visit that ended. `rung` is the way in which its session was made, `error` the code of its failure; the
    other one is empty. `took` is seconds, `at` the wall time of the end.
    """

    at: float
    site: str
    took: float
    rung: str = ""
    error: str = ""


Event: TypeAlias = VisitEvent | CallRecord | VisitRecord
Hook: TypeAlias = Callable[[Event], None]


@dataclass(slots=True)
class Events:
    """Passes each record to the hooks that subscribed. A hook must not block: it is called on the event loop."""

    clock: Clock
    hooks: list[Hook] = field(default_factory=list)
    """Those that get all records."""
    calm_hooks: list[Hook] = field(default_factory=list)
    """Those that get all but the steps of calls."""

    def subscribe(self, hook: Hook, *, calm: bool = False) -> Callable[[], None]:
        """Call *hook* with each record from now on. Returns a function that ends this.

        *calm*: without the steps of calls ("attempt", "queue"), of which each call has several. What each request
        reports is then not even put into words.
        """
        hooks = self.calm_hooks if calm else self.hooks
        hooks.append(hook)
        return lambda: hooks.remove(hook)

    def publish(self, event: Event) -> None:
        for hook in tuple(self.hooks):
            hook(event)
        if self.calm_hooks and not (isinstance(event, VisitEvent) and event.step in STEPS_OF_CALLS):
            for hook in tuple(self.calm_hooks):
                hook(event)

    def of(self, site: str) -> SiteEvents:
        """The events of one site, for the parts that report them."""
        return SiteEvents(self, site)


@dataclass(frozen=True, slots=True)
class SiteEvents:
    """Reports what is done for one site. A `trail` also keeps the latest steps, for a report of what failed."""

    events: Events
    site: str
    trail: deque[VisitEvent] | None = None

    def report(self, step: Step, detail: str) -> None:
        """Publish a step. *detail* must hold no cookie, token, key, prompt or filled-in value."""
        log.debug("%s: %s", self.site, detail)
        if self.events.hooks or self.events.calm_hooks or self.trail is not None:
            event = VisitEvent(at=self.events.clock.wall(), site=self.site, step=step, detail=detail)
            if self.trail is not None:
                self.trail.append(event)
            self.events.publish(event)
