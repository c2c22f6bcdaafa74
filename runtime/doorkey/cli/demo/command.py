"""The command `doorkey demo`: starts local copies of sites and a service, and runs the demonstration."""

from __future__ import annotations

import asyncio
import secrets
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from doorkey.cli.options import config_option, headed_option
from doorkey.cli.run import run

if TYPE_CHECKING:
    from doorkey.cli.demo.story import Twin
    from doorkey.config.settings import Settings
    from doorkey.runtime import Runtime

ORDER = ("chatgptfree", "chatgptt", "aichat", "aichats")
"""The order of the copies. The demonstration changes the tokens of the first one."""


@click.command()
@click.option("--once", is_flag=True, help="End after the demonstration; otherwise the service keeps running.")
@click.option(
    "--port", type=click.IntRange(0, 65535), help="The service's port (default: service.port, or a free one)."
)
@headed_option
@config_option
def demo(once: bool, port: int | None, headed: bool, config: Path | None) -> None:
    """Show doorkey at work on local copies of sites.

    Sends nothing to the internet and stores nothing.

    \b
    Examples:
      doorkey demo
      doorkey demo --once
      doorkey demo --headed --port 9000
    """
    from doorkey.config.settings import Settings

    run(_run_demo(Settings.load(config), once=once, port=port, headed=headed))


async def _run_demo(settings: Settings, *, once: bool, port: int | None, headed: bool) -> None:
    from doorkey.browser import find_chromium
    from doorkey.cli.demo.client import DemoClient
    from doorkey.cli.demo.story import tell
    from doorkey.config.settings import playwright_downloads
    from doorkey.runtime import Runtime
    from doorkey.service.app import RULES, build_app

    # A missing browser is reported here, not as an error of the service in the middle.
    await asyncio.to_thread(find_chromium, settings.browser.executable, playwright_downloads())
    async with AsyncExitStack() as exits:
        twins = await _start_copies(exits)
        key = secrets.token_urlsafe(24)
        configured = _configure(settings, twins)
        runtime = await exits.enter_async_context(Runtime(configured, headed=headed))
        app = build_app(runtime, service=configured.service, key=key)
        base = await _serve(exits, app, settings.service.port, port)
        caller = DemoClient(base, key, runtime.clock)
        exits.push_async_callback(caller.close)
        await tell(caller, list(twins.values()), runtime.clock)
        if not once:
            _invite(base, key, runtime, app[RULES].viewers.make_link(None))
            await asyncio.Event().wait()


async def _start_copies(exits: AsyncExitStack) -> dict[str, Twin]:
    """Start every installed local copy of a site; *exits* stops them."""
    from doorkey.config.registry import twin_classes
    from doorkey.errors import ConfigurationError

    classes = twin_classes()
    if not classes:
        raise ConfigurationError("no local copy of a site is installed: reinstall doorkey, which includes them")
    twins: dict[str, Twin] = {}
    for name in [*(name for name in ORDER if name in classes), *sorted(set(classes) - set(ORDER))]:
        twin: Twin = classes[name]()
        await twin.start()
        exits.push_async_callback(twin.stop)
        twins[name] = twin
    return twins


def _configure(settings: Settings, twins: dict[str, Twin]) -> Settings:
    """The settings of the demonstration: the user's browser, the local copies, a store in memory, loopback only."""
    from doorkey.config.settings import SiteSettings, StoreSettings

    changes = {
        "sites": {name: SiteSettings(url=twin.url) for name, twin in twins.items()},
        "models": {},
        "store": StoreSettings(url="memory://"),
        "service": settings.service.model_copy(update={"host": "127.0.0.1"}),
    }
    return settings.model_copy(update=changes)


async def _serve(exits: AsyncExitStack, app: Any, usual: int, port: int | None) -> str:
    """Serve, and return the base URL. If the *usual* port is taken, a free one is used; a given *port* is required."""
    from doorkey.errors import ConfigurationError
    from doorkey.service.app import serve

    if port is not None:
        return await exits.enter_async_context(serve(app, "127.0.0.1", port))
    try:
        return await exits.enter_async_context(serve(app, "127.0.0.1", usual))
    except ConfigurationError:
        return await exits.enter_async_context(serve(app, "127.0.0.1", 0))


def _invite(base: str, key: str, runtime: Runtime, link: str) -> None:
    from doorkey.cli.banner import curl
    from doorkey.cli.demo.story import heading

    models = runtime.models()
    heading("Your turn: the service runs until Ctrl-C")
    click.echo(f"  dashboard {base}{link}  (opens once, for 10 minutes)")
    click.echo(f"  base URL  {base}/v1\n  key       {key}\n  models    {', '.join(models)}\n")
    click.echo("  " + curl(base, f' -H "Authorization: Bearer {key}"', models[0]))
