"""Passes what a live view shows to one end, and what comes from there to the view."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

LEFT = 0.5
"""Seconds after which it is looked whether the other end may still look."""


async def run_both(
    send: Coroutine[Any, Any, None], receive: Coroutine[Any, Any, None], may_look: Callable[[], bool] = lambda: True
) -> None:
    """Run both until one ends, or the other end may not look any more. Raises what fails but for lost connections."""
    ways = [asyncio.create_task(way) for way in (send, receive)]
    try:
        while not any(way.done() for way in ways) and may_look():
            await asyncio.wait(ways, timeout=LEFT, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for way in ways:
            way.cancel()
        ended = await asyncio.gather(*ways, return_exceptions=True)
    for fault in ended:
        if isinstance(fault, Exception) and not isinstance(fault, ConnectionError):
            raise fault
