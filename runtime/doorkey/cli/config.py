"""`doorkey config`: what is set, and whether it can be used."""

from __future__ import annotations

from pathlib import Path

import click

from doorkey.cli.frame import config_option, console, json_option, load, print_json


@click.group()
def config() -> None:
    """What is set, and whether it can be used."""


@config.command()
@json_option
@config_option
def check(as_json: bool, config: Path | None) -> None:
    """Check the settings: every fault with its place, or a table of what holds.

    \b
    Examples:
      doorkey config check
      doorkey config check --config other.toml
    """
    from doorkey.registry import build_sites, provider_class
    from doorkey.settings import describe

    settings = load(config)
    sites = build_sites(settings)
    for name in sites:
        provider_class(settings.sites[name].provider or name)
    if as_json:
        print_json({"file": settings.source, "settings": settings.model_dump(mode="json"), "sites": list(sites)})
        return
    from rich.table import Table

    out = console()
    out.print(f"file: {settings.source or 'none: defaults and the environment only'}")
    table = Table("setting", "value", "meaning", box=None, header_style="bold")
    for key, _, meaning in describe():
        section, _, name = key.partition(".")
        part = getattr(settings, section, None)
        if name and hasattr(part, name):
            table.add_row(key, str(getattr(part, name)), meaning)
    out.print(table)
    for name, site in sites.items():
        out.print(f"site {name}: {site.url} ({settings.sites[name].provider or name})")
    if not sites:
        out.print("no site is configured: add [sites.NAME] with its url, or try `doorkey demo`")
