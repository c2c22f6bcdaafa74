"""`doorkey serve`: runs the local service until it is stopped."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import click

from doorkey.cli.banner import Banner
from doorkey.cli.options import config_option, headed_option, json_option
from doorkey.cli.run import Terminated, run
from doorkey.cli.terminal import is_terminal

if TYPE_CHECKING:
    import ssl

    from aiohttp import web

    from doorkey.clock import Clock
    from doorkey.config.settings import ServiceSettings, Settings
    from doorkey.runtime import Runtime
    from doorkey.service.key import ChosenKey
    from doorkey.service.workers.channel import Channel
    from doorkey.service.workers.place import Place

log = logging.getLogger(__name__)


@click.command()
@click.option("--host", help="The address to listen on (default: service.host).")
@click.option("--port", type=click.IntRange(0, 65535), help="The port; 0 means any free port (default: service.port).")
@click.option(
    "--key", help="The key that clients must send. Safer in DOORKEY_SERVICE__KEY: others can see a command line."
)
@click.option("--socket", type=click.Path(path_type=Path), help="Listen on this Unix socket instead.")
@click.option(
    "--workers",
    type=click.IntRange(1, 64),
    help="Processes that serve, to use as many of the machine's cores (default: service.workers, 1).",
)
@click.option("--no-key", is_flag=True, help="Require no key; only on a loopback address.")
@headed_option
@json_option
@config_option
def serve(
    host: str | None,
    port: int | None,
    socket: Path | None,
    key: str | None,
    workers: int | None,
    no_key: bool,
    headed: bool,
    as_json: bool,
    config: Path | None,
) -> None:
    """Serve the configured sites to other programs: web sites under /site/NAME/, chats in the shape of OpenAI's API.

    Prints the address, the key or its file, and a command to try; with --json, one line for the program that started
    it. Serves until Ctrl-C or SIGTERM: requests under way then have service.drain seconds to end, and a second signal
    ends the process at once. Changed settings are taken over while it runs. A browser starts only when a request needs
    one.

    \b
    Examples:
      doorkey serve
      doorkey serve --port 9000 --no-key
      doorkey serve --workers 2
      DOORKEY_SERVICE__PLAIN_HTTP=true doorkey serve --host 0.0.0.0
    """
    if key is not None and no_key:
        raise click.UsageError("--key and --no-key exclude each other")
    gc.disable()  # until `calm_collector`: what a start makes stays, so that to look for garbage takes time for nothing
    from doorkey.config.settings import Settings

    given = (("host", host), ("port", port), ("socket", socket), ("key", key), ("workers", workers))
    overrides = {name: value for name, value in given if value is not None}

    def load() -> Settings:
        return Settings.load(config, service=overrides)

    options = Options(load, config, no_key=no_key, headed=headed, as_json=as_json)
    prepared = prepare(load(), options)
    if prepared.settings.service.workers == 1:
        serving = _serve(prepared, options)
    else:
        from doorkey.cli.workers import become_worker

        worker = become_worker(prepared, options)
        if isinstance(worker, int):
            raise click.exceptions.Exit(worker)
        serving = _serve(worker.prepared, options, worker)
    try:
        run(serving)
    except Terminated:
        return  # a service that was told to end, and did, has not failed


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line says. `load` reads the settings, those of the command line included."""

    load: Callable[[], Settings]
    config: Path | None
    no_key: bool
    headed: bool
    as_json: bool

    def files(self, settings: Settings) -> Iterator[Path]:
        """Yield the files whose change changes the service. Some may not exist."""
        from doorkey.config.settings import FILE, config_dirs

        yield from [self.config] if self.config is not None else [folder / FILE for folder in config_dirs()]
        certificates = (settings.service.certificate, settings.service.certificate_key)
        yield from (path for path in certificates if path is not None)


@dataclass(frozen=True, slots=True)
class Prepared:
    """What the settings make of a service. `settings` are without the sites that can't be used, whose faults are in
    `broken`. `tls` stays for the service's whole life; its certificate may change.
    """

    settings: Settings
    broken: dict[str, str]
    key: ChosenKey
    tls: ssl.SSLContext | None


@dataclass(frozen=True, slots=True)
class Worker:
    """What a worker process begins with. `first`: no worker of this service has served before."""

    prepared: Prepared
    place: Place
    channel: Channel
    first: bool


def prepare(settings: Settings, options: Options, before: Prepared | None = None) -> Prepared:
    """Check *settings*, which take the place of those *before*. Raises ConfigurationError if they can't be served."""
    from doorkey.config.registry import leave_out_broken
    from doorkey.service.key import check_exposure, the_key
    from doorkey.service.listening import load_certificate, make_tls

    if before is None:
        choose_log_format(settings.service)
    usable, broken = leave_out_broken(settings)
    for name, fault in broken.items():
        log.error("the site %s is left out: %s", name, fault)
    key = the_key(usable.service, no_key=options.no_key)
    if before is None:
        check_exposure(usable.service)
        tls = make_tls(usable.service)
    else:
        tls = before.tls
        if tls is not None:
            load_certificate(tls, usable.service)
    return Prepared(usable, broken, key, tls)


async def _serve(prepared: Prepared, options: Options, worker: Worker | None = None) -> None:
    from doorkey.accounts.confirmations import Confirmations
    from doorkey.agents.hosting import HostedTools
    from doorkey.config.settings import confirmations_dir
    from doorkey.runtime import Runtime
    from doorkey.service.app import adopt, build_app, calm_collector, serve
    from doorkey.service.sites import BROKEN
    from doorkey.service.workers.place import Place

    settings, service = prepared.settings, prepared.settings.service
    place = Place.alone() if worker is None else worker.place

    def take_over(changed: Settings) -> None:
        now = prepare(changed, options, prepared)
        runtime.adopt(now.settings)
        adopt(app, now.settings.service, now.key.value)
        app[BROKEN].clear()
        app[BROKEN].update(now.broken)

    async with Runtime(settings, headed=options.headed, paused=place.memory.paused) as runtime:
        tools = HostedTools(runtime, lambda: Confirmations(confirmations_dir(), runtime.clock))
        app = build_app(runtime, service=service, key=prepared.key.value, place=place, agents=tools.app_of)
        app.on_cleanup.append(tools.close)
        runtime.pool.handovers.offered = service.live_view
        app[BROKEN].update(prepared.broken)
        async with serve(
            app, service.host, service.port, socket=service.socket, channel=worker.channel if worker else None,
            tls=prepared.tls, shutdown=service.drain,
        ) as base:  # fmt: skip
            if worker is None or worker.first:
                await _print_banner(base, app, runtime, prepared, as_json=options.as_json)
            calm_collector()
            serves_others = settings.role == "all" and settings.store.url != "memory://" and place.number == 0
            visits = asyncio.create_task(runtime.serve_visits()) if serves_others else None
            try:
                if worker is None:
                    await _reload_until_ended(settings, options, take_over, runtime.clock)
                else:
                    await _reload_when_told(worker, options, take_over)
            finally:
                if visits is not None:
                    visits.cancel()
                    await asyncio.gather(visits, return_exceptions=True)


async def _print_banner(
    base: str, app: web.Application, runtime: Runtime, prepared: Prepared, *, as_json: bool
) -> None:
    from doorkey.service.app import RULES

    key = prepared.key
    await runtime.known()
    banner = Banner(
        base=base,
        key=key.shown,
        asks_key=key.value is not None,
        file=_key_file(prepared.settings.service) if key.value is not None else None,
        models=runtime.models(),
        pages={name: urlsplit(site.url).path or "/" for name, site in runtime.sites.items()},
        without_sites=prepared.settings.sources.explain_no_sites(),
        dashboard="/" if key.value is None else app[RULES].viewers.make_link(None),
    )
    click.echo(banner.as_json() if as_json else banner.as_text())


def choose_log_format(service: ServiceSettings, worker: int | None = None) -> None:
    """Let the log have the form that the settings want. Lines of a worker carry its number."""
    from doorkey.service.log_format import JsonFormatter, TextFormatter

    as_text = service.log == "text" or (service.log == "auto" and is_terminal(sys.stderr))
    for handler in logging.getLogger().handlers:
        if isinstance(handler, logging.StreamHandler) and handler.stream is sys.stderr:
            handler.setFormatter(TextFormatter(worker) if as_text else JsonFormatter(worker))


async def _reload_until_ended(
    settings: Settings, options: Options, take_over: Callable[[Settings], None], clock: Clock
) -> None:
    """Take changed settings over: on SIGHUP, and when their file or the certificate's changes.

    On a terminal SIGHUP says that the terminal is gone, and ends the service as for every command.
    """
    from doorkey.service.reload import Reloader

    reloader = Reloader(settings, load=options.load, adopt=take_over, files=options.files, clock=clock)
    if not is_terminal(sys.stderr) and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, reloader.reload)
    await reloader.watch()


async def _reload_when_told(worker: Worker, options: Options, take_over: Callable[[Settings], None]) -> None:
    """Take changed settings over on SIGHUP, which the supervisor sends once it has checked them."""
    from doorkey.errors import ConfigurationError

    def reload() -> None:
        try:
            take_over(options.load())
        except ConfigurationError as error:
            log.error("the changed settings are not taken over: %s", error)  # noqa: TRY400 - the user's fault, not ours

    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, reload)
    worker.channel.tell_ready()
    await asyncio.Event().wait()


def _key_file(service: ServiceSettings) -> Path | None:
    from doorkey.config.settings import state_dir
    from doorkey.service.key import KEY_FILE

    return state_dir() / KEY_FILE if service.key is None else None
