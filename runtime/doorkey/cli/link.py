"""The live view of one page, served by a command until the person is done."""

from __future__ import annotations

import asyncio
import os
import stat
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self, TypeVar
from urllib.parse import urlsplit

import click

if TYPE_CHECKING:
    from doorkey.browser.live_view.handovers import Handovers
    from doorkey.config.settings import ServiceSettings
    from doorkey.runtime import Runtime

T = TypeVar("T")
PORT = 8788
"""The port on which a link is served: a fixed one, so that it can be forwarded."""


@dataclass(frozen=True, slots=True)
class LinkPlace:
    """Where the live view of a login is served: the service's settings, with this address and port."""

    service: ServiceSettings

    @classmethod
    def of(cls, service: ServiceSettings, host: str | None, port: int | None) -> Self:
        place = {"host": host or "127.0.0.1", "port": PORT if port is None else port}
        return cls(service.model_copy(update=place))


async def serve_link(
    runtime: Runtime, site: str, place: LinkPlace, what: str, work: Callable[[Handovers], Awaitable[T]]
) -> T:
    """Serve the live view of *work* until it is done, and say *what* to do there. Each Enter prints another link."""
    from doorkey.browser.live_view.handovers import Handovers
    from doorkey.service.app import RULES, serve
    from doorkey.service.listening import make_tls
    from doorkey.service.live_view.app import build_view_app

    handovers = Handovers(runtime.clock, most=1)
    app = build_view_app(site, handovers, place.service, runtime.clock)
    async with serve(app, place.service.host, place.service.port, tls=make_tls(place.service), shutdown=1.0) as base:

        def tell() -> None:
            if handovers.list():
                click.echo(_explain_link(f"{base}{app[RULES].viewers.make_link(None)}", what), err=True)

        handovers.on_change.append(tell)
        with watch_input() as asked:
            again = asyncio.create_task(_tell_again(asked, tell))
            try:
                return await work(handovers)
            finally:
                again.cancel()
                await asyncio.gather(again, return_exceptions=True)


async def _tell_again(asked: asyncio.Event, tell: Callable[[], None]) -> None:
    while True:
        await asked.wait()
        asked.clear()
        tell()


def _explain_link(link: str, what: str) -> str:
    return (
        f"{what} in any browser: {link}\n"
        "The link works once, for 10 minutes; press Enter here for another. From another machine, forward the port "
        f"first: ssh -L {urlsplit(link).port}:127.0.0.1:{urlsplit(link).port} THIS_MACHINE (docs/login.md)"
    )


@contextmanager
def watch_input() -> Iterator[asyncio.Event]:
    """Yield an event that is set when a line arrives on standard input, if that is a terminal, a pipe or a socket."""
    done = asyncio.Event()
    loop = asyncio.get_running_loop()
    number = sys.stdin.fileno() if sys.stdin is not None and not sys.stdin.closed else -1
    mode = os.fstat(number).st_mode if number >= 0 else 0
    if not (stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or (number >= 0 and os.isatty(number))):
        yield done
        return

    def came() -> None:
        line = os.read(number, 4096)
        if not line:
            loop.remove_reader(number)
        elif b"\n" in line:
            done.set()

    loop.add_reader(number, came)
    try:
        yield done
    finally:
        loop.remove_reader(number)
