"""`doorkey serve`: the local service, until it is told to stop."""

from __future__ import annotations

import asyncio
import json
import shlex
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import click

from doorkey.cli.options import config_option, headed_option, json_option
from doorkey.cli.run import run

if TYPE_CHECKING:
    from doorkey.config.settings import ServiceSettings, Settings

WILDCARDS = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}  # noqa: S104 - told apart, not listened on
"""Addresses that mean "all of mine", and one that a client can call."""


@click.command()
@click.option("--host", help="The address to listen on (default: service.host).")
@click.option("--port", type=click.IntRange(0, 65535), help="The port; 0 takes a free one (default: service.port).")
@click.option("--key", help="The key that clients send; better DOORKEY_SERVICE__KEY: a command line can be seen.")
@click.option("--no-key", is_flag=True, help="Ask for no key; only on a loopback address.")
@headed_option
@json_option
@config_option
def serve(
    host: str | None,
    port: int | None,
    key: str | None,
    no_key: bool,
    headed: bool,
    as_json: bool,
    config: Path | None,
) -> None:
    """Serve the configured sites to other programs, in OpenAI's shape.

    Prints where it listens, the key and a call to try (with --json: one line, for the program that started it), then
    serves until Ctrl-C or SIGTERM. No browser is started before a request needs one.

    \b
    Examples:
      doorkey serve
      doorkey serve --port 9000 --no-key
      DOORKEY_SERVICE__KEY=... doorkey serve --host 0.0.0.0
    """
    if key is not None and no_key:
        raise click.UsageError("--key and --no-key exclude each other")
    from doorkey.config.settings import Settings

    overrides = {name: value for name, value in (("host", host), ("port", port), ("key", key)) if value is not None}
    run(_served(Settings.load(config, service=overrides), no_key=no_key, headed=headed, as_json=as_json))


async def _served(settings: Settings, *, no_key: bool, headed: bool, as_json: bool) -> None:
    from doorkey.runtime import Runtime
    from doorkey.service.app import build_app, calm_collector, serve
    from doorkey.service.key import the_key

    service = settings.service
    chosen = the_key(service, no_key=no_key)
    async with Runtime(settings, headed=headed) as runtime:
        app = build_app(runtime, service=service, key=chosen.value)
        async with serve(app, service.host, service.port) as base:
            file = _key_file(service) if chosen.value is not None else None
            await runtime.known()
            placard = Placard(
                base, chosen.shown, chosen.value is not None, file, runtime.models(), tuple(runtime.sites)
            )
            click.echo(placard.as_json() if as_json else placard.as_text())
            calm_collector()
            await asyncio.Event().wait()


def _key_file(service: ServiceSettings) -> Path | None:
    from doorkey.config.settings import state_dir
    from doorkey.service.key import KEY_FILE

    return state_dir() / KEY_FILE if service.key is None else None


@dataclass(frozen=True, slots=True)
class Placard:
    """What a person, or a program, has to know to call the service. `key` is a sentence, `file` where the key lies."""

    base: str
    key: str = field(repr=False)
    asks_key: bool
    file: Path | None
    models: tuple[str, ...]
    sites: tuple[str, ...] = ()

    def as_json(self) -> str:
        """One line. The key itself is never in it: `key_file` says where to read it; null when it was given."""
        return json.dumps(
            {
                "base_url": f"{self.base}/v1",
                "key": self.asks_key,
                "key_file": str(self.file) if self.file else None,
                "models": self.models,
            }
        )

    def as_text(self) -> str:
        lines = [f"doorkey serves at  {self.base}/v1", f"key                {self.key}"]
        if self.sites and not self.models:
            return "\n".join(
                [*lines, f"sites              {', '.join(self.sites)}, each behind {self.base}/site/NAME/"]
            )
        if not self.models:
            return "\n".join(
                [*lines, "no site is configured yet: name one in doorkey.toml (see `doorkey config check`)"]
            )
        lines += [f"models             {', '.join(self.models)}", "", "try it:", f"  {self.sample()}"]
        return "\n".join([*lines, "", "Ctrl-C ends it."])

    def sample(self) -> str:
        """A call that can be pasted into a shell; a key that was given is to be in $KEY there."""
        bearer = ""
        if self.asks_key:
            key = f"$(cat {shlex.quote(str(self.file))})" if self.file else "$KEY"
            bearer = f' -H "Authorization: Bearer {key}"'
        base = self.base
        for wildcard, address in WILDCARDS.items():
            base = base.replace(f"//{wildcard}:", f"//{address}:")
        return curl(base, bearer, self.models[0])


def curl(base: str, bearer: str, model: str) -> str:
    """The command that asks *model* for a streamed answer; *bearer* is curl's option for the key, or empty."""
    body = json.dumps({"model": model, "messages": [{"role": "user", "content": "Hello"}], "stream": True})
    return f"curl -N {base}/v1/chat/completions{bearer} -H 'Content-Type: application/json' -d {shlex.quote(body)}"
