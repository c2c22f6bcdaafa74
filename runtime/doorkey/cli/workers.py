"""Starts the worker processes of `doorkey serve --workers`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from doorkey.cli.serve import Options, Prepared, Worker, choose_log_format, prepare
from doorkey.cli.terminal import is_terminal
from doorkey.clock import SystemClock
from doorkey.errors import ConfigurationError
from doorkey.service.app import calm_collector, connection_limit
from doorkey.service.listening import bind
from doorkey.service.reload import Reloader
from doorkey.service.workers.channel import Channel
from doorkey.service.workers.place import Place, SharedMemory
from doorkey.service.workers.supervisor import Supervisor

if TYPE_CHECKING:
    from doorkey.config.settings import Settings


def become_worker(prepared: Prepared, options: Options) -> Worker | int:
    """Run the service's workers until it is stopped, and return the exit code. Each worker process returns, too.

    Changed settings are looked for here; the workers are told of them. Raises ConfigurationError.
    """
    import doorkey.runtime  # noqa: F401 - imported once, before the workers are forked

    service, now = prepared.settings.service, prepared
    if prepared.settings.store.url == "memory://":
        raise ConfigurationError(
            f'service.workers is {service.workers}, and store.url is "memory://": each worker would enter the sites by '
            "itself. Leave store.url out (a file on this machine), name another store, or set service.workers = 1"
        )

    def adopt(changed: Settings) -> None:
        nonlocal now
        now = prepare(changed, options, now)
        supervisor.reload_workers()

    connection_limit()
    memory = SharedMemory.make(service.workers)
    reloader = Reloader(prepared.settings, load=options.load, adopt=adopt, files=options.files, clock=SystemClock())
    with bind(service) as (listeners, base):
        supervisor = Supervisor(
            listeners,
            memory,
            check_files=reloader.check_files,
            reload=None if is_terminal(sys.stderr) else reloader.reload,
            drain=service.drain,
        )
        calm_collector()  # before the fork: the workers share what exists now
        seat = supervisor.run()
        if isinstance(seat, int):
            return seat
        choose_log_format(now.settings.service, seat.number + 1)
        return Worker(now, Place(seat.number, memory), Channel(seat.channel, base), seat.first)
