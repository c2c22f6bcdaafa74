"""Asks a site through doorkey, as programs do, and says what came of it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

from doorkey import Request, Runtime, Settings
from doorkey.errors import DoorkeyError
from event_lines import into

LIMIT = 60.0
ANSWERED = "answered"


@asynccontextmanager
async def entered(
    url: str, *, said: list[str] | None = None, limits: dict[str, Any] | None = None, **site: Any
) -> AsyncIterator[Runtime]:
    """A runtime that knows one site, `notes`, by its URL and whatever else *site* says. *said*: what visits tell."""
    table = {"provider": "web", "url": url, **site}
    chosen = {"sites": {"notes": table}, "store": {"url": "memory://"}, "limits": limits or {}}
    hooks = [into(said)] if said is not None else []
    async with Runtime(Settings.model_validate(chosen), hooks=hooks) as runtime:
        yield runtime


async def outcome(runtime: Runtime, text: str, path: str = "/api/heard") -> str:
    """ANSWERED when the site answered just this question; else the verdict, the site's status, or the error's name."""
    request = Request(url=path, method="POST", json={"text": text}, expects=("application/json",))
    try:
        async with await runtime.send("notes", request, timeout=LIMIT) as answer:
            body = b"".join([piece async for piece in answer])
            status, right = answer.head.status, f'"{text}"'.encode() in body
            if not answer.verdict:
                return answer.verdict.kind.value
            return ANSWERED if (status, right) == (200, True) else f"HTTP {status}" if status != 200 else "wrong"
    except DoorkeyError as error:
        return type(error).__name__


async def outcomes(runtime: Runtime, texts: Iterable[str], path: str = "/api/heard") -> Counter[str]:
    """How often each outcome was met by these questions, asked at a time."""
    return Counter(await asyncio.gather(*(outcome(runtime, text, path) for text in texts)))


def visits(said: Iterable[str]) -> int:
    """How often a browser went to the site, as far as it got."""
    return sum(line.startswith("browser: opening") for line in said)
