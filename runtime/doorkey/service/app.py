"""The service put together, and the socket it listens on."""

from __future__ import annotations

import errno
import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from aiohttp import web

from doorkey.clock import Clock, SystemClock
from doorkey.errors import ConfigurationError
from doorkey.service.chat import chat_routes
from doorkey.service.client_writer import UNREAD
from doorkey.service.door import door_routes
from doorkey.service.images import image_routes
from doorkey.service.key import is_loopback
from doorkey.service.middleware import BODY_LIMIT, guard, sign
from doorkey.service.models import model_routes
from doorkey.service.sites import site_routes

if TYPE_CHECKING:
    from doorkey.config.settings import ServiceSettings
    from doorkey.runtime import Runtime

SHUTDOWN = 2.0
"""Seconds that answers under way are given when the service ends."""
COLLECTED = 20_000
"""Objects made since the last look for garbage: many requests under way hold more than Python's 700, alive all."""


def build_app(
    runtime: Runtime, *, service: ServiceSettings, key: str | None, clock: Clock | None = None, unread: float = UNREAD
) -> web.Application:
    """The service over *runtime*; *key* None asks for none, *unread* is the seconds that a client may read nothing.

    Raises ConfigurationError for no key on an open address.
    """
    if key is None and not is_loopback(service.host):
        raise ConfigurationError(f"service.host is {service.host}: a service that others can reach needs a key")
    clock = clock or SystemClock()
    app = web.Application(
        client_max_size=BODY_LIMIT,
        middlewares=[guard(hosts=service.hosts, origins=service.origins, key=key)],
    )
    app.on_response_prepare.append(sign)
    app.add_routes(chat_routes(runtime, clock, unread))
    app.add_routes(image_routes(runtime, clock))
    app.add_routes(model_routes(runtime, clock))
    app.add_routes(site_routes(runtime))
    app.add_routes(door_routes(runtime, unread))
    return app


def calm_collector() -> None:
    """Look for cyclic garbage less often, and not through what is here now: for a process that only serves."""
    gc.freeze()
    gc.set_threshold(COLLECTED)


@asynccontextmanager
async def serve(app: web.Application, host: str, port: int) -> AsyncIterator[str]:
    """Listen, and yield the base URL. Port 0 takes a free one. Raises ConfigurationError when there is no listening."""
    # handler_cancellation: a client that leaves ends what is done for it, up to the site.
    # auto_decompress: the door passes bodies on as they come.
    runner = web.AppRunner(
        app, handler_cancellation=True, access_log=None, shutdown_timeout=SHUTDOWN, auto_decompress=False
    )
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, host, port).start()
        except OSError as error:
            raise ConfigurationError(_unheard(error, host, port)) from error
        bound = runner.addresses[0][1]
        yield f"http://{f'[{host}]' if ':' in host else host}:{bound}"
    finally:
        await runner.cleanup()


def _unheard(error: OSError, host: str, port: int) -> str:
    match error.errno:
        case errno.EADDRINUSE:
            return f"port {port} on {host} is taken by another program; choose another with --port or service.port"
        case errno.EACCES:
            return f"port {port} may not be used by this user; choose one above 1023 with --port or service.port"
        case _:
            return f"{host}:{port} can't be listened on ({error.__class__.__name__}); see service.host and service.port"
