"""Lets synchronous callers iterate over an asynchronous generator, on a thread with its own event loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, suppress
from queue import SimpleQueue
from typing import Any, TypeVar

T = TypeVar("T")


def iterate_in_thread(pieces: AsyncGenerator[T, None]) -> Generator[T, None, None]:
    """Yield *pieces* as they come, and raise the exception that ends them. Nothing starts before the first `next`.

    Works in any thread, also inside a running event loop, which it blocks. *pieces* are cancelled when this generator
    is closed, or when the waiting thread gets an exception; both return only once the thread of *pieces* has ended.
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
                with suppress(RuntimeError):  # the loop was closed meanwhile, so everything has ended
                    task.get_loop().call_soon_threadsafe(task.cancel)
