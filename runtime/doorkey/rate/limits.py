"""Good manners: how much is asked of a site at most, and the pace of each site in this process."""

from __future__ import annotations

import ipaddress
import logging
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

if TYPE_CHECKING:
    from doorkey.config.settings import Settings

log = logging.getLogger("doorkey.manners")

MOST = 1000
"""Origins that are known at a time: callers may bring addresses of their own along."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimits:
    """How one site is treated. The fields are those of the settings' `[manners]`, which say what they mean."""

    at_once: int = 2
    rate: float = 1.0
    queue: int = 30
    patience: float = 120.0
    pages: int = 1
    visits: int = 3
    pause: float = 600.0


def rate_limits_of(settings: Settings, key: Key) -> RateLimits | None:
    """How *key*'s site is treated; None, without limits, on loopback where its own settings name none."""
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
    """`manners` tells those of a key's site. `longest`: seconds that a call may wait for its turn.

    All keys of a site at one origin share its pace: another profile, proxy or login is no way around it.
    """

    def __init__(
        self,
        manners: Callable[[Key], RateLimits | None],
        clock: Clock,
        *,
        longest: float = 600.0,
        uniform: Callable[[float, float], float] = random.uniform,
        events: Events | None = None,
    ) -> None:
        self.manners = manners
        self._events = events or Events(clock)
        self._clock = clock
        self._longest = longest
        self._uniform = uniform
        self._known: dict[Key, RateLimiter | None] = {}
        self._calls: dict[tuple[str, str], RateLimiter] = {}
        self._pages: dict[tuple[str, str], RateLimiter] = {}

    def of(self, key: Key) -> RateLimiter | None:
        """The pace of requests to *key*'s site; None without limits."""
        try:
            return self._known[key]
        except KeyError:
            pass
        manners = self.manners(key)
        if len(self._known) >= MOST:
            self._known.clear()
        pace = None
        if manners is not None:
            pace = self._shared(
                self._calls, key, manners.at_once, manners.rate, manners.queue, patience=manners.patience
            )
        self._known[key] = pace
        return pace

    def status(self, key: Key) -> RateStatus | None:
        """How it goes with the requests to *key*'s site; None without limits."""
        pace = self.of(key)
        return None if pace is None else pace.status()

    @asynccontextmanager
    async def page(self, key: Key) -> AsyncIterator[None]:
        """Leave to open a page of the browser there, as soon as few enough are open. Raises as `Pace.enter` does."""
        manners = self.manners(key)
        if manners is None:
            yield
            return
        pace = self._shared(self._pages, key, manners.pages, float("inf"), manners.queue)
        async with await pace.enter(float("inf"), self._events.of(key.site)):
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
        parts = urlsplit(key.url)
        place = key.site, f"{parts.scheme}://{parts.netloc}"
        if place not in limiters:
            for idle in [known for known, pace in limiters.items() if pace.idle][: max(0, len(limiters) - MOST + 1)]:
                del limiters[idle]
            limiters[place] = RateLimiter(
                key.site,
                self._clock,
                at_once=at_once,
                rate=rate,
                queue=queue,
                patience=patience,
                longest=self._longest,
                uniform=self._uniform,
            )
        return limiters[place]
