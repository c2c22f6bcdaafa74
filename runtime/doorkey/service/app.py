"""The service's routes put together, and the socket it listens on."""

from __future__ import annotations

import asyncio
import gc
import resource
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http import RawRequestMessage
from aiohttp.streams import StreamReader

from doorkey.accounts.confirmations import Confirmations
from doorkey.clock import Clock, SystemClock
from doorkey.config.settings import confirmations_dir
from doorkey.errors import ConfigurationError
from doorkey.service.access import KeyRing
from doorkey.service.additions.additions import Additions
from doorkey.service.additions.board import Board
from doorkey.service.additions.routes import addition_routes
from doorkey.service.admission import Rules
from doorkey.service.agents import AppOf, agent_routes
from doorkey.service.anthropic import anthropic_routes
from doorkey.service.byte_writer import ByteWriter
from doorkey.service.client_writer import UNREAD
from doorkey.service.confirmations import confirmation_routes
from doorkey.service.connection import HEAD, STALLED, Connection, Connections
from doorkey.service.dashboard.dashboard import Dashboard
from doorkey.service.dashboard.history import History
from doorkey.service.dashboard.person_visits import PersonVisits, person_visit_routes
from doorkey.service.dashboard.routes import dashboard_routes
from doorkey.service.dashboard.viewers import Viewers
from doorkey.service.door import door_routes
from doorkey.service.images import image_routes
from doorkey.service.key import is_exposed
from doorkey.service.listening import listen_on_address, listen_on_socket
from doorkey.service.live_view.routes import live_view_routes
from doorkey.service.metrics import ServiceMetrics, metric_routes
from doorkey.service.middleware import BASE_PATH, BODY_LIMIT, guard, normalize, sign
from doorkey.service.models import model_routes
from doorkey.service.openai import chat_routes
from doorkey.service.openapi import document_routes
from doorkey.service.readiness import readiness_routes
from doorkey.service.responses import responses_routes
from doorkey.service.running import RunningRequests
from doorkey.service.session import session_routes
from doorkey.service.sites import BROKEN, site_routes
from doorkey.service.workers.channel import Channel, listen_on_channel
from doorkey.service.workers.place import Place
from doorkey.service.workers.shared_views import SharedViews
from doorkey.service.workers.whole_service import WholeService

if TYPE_CHECKING:
    from doorkey.config.settings import ServiceSettings
    from doorkey.runtime import Runtime

SHUTDOWN = 25.0
"""Seconds that requests under way are given to end when the service is stopped."""
COLLECTED = 20_000
"""Objects made between two garbage collections. Python's 700 is too few: requests under way hold more, all of them
alive."""
MOST_CONNECTIONS = 4096
SPARE_DESCRIPTORS = 256
"""File descriptors that are kept for the store, the browser and log files; the others are for connections."""
MOST_DESCRIPTORS = 65536
EXHAUSTED = "socket.accept() out of system resource"
"""What asyncio calls the lack of file descriptors."""
Handler: TypeAlias = Callable[[asyncio.AbstractEventLoop, dict[str, Any]], object]
METRICS = web.AppKey("METRICS", ServiceMetrics)
RULES = web.AppKey("RULES", Rules)
RUNNING = web.AppKey("RUNNING", RunningRequests)


def build_app(
    runtime: Runtime,
    *,
    service: ServiceSettings,
    key: str | None,
    clock: Clock | None = None,
    unread: float = UNREAD,
    confirmations: Confirmations | None = None,
    place: Place | None = None,
    agents: AppOf | None = None,
) -> web.Application:
    """Return the service over *runtime*.

    *key* allows everything; None asks for no key. *unread* is the seconds that a client may leave its answer unread.
    *confirmations* is the queue of what agents wait for; by default the user's. *place* is the worker's that this
    process is; by default it is the only one. *agents* returns the application that answers at `/mcp`.
    Raises ConfigurationError for no key on an address that others can reach.
    """
    clock, place = clock or SystemClock(), place or Place.alone()
    rules, history = Rules(Viewers(clock, place.memory.viewers)), History(clock)
    running = RunningRequests(service.at_once, service.queue, place)
    metrics = ServiceMetrics()
    metrics.gauges.append(lambda: {"requests_under_way": len(running), "requests_waiting": running.waiting})
    app = web.Application(
        client_max_size=BODY_LIMIT,
        middlewares=[guard(rules, running, metrics, history)],
    )
    app[RUNNING] = running
    app[RULES] = rules
    app[BROKEN] = {}
    adopt(app, service, key)
    app[METRICS] = metrics
    app[BASE_PATH] = service.base_path
    whole = WholeService(place, runtime, metrics, history, clock)
    app.cleanup_ctx.append(whole.publish)
    unsubscribe = runtime.events.subscribe(history.on_event, calm=True)

    async def unsubscribe_history(_: web.Application) -> None:
        unsubscribe()

    app.on_cleanup.append(unsubscribe_history)
    app.on_response_prepare.append(sign)
    for route in (
        *chat_routes(runtime, clock, unread),
        *responses_routes(runtime, clock, unread),
        *anthropic_routes(runtime, unread),
        *image_routes(runtime, clock),
        *model_routes(runtime, clock),
    ):
        # Clients whose base URL was given without /v1 leave it out.
        short = web.RouteDef(route.method, route.path.removeprefix("/v1"), route.handler, route.kwargs)
        app.add_routes([route, short])
    app.add_routes(site_routes(whole))
    app.add_routes(session_routes(runtime, whole, clock))
    app.add_routes(confirmation_routes(lambda: confirmations or Confirmations(confirmations_dir(), clock)))
    app.add_routes(agent_routes(agents))
    app.add_routes(document_routes())
    app.add_routes(readiness_routes(runtime, running, clock))
    app.add_routes(metric_routes(runtime, whole))
    app.add_routes(door_routes(runtime, unread))
    additions = Additions(runtime, Board(place.memory.addition, history.tell), clock)
    app.cleanup_ctx.append(additions.end_with)
    dashboard = Dashboard(runtime, rules.viewers, whole, running, clock, additions.board)
    app.add_routes(dashboard_routes(dashboard, unread))
    app.add_routes(addition_routes(additions, rules.viewers))
    visits = PersonVisits(runtime)
    app.cleanup_ctx.append(visits.end_with)
    app.add_routes(person_visit_routes(visits, rules.viewers))
    views = SharedViews(runtime.pool.handovers, whole)
    app.cleanup_ctx.append(views.serve)
    app.add_routes(live_view_routes(views, rules.viewers, running))
    runtime.pool.handovers.on_change.append(history.tell)
    return app


def adopt(app: web.Application, service: ServiceSettings, key: str | None) -> None:
    """Let *app* keep to the hosts, origins, keys and limits of *service* from now on. Raises ConfigurationError."""
    if key is None and is_exposed(service):
        raise ConfigurationError(f"service.host is {service.host}: a service that others can reach needs a key")
    app[RULES].adopt(service.hosts, service.origins, None if key is None else KeyRing(key, service))
    app[RUNNING].adopt(service.at_once, service.queue)


def calm_collector() -> None:
    """Collect cyclic garbage less often, and not among what exists now: for a process that only serves."""
    gc.freeze()
    gc.set_threshold(COLLECTED)
    gc.enable()


@asynccontextmanager
async def serve(
    app: web.Application,
    host: str,
    port: int,
    *,
    socket: Path | None = None,
    channel: Channel | None = None,
    tls: ssl.SSLContext | None = None,
    shutdown: float = SHUTDOWN,
    connections: int | None = None,
    head: float = HEAD,
    stalled: float = STALLED,
) -> AsyncIterator[str]:
    """Listen, and yield the base URL. Port 0 takes a free one. With *socket*, listen there and yield `unix:PATH`. With
    *channel*, take the connections that a supervisor accepts.

    At the end no more requests are accepted; those under way have *shutdown* seconds to end, then they are stopped.
    *connections* is the most to hold at a time (None: as many as file descriptors allow); *head* and *stalled* are as
    `Connections` has them. Raises ConfigurationError when the address can't be listened on.
    """
    # handler_cancellation: a client that leaves ends what is done for it, up to the site.
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=1.0)
    await runner.setup()
    server = runner.server
    assert server is not None
    server.request_factory = _request_factory(server.request_factory, app[BASE_PATH])
    tell_closed = (lambda: None) if channel is None else channel.tell_closed
    opened = Connections(connections or connection_limit(), SystemClock(), head, stalled, tell_closed)
    app[METRICS].gauges.append(lambda: {"connections": len(opened), "connections_refused": opened.refused})
    loop = asyncio.get_running_loop()
    handle_others = loop.get_exception_handler()
    loop.set_exception_handler(_handle_exhaustion(opened, handle_others))
    try:
        if channel is not None:
            listening = listen_on_channel(channel, tls)
        else:
            listening = listen_on_socket(socket) if socket is not None else listen_on_address(host, port, tls)
        async with listening as listen:
            listener, base = await listen(lambda: Connection(server, opened))
            try:
                yield base if base.startswith("unix:") else f"{base}{app[BASE_PATH]}"
            finally:
                listener.close()
                server.pre_shutdown()
                await app[RUNNING].drain(shutdown)
    finally:
        loop.set_exception_handler(handle_others)
        await runner.cleanup()


def _request_factory(make: Any, base_path: str) -> Any:
    """Return aiohttp's maker of requests, with our writer of headers, and what `normalize` takes out."""

    def made(
        message: RawRequestMessage,
        payload: StreamReader,
        protocol: web.RequestHandler,
        writer: AbstractStreamWriter,
        task: asyncio.Task[None],
    ) -> web.BaseRequest:
        message, kept = normalize(message, base_path)
        request: web.BaseRequest = make(message, payload, protocol, ByteWriter(protocol, task.get_loop()), task)
        for name, value in kept.items():
            request[name] = value
        return request

    return made


def _handle_exhaustion(connections: Connections, handle_others: Handler | None) -> Handler:
    """Return a handler of the loop's errors that makes room when no connection can be accepted.

    asyncio calls it a hundred times in a row then, and waits for a second. Its own handler logs each of them.
    """

    def handle(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        if context.get("message") == EXHAUSTED:
            connections.shed()
        elif handle_others is not None:
            handle_others(loop, context)
        else:
            loop.default_exception_handler(context)

    return handle


def connection_limit() -> int:
    """Raise the process's soft limit of file descriptors to its hard one; return how many connections that allows.

    A call of the door takes two: the client's connection and the one to the site.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, MOST_DESCRIPTORS)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        soft = wanted
    usable = MOST_DESCRIPTORS if soft == resource.RLIM_INFINITY else soft
    return max(16, min(MOST_CONNECTIONS, (usable - SPARE_DESCRIPTORS) // 2))
