"""`doorkey config`: what is set, and whether it can be used."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from doorkey.cli.options import config_option, json_option
from doorkey.cli.terminal import print_json, print_table

if TYPE_CHECKING:
    from doorkey.config.settings import Settings


@click.group()
def config() -> None:
    """What is set, and whether it can be used.

    \b
    Examples:
      doorkey config check
    """


@config.command()
@json_option
@config_option
def check(as_json: bool, config: Path | None) -> None:
    """Check the settings: every fault with its place, or a table of what holds.

    Reads files and environment, and starts nothing: whether a site lets you in is told by `doorkey check`.

    \b
    Examples:
      doorkey config check
      doorkey config check --config other.toml
      doorkey config check --json
    """
    from doorkey.assembly import profile
    from doorkey.config.registry import build_sites
    from doorkey.config.settings import Settings

    settings = Settings.load(config)
    sites = build_sites(settings)
    for site in sites.values():
        profile(site.profile)
    if as_json:
        pages = {name: site.url for name, site in sites.items()}
        print_json({"file": settings.source, "settings": settings.model_dump(mode="json"), "pages": pages})
        return
    click.echo(f"file: {settings.source or 'none: defaults and the environment only'}\n")
    print_table(_settings(settings), ("setting", "value", "meaning"))
    click.echo()
    if not sites:
        click.echo(settings.sources.explain_no_sites())
        return
    kinds = [(name, settings.sites[name].provider or name, site.profile, site.url) for name, site in sites.items()]
    print_table(kinds, ("site", "provider", "profile", "page"))
    if settings.models:
        click.echo()
        print_table([(alias, " → ".join(chain)) for alias, chain in settings.models.items()], ("alias", "models"))


def _settings(settings: Settings) -> list[tuple[str, str, str]]:
    """Each setting that has one value for all sites. A key is never shown."""
    from doorkey.config.settings import describe

    values = settings.model_dump(mode="json")
    found = []
    for key, _, meaning in describe():
        section, _, name = key.partition(".")
        if name and section not in ("sites", "models"):
            value = values[section][name]
            found.append((key, _shown(value) or "-", meaning))
    return found


def _shown(value: object) -> str:
    """*value* as a settings file says it, but for quotes."""
    if isinstance(value, list):
        return ", ".join(map(_shown, value))
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
