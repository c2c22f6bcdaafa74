"""`doorkey config`: checks and shows the settings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from doorkey.cli.options import config_option, json_option
from doorkey.cli.terminal import print_json, print_table

if TYPE_CHECKING:
    from doorkey.config.settings import Settings
    from doorkey.model.site import Site


@click.group()
def config() -> None:
    """Check and show the settings.

    \b
    Examples:
      doorkey config check
    """


@config.command()
@json_option
@config_option
def check(as_json: bool, config: Path | None) -> None:
    """Check the settings. Prints every error with its place, or else a table of all settings.

    Reads files and environment variables only. To find out whether a site can be entered, use `doorkey check`.

    \b
    Examples:
      doorkey config check
      doorkey config check --config other.toml
      doorkey config check --json
    """
    from doorkey.assembly import profile
    from doorkey.config.registry import build_sites
    from doorkey.config.settings import Settings
    from doorkey.network.tls import check_files

    settings = Settings.load(config)
    sites = build_sites(settings)
    for site in sites.values():
        profile(site.profile)
        if site.tls is not None:
            check_files(site.tls, f"sites.{site.name}.")
    if as_json:
        pages = {name: site.url for name, site in sites.items()}
        print_json({"file": settings.source, "settings": settings.model_dump(mode="json"), "pages": pages})
        return
    click.echo(f"file: {settings.source or 'none (defaults and environment variables only)'}\n")
    print_table(_list_settings(settings), ("setting", "value", "meaning"))
    click.echo()
    if not sites:
        click.echo(settings.sources.explain_no_sites())
        return
    kinds = [
        (name, settings.sites[name].provider or name, site.profile, site.url, _describe_check(settings, site))
        for name, site in sites.items()
    ]
    print_table(kinds, ("site", "provider", "profile", "page", "a dead session shows by"))
    if settings.models:
        click.echo()
        print_table([(alias, " → ".join(chain)) for alias, chain in settings.models.items()], ("alias", "models"))


def _describe_check(settings: Settings, site: Site) -> str:
    """Say how a dead session of *site* is noticed, as far as the settings tell."""
    from doorkey.config.registry import make_provider

    provider = make_provider(site, settings.sites[site.name].provider or site.name)
    if provider.check_url is None:
        return "refusals (401, 403, …) and `stale`"
    return f"the session check, if strangers don't see it too: try `doorkey check {site.name}`"


def _list_settings(settings: Settings) -> list[tuple[str, str, str]]:
    """List each setting that is not of one site, with its value and meaning. Keys are never shown."""
    from doorkey.config.settings import describe

    values = settings.model_dump(mode="json")
    found = []
    for key, _, meaning in describe():
        section, _, name = key.partition(".")
        if name and section not in ("sites", "models") and ".NAME." not in name:
            value = values[section][name]
            found.append((key, _format(value) or "-", meaning))
    return found


def _format(value: object) -> str:
    """Write *value* as a settings file does, without quotes."""
    if isinstance(value, list):
        return ", ".join(map(_format, value))
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
