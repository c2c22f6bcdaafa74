"""The name of a configured site, as an argument that shells complete."""

from __future__ import annotations

import tomllib
from pathlib import Path

import click
from click.shell_completion import CompletionItem

from doorkey.config.settings import find_file


class SiteName(click.types.StringParamType):
    """Any text. A shell is offered the names in the settings file, that of --config if it stands before."""

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        found = _list_names(ctx.params.get("config"))
        return [CompletionItem(name) for name in found if name.startswith(incomplete)]


SITE = SiteName()


def _list_names(config: Path | None) -> list[str]:
    """Return the names of the sites; none where the file can't be read: a shell shows no errors."""
    path = config or find_file()
    try:
        sites = tomllib.loads(path.read_text("utf-8")).get("sites") if path is not None else None
    except (OSError, ValueError):
        return []
    return sorted(sites) if isinstance(sites, dict) else []
