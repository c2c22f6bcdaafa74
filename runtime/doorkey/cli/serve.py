"""`doorkey serve`: the local service, until it is told to stop."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from doorkey.cli.frame import config_option, headed_option, load, run

if TYPE_CHECKING:
    from doorkey.runtime import Runtime


@click.command()
@click.option("--host", help="The address to listen on (default: service.host).")
@click.option("--port", type=click.IntRange(0, 65535), help="The port; 0 takes a free one (default: service.port).")
@click.option("--key", help="The key that clients send; better DOORKEY_SERVICE__KEY: a command line can be seen.")
@click.option("--no-key", is_flag=True, help="Ask for no key; only on a loopback address.")
@headed_option
@config_option
def serve(host: str | None, port: int | None, key: str | None, no_key: bool, headed: bool, config: Path | None) -> None:
    """Serve the configured sites to other programs, in OpenAI's shape.

    \b
    Examples:
      doorkey serve
      doorkey serve --port 9000 --no-key
      DOORKEY_SERVICE__KEY=... doorkey serve --host 0.0.0.0
    """
    if key and no_key:
        raise click.UsageError("--key and --no-key exclude each other")
    overrides = {name: value for name, value in (("host", host), ("port", port), ("key", key)) if value is not None}
    settings = load(config, service=overrides)

    async def work() -> None:
        from doorkey.runtime import Runtime
        from doorkey.service.app import build_app, serve
        from doorkey.service.key import the_key

        chosen = the_key(settings.service, no_key=no_key)
        async with Runtime(settings, headed=headed) as runtime:
            app = build_app(runtime, service=settings.service, key=chosen.value)
            async with serve(app, settings.service.host, settings.service.port) as base:
                _announce(runtime, base, chosen.value, chosen.shown)
                await asyncio.Event().wait()

    run(work())


def _announce(runtime: Runtime, base: str, key: str | None, shown: str) -> None:
    click.echo(f"doorkey serves at  {base}/v1")
    click.echo(f"key                {shown}")
    models = runtime.models()
    if not models:
        click.echo("no site is configured yet: name one in doorkey.toml (see `doorkey config check`)")
        return
    click.echo(f"models             {', '.join(models)}")
    body = json.dumps({"model": models[0], "messages": [{"role": "user", "content": "Hello"}], "stream": True})
    bearer = ' -H "Authorization: Bearer $KEY"' if key else ""
    click.echo(
        f"\ntry it:\n  curl -N {base}/v1/chat/completions{bearer} -H 'Content-Type: application/json' -d '{body}'"
    )
