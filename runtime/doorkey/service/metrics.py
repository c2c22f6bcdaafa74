"""`GET /metrics`: what the service did, for Prometheus."""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, get_args

from aiohttp import web

from doorkey.status import SiteStatus, State

if TYPE_CHECKING:
    from prometheus_client import Metric

    from doorkey.runtime import Runtime
    from doorkey.service.workers.whole_service import WholeService

BUCKETS = (0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
"""Upper bounds, in seconds, of the histogram of how long requests take."""
Gauges = Callable[[], dict[str, float]]


@dataclass(frozen=True, slots=True)
class MetricsState:
    """The counts of one process: (route, site, status, count), the histograms by route, and the gauges."""

    counts: Sequence[tuple[str, str, int, int]]
    times: Mapping[str, list[int]]
    seconds: Mapping[str, float]
    gauges: Mapping[str, float]


class ServiceMetrics:
    """Counts requests by route, site and status, and their times by route.

    Plain numbers are counted, and Prometheus' objects are made only when somebody asks: most services are never asked.
    """

    def __init__(self) -> None:
        self._requests: dict[tuple[str, str, int], int] = {}
        self._times: dict[str, list[int]] = {}
        self._seconds: dict[str, float] = {}
        self.gauges: list[Gauges] = []
        """Each gives gauges by name: what is so now."""

    def state(self) -> MetricsState:
        """Return all counts so far, and the gauges as they are now."""
        counted = [(*key, count) for key, count in self._requests.items()]
        gauges = {name: value for gauge in self.gauges for name, value in gauge().items()}
        return MetricsState(counted, self._times, self._seconds, gauges)

    def take(self, state: MetricsState) -> None:
        """Add the counts of another process. Its gauges are left out."""
        for route, site, status, count in state.counts:
            key = (route, site, status)
            self._requests[key] = self._requests.get(key, 0) + count
        for route, times in state.times.items():
            known = self._times.setdefault(route, [0] * (len(BUCKETS) + 1))
            self._times[route] = [one + other for one, other in zip(known, times, strict=True)]
            self._seconds[route] = self._seconds.get(route, 0.0) + state.seconds[route]

    def count(self, route: str, site: str, status: int, took: float) -> None:
        """Count one request. *status* is 0 if the client left before its answer."""
        key = (route, site, status)
        self._requests[key] = self._requests.get(key, 0) + 1
        times = self._times.get(route)
        if times is None:
            times = self._times[route] = [0] * (len(BUCKETS) + 1)
        times[bisect_left(BUCKETS, took)] += 1
        self._seconds[route] = self._seconds.get(route, 0.0) + took

    def families(self, sites: Sequence[SiteStatus]) -> Iterable[Metric]:
        """Return all that is known, with the state of *sites*, as Prometheus' families."""
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

        told = "Requests that ended, by route, site and status; status 0: the client left."
        counted = CounterMetricFamily("doorkey_requests", told, labels=("route", "site", "status"))
        for (route, site, status), count in self._requests.items():
            counted.add_metric((route, site, str(status)), count)
        yield counted
        times = HistogramMetricFamily("doorkey_request_seconds", "Seconds that requests took.", labels=("route",))
        for route, counts in self._times.items():
            buckets, total = [], 0
            for bound, count in zip((*map(str, BUCKETS), "+Inf"), counts, strict=True):
                total += count
                buckets.append((bound, float(total)))
            times.add_metric((route,), buckets, self._seconds[route])
        yield times
        for gauge in self.gauges:
            for name, value in gauge().items():
                yield GaugeMetricFamily(f"doorkey_{name}", name.replace("_", " ").capitalize() + ".", value=value)
        yield from _describe_sites(sites)


def _describe_sites(sites: Sequence[SiteStatus]) -> Iterable[Metric]:
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

    state = GaugeMetricFamily("doorkey_site_state", "1 for the state that the site is in.", labels=("site", "state"))
    generation = GaugeMetricFamily("doorkey_site_generation", "The number of the site's session.", labels=("site",))
    age = GaugeMetricFamily("doorkey_site_session_age_seconds", "Age of the site's session.", labels=("site",))
    waiting = GaugeMetricFamily("doorkey_site_waiting", "Calls that wait for a visit or their turn.", labels=("site",))
    visits = CounterMetricFamily("doorkey_site_visits", "Visits that this service made.", labels=("site",))
    checks = CounterMetricFamily("doorkey_site_checks", "Session checks that this service made.", labels=("site",))
    for site in sites:
        for name in get_args(State):
            state.add_metric((site.name, name), float(site.state == name))
        generation.add_metric((site.name,), site.gen)
        if site.age is not None:
            age.add_metric((site.name,), site.age)
        waiting.add_metric((site.name,), site.waiting)
        visits.add_metric((site.name,), site.visits)
        checks.add_metric((site.name,), site.checks)
    return state, generation, age, waiting, visits, checks


class _Collector:
    """Gives Prometheus' registry the families of one scrape."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families


class _Processes:
    """Gives Prometheus' registry what the system knows of each worker, under the worker's number."""

    def __init__(self, pids: Mapping[str, int]) -> None:
        self._pids = pids

    def collect(self) -> Iterator[Metric]:
        from prometheus_client import ProcessCollector
        from prometheus_client.core import Metric

        found: dict[str, Metric] = {}
        for number, pid in self._pids.items():
            for family in ProcessCollector(registry=None, pid=partial(int, pid)).collect():
                told = found.setdefault(family.name, Metric(family.name, family.documentation, family.type))
                for sample in family.samples:
                    told.add_sample(sample.name, {"worker": number} if number else {}, sample.value)
        yield from found.values()


def metric_routes(runtime: Runtime, whole: WholeService) -> list[web.RouteDef]:
    async def show(request: web.Request) -> web.Response:
        # Importing it takes tenths of a second, so only who scrapes pays for it.
        await asyncio.to_thread(import_module, "prometheus_client.exposition")
        from prometheus_client import CollectorRegistry, PlatformCollector
        from prometheus_client.exposition import choose_encoder

        registry = CollectorRegistry()
        registry.register(_Processes(whole.processes))
        PlatformCollector(registry=registry)
        registry.register(_Collector(list(whole.whole_metrics().families(whole.sites(runtime.status())))))
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        return web.Response(body=encode(registry), headers={"Content-Type": content_type})

    return [web.get("/metrics", show)]
