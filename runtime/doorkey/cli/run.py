"""Runs a command's coroutine and cleans up on signals."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class Terminated(KeyboardInterrupt):
    """SIGTERM or SIGHUP ended the work, and all of it was taken down in order."""


ENDINGS = (signal.SIGTERM, signal.SIGHUP)


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run *work* and return its result.

    SIGTERM and SIGHUP cancel it as Ctrl-C does, so that browsers and servers are shut down first; a second signal ends
    the process at once. A signal that was ignored at the start (SIGHUP under nohup) stays ignored. Raises
    Terminated after SIGTERM and SIGHUP, KeyboardInterrupt after Ctrl-C.
    """

    async def run_until_signal() -> T:
        task = asyncio.current_task()
        assert task is not None
        loop = asyncio.get_running_loop()

        handled = [number for number in ENDINGS if signal.getsignal(number) is not signal.SIG_IGN]

        def end() -> None:
            for number in handled:
                loop.remove_signal_handler(number)
            task.cancel()

        for number in handled:
            loop.add_signal_handler(number, end)
        return await work

    try:
        return asyncio.run(run_until_signal())
    except asyncio.CancelledError:
        raise Terminated from None
