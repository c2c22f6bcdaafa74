"""The Runtime that all calls of one event loop share, and the configuration that it is made from."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

from doorkey import Runtime, Settings

HOMES = {
    "aichat": "https://chat-gpt.org/chat",
    "aichats": "https://ai-chats.org",
    "chatgptt": "https://chatgptt.me",
    "chatgptfree": "https://chatgptfree.ai",
}
"""Where the seeds' sites were when the seeds were written."""


@dataclass(slots=True)
class Shared:
    """One loop's Runtime; `owner` closes it once it is `unused`, or when the loop ends."""

    runtime: Runtime
    owner: asyncio.Task[None] | None = None
    unused: asyncio.Event = field(default_factory=asyncio.Event)
    users: int = 0

    async def hold(self) -> None:
        async with self.runtime:
            await self.unused.wait()


_shared: WeakKeyDictionary[asyncio.AbstractEventLoop, Shared] = WeakKeyDictionary()


@asynccontextmanager
async def shared_runtime(lent: Runtime | None = None) -> AsyncIterator[Runtime]:
    """The Runtime of this event loop: the first call makes it, or takes the *lent* one; the last to end closes it.

    Its sessions outlive it in the store. Raises ConfigurationError.
    """
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    if loop not in _shared:
        made = _shared[loop] = Shared(lent or Runtime(settings()))
        made.owner = loop.create_task(made.hold(), name="doorkey's shared runtime")
    shared = _shared[loop]
    shared.users += 1
    abandoned = False
    try:
        yield shared.runtime
    except asyncio.CancelledError:
        # A generator that was forgotten is closed by a task of the loop's own. Cancelled as the loop ends, it may await
        # nothing (CPython raises RuntimeError); then the owner, who is cancelled just so, closes alone.
        abandoned = asyncio.current_task() is not task
        raise
    finally:
        shared.users -= 1
        if not shared.users:
            # Taken out first: a call that begins while this one closes makes its own.
            del _shared[loop]
            shared.unused.set()
            if shared.owner is not None and not abandoned:
                await asyncio.shield(shared.owner)


def settings() -> Settings:
    """The configuration; those of the seeds' sites that it gives no URL are at their homes."""
    configured = Settings.load()
    placed = {name for name, site in configured.sites.items() if site.url}
    missing = {name: {"url": home} for name, home in HOMES.items() if name not in placed}
    return Settings.load(sites=missing) if missing else configured
