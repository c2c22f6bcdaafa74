"""The Runtime that all calls of one event loop share, and the configuration that it is made from."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
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
    runtime: Runtime
    users: int = 0


_shared: WeakKeyDictionary[asyncio.AbstractEventLoop, Shared] = WeakKeyDictionary()


@asynccontextmanager
async def shared_runtime() -> AsyncIterator[Runtime]:
    """The Runtime of this event loop: the first call makes it, the last to end closes it.

    Its sessions outlive it in the store. Raises ConfigurationError.
    """
    loop = asyncio.get_running_loop()
    if loop not in _shared:
        _shared[loop] = Shared(Runtime(settings()))
    shared = _shared[loop]
    shared.users += 1
    try:
        yield shared.runtime
    finally:
        shared.users -= 1
        if not shared.users:
            # Taken out first: a call that begins while this one closes makes its own.
            del _shared[loop]
            await shared.runtime.close()


def settings() -> Settings:
    """The configuration; those of the seeds' sites that it gives no URL are at their homes."""
    configured = Settings.load()
    placed = {name for name, site in configured.sites.items() if site.url}
    missing = {name: {"url": home} for name, home in HOMES.items() if name not in placed}
    return Settings.load(sites=missing) if missing else configured
