"""`python -m doorkey_providers.twins [--port-base 8090]`: serves all four twins until it is stopped."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from contextlib import AsyncExitStack

from doorkey_providers.twins.aichat import AichatTwin
from doorkey_providers.twins.aichats import AiChatsTwin
from doorkey_providers.twins.twin import Twin
from doorkey_providers.twins.wordpress import ChatgptFreeTwin, ChatGpttTwin

TWINS: tuple[type[Twin], ...] = (AichatTwin, AiChatsTwin, ChatGpttTwin, ChatgptFreeTwin)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m doorkey_providers.twins", description=__doc__)
    parser.add_argument(
        "--port-base",
        type=int,
        default=8090,
        help="the first of four ports in a row; 0 takes free ones (default: 8090)",
    )
    base = parser.parse_args().port_base
    try:
        asyncio.run(serve(base))
    except OSError as failed:
        sys.stderr.write(f"the twins can't listen: {failed}. Choose other ports with --port-base, or 0 for free ones\n")
        return 1
    return 0


async def serve(base: int) -> None:
    """Serve the twins on loopback, and return after SIGINT or SIGTERM."""
    told = asyncio.Event()
    for stop in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(stop, told.set)
    async with AsyncExitStack() as serving:
        for at, kind in enumerate(TWINS):
            twin = kind()
            await twin.start(port=base + at if base else 0)
            serving.push_async_callback(twin.stop)
            sys.stdout.write(f"{twin.name} {twin.url}\n")
        sys.stdout.flush()
        await told.wait()


if __name__ == "__main__":
    sys.exit(main())
