"""The one clock that everything takes: a test's clock moves when the test says so."""

from __future__ import annotations

import asyncio
import time
from typing import Protocol


def check_seconds(value: object, name: str = "timeout") -> float:
    """Return *value* as seconds. Raises TypeError for what is no number, such as the text "5"; ValueError below 0."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value != value:
        came = f"the text {value!r}" if isinstance(value, str) else f"a {type(value).__name__}"
        raise TypeError(f"{name}: expected a number of seconds, such as 5 or 2.5, or None; came {came}")
    if value < 0:
        raise ValueError(f"{name}: expected 0 seconds or more, or None; came {value}")
    return float(value)


class Clock(Protocol):
    """`now` and `wall` are seconds; `now` only rises and serves for waiting, `wall` is what the calendar says."""

    def now(self) -> float: ...

    def wall(self) -> float: ...

    async def sleep(self, seconds: float) -> None: ...


class SystemClock:
    """The system's own clock."""

    now = staticmethod(time.monotonic)
    wall = staticmethod(time.time)

    sleep = staticmethod(asyncio.sleep)
