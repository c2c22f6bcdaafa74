"""The Runtime that all calls of one event loop share."""

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
"""The URLs that the seeds were written with."""


@dataclass(slots=True)
class Shared:
    """The Runtime of one loop. `owner` closes it once it is `unused`, or when the loop ends."""

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
    """Give the Runtime of this event loop. The first call makes it, or takes *lent*; the last one to end closes it.

    Its sessions outlive it in the store. Raises ConfigurationError.
    """
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    if loop not in _shared:
        made = _shared[loop] = Shared(lent or Runtime(load_settings()))
        made.owner = loop.create_task(made.hold(), name="doorkey's shared runtime")
    shared = _shared[loop]
    shared.users += 1
    abandoned = False
    try:
        yield shared.runtime
    except asyncio.CancelledError:
        # A generator that nobody closed is closed by a task of the loop. When the loop ends, that task may not await
        # anything (CPython raises RuntimeError). The owner is cancelled as well then, and closes the Runtime.
        abandoned = asyncio.current_task() is not task
        raise
    finally:
        shared.users -= 1
        if not shared.users:
            # Removed first: a call that begins while this Runtime closes makes its own.
            del _shared[loop]
            shared.unused.set()
            if shared.owner is not None and not abandoned:
                await asyncio.shield(shared.owner)


def load_settings() -> Settings:
    """Load the configuration. Sites of the seeds that have no URL in it get the one of HOMES."""
    configured = Settings.load()
    placed = {name for name, site in configured.sites.items() if site.url}
    missing = {name: {"url": home} for name, home in HOMES.items() if name not in placed}
    return Settings.load(sites=missing) if missing else configured
