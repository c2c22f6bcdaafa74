"""`doorkey mcp`: offers the sites to agents, by the Model Context Protocol."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

import click

from doorkey.cli.options import config_option, headed_option
from doorkey.cli.run import Terminated, run

if TYPE_CHECKING:
    from doorkey.config.settings import Settings

log = logging.getLogger(__name__)
KEY_FILE = "agents.key"
PORT = 8788


@click.command()
@click.option("--http", is_flag=True, help="Listen on 127.0.0.1 (streamable HTTP) instead of standard input.")
@click.option(
    "--port", type=click.IntRange(0, 65535), help=f"The port of --http (default: {PORT}); 0 takes a free one."
)
@headed_option
@config_option
def mcp(http: bool, port: int | None, headed: bool, config: Path | None) -> None:
    """Offer the configured sites to agents as tools of the Model Context Protocol.

    Agents list sites, read their state, call them, ask their chats, and ask you for help. They never see a cookie,
    token or password. They may read; other requests need a rule in the site's `agents.write`, and wait until you
    allow each by `doorkey confirm`. Without --http, an agent's program starts this command and talks to it by standard
    input and output.

    \b
    Examples:
      doorkey mcp
      doorkey mcp --http
      doorkey confirm
    """
    if port is not None and not http:
        raise click.UsageError("--port is for --http")
    from doorkey.config.registry import leave_out_broken
    from doorkey.config.settings import Settings

    settings, broken = leave_out_broken(Settings.load(config))
    for name, fault in broken.items():
        log.error("the site %s is left out: %s", name, fault)
    try:
        run(_serve(settings, port=(PORT if port is None else port) if http else None, headed=headed))
    except Terminated:
        return  # an agent's program ends its servers so


async def _serve(settings: Settings, *, port: int | None, headed: bool) -> None:
    from doorkey.accounts.confirmations import Confirmations
    from doorkey.agents.listening import serve_http
    from doorkey.agents.server import build_server
    from doorkey.agents.stdio import serve_stdio
    from doorkey.agents.tools import AgentTools
    from doorkey.config.settings import confirmations_dir, state_dir
    from doorkey.runtime import Runtime
    from doorkey.service.key import keep_key

    async with Runtime(settings, headed=headed) as runtime:
        server = build_server(AgentTools(runtime, Confirmations(confirmations_dir(), runtime.clock)))
        if port is None:
            await serve_stdio(server)
            return
        file = state_dir() / KEY_FILE
        key, _ = keep_key(file)

        def tell(url: str) -> None:
            click.echo(f"doorkey serves agents at  {url}\nkey                       kept in {file}\nCtrl-C ends it.")

        await serve_http(server, port, key, tell)
