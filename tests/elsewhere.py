"""A thread of its own in which sites are served to callers that block theirs."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from typing import Any, TypeVar

T = TypeVar("T")


class Elsewhere:
    """`with elsewhere(server) as entered` enters *server* in the thread's loop, and leaves it there."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    def wait(self, work: Coroutine[Any, Any, T]) -> T:
        """What *work* returns in the thread's loop."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    @contextmanager
    def __call__(self, server: AbstractAsyncContextManager[T]) -> Iterator[T]:
        entered = self.wait(_enter(server))
        try:
            yield entered
        finally:
            self.wait(_leave(server))


async def _enter(server: AbstractAsyncContextManager[T]) -> T:
    return await server.__aenter__()


async def _leave(server: AbstractAsyncContextManager[Any]) -> None:
    await server.__aexit__(None, None, None)


@contextmanager
def thread() -> Iterator[Elsewhere]:
    loop = asyncio.new_event_loop()
    running = threading.Thread(target=loop.run_forever, name="elsewhere")
    running.start()
    try:
        yield Elsewhere(loop)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        running.join()
        loop.close()
