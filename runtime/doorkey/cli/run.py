"""A command's asynchronous work, taken down in order whichever way it ends."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")
ENDINGS = (signal.SIGTERM, signal.SIGHUP)


def run(work: Coroutine[Any, Any, T]) -> T:
    """The work's result. SIGTERM and SIGHUP end it as Ctrl-C does: what it started is taken down first.

    One that the process was started to ignore (SIGHUP, by nohup) stays ignored. A second signal
    ends it at once. Raises KeyboardInterrupt after any of them.
    """

    async def ended_by_signal() -> T:
        task = asyncio.current_task()
        assert task is not None
        loop = asyncio.get_running_loop()

        heeded = [number for number in ENDINGS if signal.getsignal(number) is not signal.SIG_IGN]

        def end() -> None:
            for number in heeded:
                loop.remove_signal_handler(number)
            task.cancel()

        for number in heeded:
            loop.add_signal_handler(number, end)
        return await work

    try:
        return asyncio.run(ended_by_signal())
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None
