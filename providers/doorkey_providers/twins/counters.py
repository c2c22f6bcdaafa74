"""Counts what a twin has seen, and records each request."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

from aiohttp import web

LOG_LIMIT = 20_000


@dataclass(frozen=True, slots=True)
class Received:
    """One request as it came. `headers` are all pairs in the order received.

    `fields` is the form or the JSON object; `reason` says why the request was refused, and is empty when it was not.
    """

    method: str
    path: str
    query: Mapping[str, str]
    fields: Mapping[str, Any] = field(repr=False)
    headers: tuple[tuple[str, str], ...] = field(repr=False)
    cookies: Mapping[str, str] = field(repr=False)
    user_agent: str
    accepted: bool
    reason: str = ""

    @classmethod
    def of(cls, request: web.Request, fields: Mapping[str, Any], reason: str = "") -> Received:
        return cls(
            method=request.method,
            path=request.path,
            query=dict(request.query),
            fields=fields,
            headers=tuple(request.headers.items()),
            cookies=dict(request.cookies),
            user_agent=request.headers.get("User-Agent", ""),
            accepted=not reason,
            reason=reason,
        )

    def header(self, name: str) -> str | None:
        """Return the first header of that name, in any case; None if there is none."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    @property
    def header_names(self) -> list[str]:
        return [name for name, _ in self.headers]

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


class Counts:
    """The counters of one twin. Only the twin changes them.

    `in_progress` counts requests to the API that have come and are not finished; `left` counts those whose client
    hung up before the end; `held` counts page loads that wait for the page to be released.
    """

    NAMES = ("page_loads", "challenges", "accepted", "in_progress", "most_in_progress", "left", "images", "held")

    def __init__(self) -> None:
        self.page_loads = 0
        self.challenges = 0
        self.accepted = 0
        self.refused_by: Counter[str] = Counter()
        self.in_progress = 0
        self.most_in_progress = 0
        self.left = 0
        self.images = 0
        self.held = 0
        self._changed = asyncio.Event()

    def __repr__(self) -> str:
        return f"<Counts {' '.join(f'{name}={value}' for name, value in self.as_json().items())}>"

    @property
    def refused(self) -> int:
        return self.refused_by.total()

    def add(self, name: str, by: int = 1) -> None:
        setattr(self, name, getattr(self, name) + by)
        self.most_in_progress = max(self.most_in_progress, self.in_progress)
        self._tell()

    def verdict(self, reason: str) -> None:
        if reason:
            self.refused_by[reason] += 1
        else:
            self.accepted += 1
        self._tell()

    @contextmanager
    def progress(self) -> Iterator[None]:
        self.add("in_progress")
        try:
            yield
        except (asyncio.CancelledError, ConnectionError):
            self.left += 1
            raise
        finally:
            self.add("in_progress", -1)

    async def until(self, reached: Callable[[Counts], bool]) -> None:
        """Return once *reached* holds. The caller sets a time limit (`asyncio.timeout`)."""
        while not reached(self):
            await self._changed.wait()

    def as_json(self) -> dict[str, Any]:
        numbers = {name: getattr(self, name) for name in self.NAMES}
        return {**numbers, "refused": self.refused, "refused_by": dict(self.refused_by)}

    def _tell(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()


def keep(log: list[Received], received: Received) -> None:
    """Append to *log*. At its limit the older half is dropped, as benches send hundreds of thousands of requests."""
    log.append(received)
    if len(log) > LOG_LIMIT:
        del log[: LOG_LIMIT // 2]
