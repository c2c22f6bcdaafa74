"""`doorkey serve`: runs the local service until it is stopped."""

from __future__ import annotations

import asyncio
import json
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import click

from doorkey.cli.options import config_option, headed_option, json_option
from doorkey.cli.run import Terminated, run

if TYPE_CHECKING:
    from doorkey.config.settings import ServiceSettings, Settings

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
    ends the process at once. A browser starts only when a request needs one.

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
    try:
        run(_serve(Settings.load(config, service=overrides), no_key=no_key, headed=headed, as_json=as_json))
    except Terminated:
        return  # a service that was told to end, and did, has not failed


async def _serve(settings: Settings, *, no_key: bool, headed: bool, as_json: bool) -> None:
    from doorkey.runtime import Runtime
    from doorkey.service.app import build_app, calm_collector, serve
    from doorkey.service.key import check_exposure, the_key
    from doorkey.service.listening import make_tls

    service = settings.service
    chosen = the_key(service, no_key=no_key)
    check_exposure(service)
    tls = make_tls(service)
    async with Runtime(settings, headed=headed) as runtime:
        app = build_app(runtime, service=service, key=chosen.value)
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
            )
            click.echo(banner.as_json() if as_json else banner.as_text())
            calm_collector()
            await asyncio.Event().wait()


def _key_file(service: ServiceSettings) -> Path | None:
    from doorkey.config.settings import state_dir
    from doorkey.service.key import KEY_FILE

    return state_dir() / KEY_FILE if service.key is None else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Banner:
    """What a caller needs to know.

    `key` is a sentence about the key, and `file` is where it is stored. `pages` are the paths of the sites' pages.
    `without_sites` is printed if there is no site.
    """

    base: str
    key: str = field(repr=False)
    asks_key: bool
    file: Path | None
    models: tuple[str, ...]
    pages: Mapping[str, str]
    without_sites: str

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
