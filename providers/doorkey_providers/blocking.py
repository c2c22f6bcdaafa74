"""Asynchronous pieces for callers that are not: iterated on a thread and an event loop of their own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, suppress
from queue import SimpleQueue
from typing import Any, TypeVar

T = TypeVar("T")


def on_own_thread(pieces: AsyncGenerator[T, None]) -> Generator[T, None, None]:
    """*pieces* as they come, and the exception that ends them. Nothing starts before the first is asked for.

    Works in any thread, inside a running event loop too, which stands still meanwhile. Closing this generator, or an
    exception in the thread that waits for it, cancels *pieces*; either returns only once their thread has ended.
    """
    come: SimpleQueue[tuple[T, ...]] = SimpleQueue()
    running: SimpleQueue[asyncio.Task[Any] | None] = SimpleQueue()

    async def pump() -> None:
        running.put(asyncio.current_task())
        async with aclosing(pieces):
            async for piece in pieces:
                come.put((piece,))

    def end(_: object) -> None:
        come.put(())
        running.put(None)

    with ThreadPoolExecutor(1, "doorkey") as thread:
        ended = thread.submit(lambda: asyncio.run(pump()))
        ended.add_done_callback(end)
        try:
            while piece := come.get():
                yield from piece
            ended.result()
        finally:
            task = None if ended.done() else running.get()
            if task is not None:
                with suppress(RuntimeError):  # the loop was closed in between: all has ended by itself
                    task.get_loop().call_soon_threadsafe(task.cancel)
