"""`doorkey serve`: runs the local service until it is stopped."""

from __future__ import annotations

import asyncio
import json
import logging
import shlex
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import click

from doorkey.cli.options import config_option, headed_option, json_option
from doorkey.cli.run import Terminated, run
from doorkey.cli.terminal import is_terminal

if TYPE_CHECKING:
    from doorkey.clock import Clock
    from doorkey.config.settings import ServiceSettings, Settings

log = logging.getLogger(__name__)

WILDCARDS = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}  # noqa: S104 - compared, not listened on
"""Addresses that mean "all interfaces", each with one that a client on this machine can call."""


@click.command()
@click.option("--host", help="The address to listen on (default: service.host).")
@click.option("--port", type=click.IntRange(0, 65535), help="The port; 0 means any free port (default: service.port).")
@click.option(
    "--key", help="The key that clients must send. Safer in DOORKEY_SERVICE__KEY: others can see a command line."
)
@click.option("--socket", type=click.Path(path_type=Path), help="Listen on this Unix socket instead.")
@click.option("--no-key", is_flag=True, help="Require no key; only on a loopback address.")
@headed_option
@json_option
@config_option
def serve(
    host: str | None,
    port: int | None,
    socket: Path | None,
    key: str | None,
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
      DOORKEY_SERVICE__PLAIN_HTTP=true doorkey serve --host 0.0.0.0
    """
    if key is not None and no_key:
        raise click.UsageError("--key and --no-key exclude each other")
    from doorkey.config.settings import Settings

    given = (("host", host), ("port", port), ("socket", socket), ("key", key))
    overrides = {name: value for name, value in given if value is not None}

    def load() -> Settings:
        return Settings.load(config, service=overrides)

    try:
        run(_serve(load, config, no_key=no_key, headed=headed, as_json=as_json))
    except Terminated:
        return  # a service that was told to end, and did, has not failed


async def _serve(
    load: Callable[[], Settings], config: Path | None, *, no_key: bool, headed: bool, as_json: bool
) -> None:
    from doorkey.runtime import Runtime
    from doorkey.service.app import RULES, adopt, build_app, calm_collector, serve
    from doorkey.service.key import check_exposure, the_key
    from doorkey.service.listening import load_certificate, make_tls
    from doorkey.service.sites import BROKEN

    loaded = load()
    _choose_log_format(loaded.service)
    settings, broken = _leave_out_broken(loaded)
    service = settings.service
    chosen = the_key(service, no_key=no_key)
    check_exposure(service)
    tls = make_tls(service)

    def take_over(changed: Settings) -> None:
        usable, faults = _leave_out_broken(changed)
        key = the_key(usable.service, no_key=no_key).value
        if tls is not None:
            load_certificate(tls, usable.service)
        runtime.adopt(usable)
        adopt(app, usable.service, key)
        app[BROKEN].clear()
        app[BROKEN].update(faults)

    async with Runtime(settings, headed=headed) as runtime:
        app = build_app(runtime, service=service, key=chosen.value)
        app[BROKEN].update(broken)
        async with serve(
            app, service.host, service.port, socket=service.socket, tls=tls, shutdown=service.drain
        ) as base:
            file = _key_file(service) if chosen.value is not None else None
            await runtime.known()
            banner = Banner(
                base=base,
                key=chosen.shown,
                asks_key=chosen.value is not None,
                file=file,
                models=runtime.models(),
                pages={name: urlsplit(site.url).path or "/" for name, site in runtime.sites.items()},
                without_sites=settings.sources.explain_no_sites(),
                dashboard="/" if chosen.value is None else app[RULES].viewers.make_link(None),
            )
            click.echo(banner.as_json() if as_json else banner.as_text())
            calm_collector()
            serves_others = settings.role == "all" and settings.store.url != "memory://"
            visits = asyncio.create_task(runtime.serve_visits()) if serves_others else None
            try:
                await _reload_until_ended(settings, config, load, take_over, runtime.clock)
            finally:
                if visits is not None:
                    visits.cancel()
                    await asyncio.gather(visits, return_exceptions=True)


def _choose_log_format(service: ServiceSettings) -> None:
    from doorkey.service.log_format import JsonFormatter, TextFormatter

    as_text = service.log == "text" or (service.log == "auto" and is_terminal(sys.stderr))
    for handler in logging.getLogger().handlers:
        if isinstance(handler, logging.StreamHandler) and handler.stream is sys.stderr:
            handler.setFormatter(TextFormatter() if as_text else JsonFormatter())


def _leave_out_broken(settings: Settings) -> tuple[Settings, dict[str, str]]:
    """Return the settings that can be served, and the faults of the other sites, which are logged."""
    from doorkey.config.registry import leave_out_broken

    usable, faults = leave_out_broken(settings)
    for name, fault in faults.items():
        log.error("the site %s is left out: %s", name, fault)
    return usable, faults


async def _reload_until_ended(
    settings: Settings,
    config: Path | None,
    load: Callable[[], Settings],
    take_over: Callable[[Settings], None],
    clock: Clock,
) -> None:
    """Take changed settings over: on SIGHUP, and when their file or the certificate's changes.

    On a terminal SIGHUP says that the terminal is gone, and ends the service as for every command.
    """
    from doorkey.config.settings import FILE, config_dirs
    from doorkey.service.reload import Reloader

    def files(settings: Settings) -> Iterator[Path]:
        yield from [config] if config is not None else [folder / FILE for folder in config_dirs()]
        certificates = (settings.service.certificate, settings.service.certificate_key)
        yield from (path for path in certificates if path is not None)

    reloader = Reloader(settings, load=load, adopt=take_over, files=files, clock=clock)
    if not is_terminal(sys.stderr) and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, reloader.reload)
    await reloader.watch()


def _key_file(service: ServiceSettings) -> Path | None:
    from doorkey.config.settings import state_dir
    from doorkey.service.key import KEY_FILE

    return state_dir() / KEY_FILE if service.key is None else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Banner:
    """What a caller needs to know.

    `key` is a sentence about the key, and `file` is where it is stored. `pages` are the paths of the sites' pages.
    `without_sites` is printed if there is no site. `dashboard` is the path of the dashboard, or of a link to it.
    """

    base: str
    key: str = field(repr=False)
    asks_key: bool
    file: Path | None
    models: tuple[str, ...]
    pages: Mapping[str, str]
    without_sites: str
    dashboard: str = field(repr=False)

    @property
    def socket(self) -> str:
        """The Unix socket that the service listens on, or empty."""
        return self.base.removeprefix("unix:") if self.base.startswith("unix:") else ""

    @property
    def url(self) -> str:
        """The base URL for clients on this machine."""
        base = "http://localhost" if self.socket else self.base
        for wildcard, address in WILDCARDS.items():
            base = base.replace(f"//{wildcard}:", f"//{address}:")
        return base

    def as_json(self) -> str:
        """One line of JSON, without the key itself. `key_file` is null if the key was given by the user."""
        return json.dumps(
            {
                "base_url": f"{self.url}/v1",
                **({"socket": self.socket} if self.socket else {}),
                "key": self.asks_key,
                "key_file": str(self.file) if self.file else None,
                "models": self.models,
            }
        )

    def as_text(self) -> str:
        lines = [f"doorkey serves at  {self.base}", f"key                {self.key}"]
        if not self.socket:
            once = "  (opens once, for 10 minutes; `doorkey dashboard` makes another)" if self.asks_key else ""
            lines.append(f"dashboard          {self.url}{self.dashboard}{once}")
        if not self.pages:
            return "\n".join([*lines, self.without_sites])
        lines.append(f"sites              {', '.join(self.pages)}")
        if self.models:
            lines.append(f"models             {', '.join(self.models)}  (OpenAI's API at {self.url}/v1)")
        return "\n".join([*lines, "", "try it:", *(f"  {sample}" for sample in self.samples()), "", "Ctrl-C ends it."])

    def samples(self) -> Iterator[str]:
        """Commands to paste into a shell. They read a key of the user's own from $KEY."""
        options = f" --unix-socket {shlex.quote(self.socket)}" if self.socket else ""
        if self.asks_key:
            key = f"$(cat {shlex.quote(str(self.file))})" if self.file else "$KEY"
            options += f' -H "Authorization: Bearer {key}"'
        name, path = next(iter(self.pages.items()))
        yield f"curl{options} {shlex.quote(f'{self.url}/site/{name}{path}')}"
        if self.models:
            yield curl(self.url, options, self.models[0])


def curl(base: str, options: str, model: str) -> str:
    """A command that asks *model* for a streamed answer. *options* are curl's, for the key and the socket."""
    body = json.dumps({"model": model, "messages": [{"role": "user", "content": "Hello"}], "stream": True})
    return f"curl -N {base}/v1/chat/completions{options} -H 'Content-Type: application/json' -d {shlex.quote(body)}"
