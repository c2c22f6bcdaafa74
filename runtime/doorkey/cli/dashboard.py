"""`doorkey dashboard`: prints a one-time link to the dashboard of the running service."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from doorkey.cli.banner import WILDCARDS
from doorkey.cli.options import config_option, json_option
from doorkey.cli.run import run
from doorkey.cli.terminal import print_json

if TYPE_CHECKING:
    from doorkey.config.settings import ServiceSettings


@click.command()
@click.option("--port", type=click.IntRange(1, 65535), help="The service's port (default: service.port).")
@click.option("--url", help="The service's address, if a browser reaches it by another one than the settings say.")
@json_option
@config_option
def dashboard(port: int | None, url: str | None, as_json: bool, config: Path | None) -> None:
    """Print a link that opens the dashboard of the running service. It works once, for 10 minutes.

    Asks the service for it, with the service's key: run it as the user who runs `doorkey serve`.

    \b
    Examples:
      doorkey dashboard
      doorkey dashboard --port 9000
      doorkey dashboard --url https://doorkey.home.example
    """
    from doorkey.config.settings import Settings

    overrides = {} if port is None else {"port": port}
    service = Settings.load(config, service=overrides).service
    base = find_address(service, url)
    made = run(_ask_for_link(base, _read_key(service)))
    link = base + str(made["path"]).removeprefix(service.base_path if base.endswith(service.base_path) else "")
    if as_json:
        print_json({"url": link, "expires_in": made["expires_in"]})
    elif made["expires_in"] is None:
        click.echo(f"{link}\n(this service asks for no key, so the address is all that is needed)")
    else:
        click.echo(f"{link}\n(works once, for {made['expires_in'] / 60:.0f} minutes)")


def find_address(service: ServiceSettings, url: str | None = None) -> str:
    """Return the service's address for a browser on this machine. Raises ConfigurationError if there is none."""
    from doorkey.errors import ConfigurationError

    if url is not None:
        from doorkey.config.settings_schema import web_url

        try:
            return web_url(url).rstrip("/")
        except ValueError as error:
            raise click.UsageError(f"--url: {error}") from error
    if service.socket is not None:
        raise ConfigurationError(
            f"the service listens on {service.socket}, and browsers open no Unix sockets. Let it listen on an address "
            "(leave service.socket out), or name a proxy's address with --url"
        )
    if service.port == 0:
        raise ConfigurationError("service.port is 0, a port that changes with each start: name it with --port or --url")
    host = f"[{service.host}]" if ":" in service.host else service.host
    scheme = "http" if service.certificate is None else "https"
    return f"{scheme}://{WILDCARDS.get(host, host)}:{service.port}{service.base_path}"


def _read_key(service: ServiceSettings) -> str:
    """Return the service's key, or nothing if none was made: then the service asks for none, or does not run here."""
    from doorkey.config.settings import state_dir
    from doorkey.service.key import KEY_FILE

    if service.key is not None:
        return service.key.get_secret_value()
    path = state_dir() / KEY_FILE
    return path.read_text("utf-8").strip() if path.exists() else ""


async def _ask_for_link(base: str, key: str) -> dict[str, Any]:
    """Return what the service answers. Raises DoorkeyError if there is no service, or it refuses the key."""
    from doorkey.clock import SystemClock
    from doorkey.errors import SiteDown, SiteError, Unavailable
    from doorkey.model.request import Request
    from doorkey.model.session import Key, Session
    from doorkey.model.site import Site
    from doorkey.transport.direct import Direct

    clock = SystemClock()
    site = Site(name="service", url=base + "/")
    nobody = Session(key=Key("service", site.url), gen=0, url=site.url, born=0, soft=0, hard=0)
    headers = {"authorization": f"Bearer {key}"} if key else {}
    http = Direct(clock=clock)
    try:
        stream = await http.open(
            Request(url=f"{base}/api/dashboard/links", method="POST", headers=headers), nobody, site
        )
        body = b"".join([piece async for piece in stream.chunks()])
    except SiteDown as error:
        raise Unavailable(
            f"no service answers at {base}: start it with `doorkey serve`, or name its address"
        ) from error
    finally:
        await http.close()
    try:
        told = json.loads(body)
        if stream.head.status == 200 and str(told["path"]).startswith("/"):
            return dict(told)
        message = told["error"]["message"]
    except (ValueError, KeyError, TypeError):
        message = f"HTTP {stream.head.status}, and not as doorkey answers"
    raise SiteError(f"the service at {base} gave no link: {message}")
