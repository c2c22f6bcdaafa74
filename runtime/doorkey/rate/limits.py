"""Limits on what is asked of a site, and the rate limiters of this process that keep them."""

from __future__ import annotations

import ipaddress
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from doorkey.clock import Clock
from doorkey.model.events import Events
from doorkey.model.session import Key
from doorkey.rate.limiter import RateLimiter, RateStatus
from doorkey.rate.shared_queue import SharedQueues

if TYPE_CHECKING:
    from doorkey.config.settings import Settings

MOST = 1000
"""Origins that are known at a time: callers may bring addresses of their own along."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimits:
    """The limits of one site. The fields are those of the settings' `[manners]`, which say what they mean."""

    at_once: int = 2
    rate: float = 1.0
    queue: int = 30
    patience: float = 120.0
    pages: int = 1
    visits: int = 3
    pause: float = 600.0


@dataclass(frozen=True, slots=True)
class VisitLimit:
    """At most `visits` visits within `seconds` that led to no used session."""

    visits: int
    seconds: float


def rate_limits_of(settings: Settings, key: Key) -> RateLimits | None:
    """The limits of *key*'s site; None on loopback, unless its own settings name some."""
    own = settings.sites[key.site].manners
    if not own.model_fields_set and on_loopback(key.url):
        return None
    return RateLimits(**{**settings.manners.model_dump(), **own.model_dump(exclude_unset=True)})


def on_loopback(url: str) -> bool:
    host = (urlsplit(url).hostname or "").rstrip(".").lower()
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


class RateLimiters:
    """The rate limiters by site and origin. `limits_of` returns the limits of a key's site; `longest`: seconds that a
    call may wait for its turn.

    All keys of a site at one origin share a limiter: another profile, proxy or login is no way around it. *shared*
    holds the queues that other processes wait in, too.
    """

    def __init__(
        self,
        limits_of: Callable[[Key], RateLimits | None],
        clock: Clock,
        *,
        longest: float = 600.0,
        uniform: Callable[[float, float], float] = random.uniform,
        events: Events | None = None,
        shared: SharedQueues | None = None,
    ) -> None:
        self._limits_of = limits_of
        self._shared_queues = shared
        self._events = events or Events(clock)
        self._clock = clock
        self._longest = longest
        self._uniform = uniform
        self.known: dict[Key, RateLimiter | None] = {}
        """The limiters of requests, of keys that were asked for since the limits are these."""
        self._calls: dict[tuple[str, str], RateLimiter] = {}
        self._pages: dict[tuple[str, str], RateLimiter] = {}

    def adopt(self, limits_of: Callable[[Key], RateLimits | None]) -> None:
        """Take over other limits. Calls under way and those that wait keep their places; rests go on."""
        known, self._limits_of = tuple(self.known), limits_of
        self.known.clear()
        for key in known:
            try:
                limits = limits_of(key)
            except KeyError:  # the site is configured no more
                continue
            if limits is None:
                continue
            calls = self._calls.get(_place_of(key))
            if calls is not None:
                calls.adopt(limits.at_once, limits.rate, limits.queue, limits.patience)
            pages = self._pages.get(_place_of(key))
            if pages is not None:
                pages.adopt(limits.pages, float("inf"), limits.queue, float("inf"))

    def of(self, key: Key) -> RateLimiter | None:
        """The limiter of requests to *key*'s site; None without limits."""
        try:
            return self.known[key]
        except KeyError:
            pass
        limits = self._limits_of(key)
        if len(self.known) >= MOST:
            self.known.clear()
        limiter = None
        if limits is not None:
            limiter = self._shared(
                self._calls, key, limits.at_once, limits.rate, limits.queue, patience=limits.patience
            )
        self.known[key] = limiter
        return limiter

    def status(self, key: Key) -> RateStatus | None:
        """The state of the limiter of *key*'s site; None without limits."""
        limiter = self.of(key)
        return None if limiter is None else limiter.status()

    def limit_visits(self, key: Key) -> VisitLimit | None:
        """How many visits in vain *key*'s site gets; None without limits."""
        limits = self._limits_of(key)
        return None if limits is None else VisitLimit(limits.visits, limits.pause)

    @asynccontextmanager
    async def page(self, key: Key) -> AsyncIterator[None]:
        """Wait until few enough pages are open at *key*'s site; then open one within. Raises as `RateLimiter.enter`."""
        limits = self._limits_of(key)
        if limits is None:
            yield
            return
        limiter = self._shared(self._pages, key, limits.pages, float("inf"), limits.queue)
        async with await limiter.enter(float("inf"), self._events.of(key.site)):
            yield

    def _shared(
        self,
        limiters: dict[tuple[str, str], RateLimiter],
        key: Key,
        at_once: int,
        rate: float,
        queue: int,
        *,
        patience: float = float("inf"),
    ) -> RateLimiter:
        place = _place_of(key)
        if place not in limiters:
            for idle in [known for known, limiter in limiters.items() if limiter.idle][
                : max(0, len(limiters) - MOST + 1)
            ]:
                del limiters[idle]
            limiters[place] = RateLimiter(
                key.site,
                self._clock,
                place=f"{'pages' if limiters is self._pages else 'calls'} {' '.join(place)}",
                shared=self._shared_queues,
                at_once=at_once,
                rate=rate,
                queue=queue,
                patience=patience,
                longest=self._longest,
                uniform=self._uniform,
            )
        return limiters[place]


def _place_of(key: Key) -> tuple[str, str]:
    """What shares a limiter: a site and an origin."""
    parts = urlsplit(key.url)
    return key.site, f"{parts.scheme}://{parts.netloc}"
