"""How a site stands in a whole service, from how it stands in each worker."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import get_args

from doorkey.rate.limiter import RateStatus
from doorkey.status import SiteStatus, State

RANKS: dict[State, int] = {
    "paused": 0,
    "visiting": 1,
    "needs person": 2,
    "open": 3,
    "pausing": 4,
    "fresh": 5,
    "stale": 6,
    "none": 7,
}
"""The state that is told if workers differ is the first of theirs in this order; see `merge_statuses`."""
assert set(RANKS) == set(get_args(State))


def merge_statuses(statuses: Sequence[SiteStatus]) -> SiteStatus:
    """Return the status of one site from those of the workers.

    What is known of the session is that of the worker with the newest one. A failure tells nothing any more where a
    worker has a newer session. Counts are summed.
    """
    if len(statuses) == 1:
        return statuses[0]
    newest = max(statuses, key=lambda each: each.gen)
    told = [each for each in statuses if each.gen == newest.gen or each.state in ("paused", "visiting")]
    first = min(told, key=lambda each: RANKS[each.state])
    return replace(
        newest,
        state=first.state,
        transport=next((each.transport for each in statuses if each.transport == "page"), newest.transport),
        last_error=first.last_error or next((each.last_error for each in told if each.last_error), ""),
        retry_after=max((each.retry_after for each in told if each.retry_after is not None), default=None),
        visits=sum(each.visits for each in statuses),
        checks=sum(each.checks for each in statuses),
        used=sum(each.used for each in told),
        waits=next((each.waits for each in statuses if each.waits), ""),
        waiting=sum(each.waiting for each in statuses),
        pace=_merge_paces([each.pace for each in statuses if each.pace is not None]),
        store=next((each.store for each in statuses if each.store), ""),
        robots=next((each.robots for each in statuses if each.robots), ""),
        noticed=next((each.noticed for each in statuses if each.noticed), ""),
    )


def _merge_paces(paces: Sequence[RateStatus]) -> RateStatus | None:
    if not paces:
        return None
    queue = sorted((place for pace in paces for place in pace.queue), key=lambda place: place.about)
    return RateStatus(
        at_once=paces[0].at_once,
        rate=paces[0].rate,
        under_way=sum(pace.under_way for pace in paces),
        queue=tuple(replace(place, place=number) for number, place in enumerate(queue, 1)),
        about=max(pace.about for pace in paces),
        rests=max((pace.rests for pace in paces if pace.rests is not None), default=None),
    )


def grow_older(status: SiteStatus, seconds: float, newest: SiteStatus) -> SiteStatus:
    """Return *status* as it is *seconds* later, if nothing has happened since.

    If *newest* has a newer session that was made meanwhile, a visit which *status* tells of has ended.
    """
    if status.state == "visiting" and status.gen < newest.gen and newest.age is not None and newest.age < seconds:
        status = replace(status, state="none")
    return replace(
        status,
        age=None if status.age is None else status.age + seconds,
        retry_after=None
        if status.retry_after is None or status.retry_after <= seconds
        else status.retry_after - seconds,
    )
