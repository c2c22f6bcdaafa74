"""`doorkey trust`: lets the settings file of a working directory run programs and read files."""

from __future__ import annotations

import tomllib
from pathlib import Path

import click

from doorkey.cli.options import config_option
from doorkey.errors import ConfigurationError
from doorkey.model.printable import harmless


@click.command()
@config_option
def trust(config: Path | None) -> None:
    """Trust the doorkey.toml of this folder to run programs and to read your files and secrets.

    A file that lies in the working directory may have come with a checkout. Until it is trusted, doorkey uses it only
    if it names no program, no secret, and no file outside its folder. When its content changes, it has to be trusted
    again. The file in your configuration directory needs no trust, nor does one that --config names elsewhere.

    \b
    Examples:
      doorkey trust
    """
    from doorkey.config.settings import FILE, state_dir
    from doorkey.config.trust import find_risks
    from doorkey.config.trust import trust as remember

    path = config or Path(FILE)
    try:
        text = path.read_text(encoding="utf-8")
        data = tomllib.loads(text)
    except OSError as exc:
        raise ConfigurationError(f"the settings file {path} can't be read: {exc.strerror}") from exc
    except ValueError as exc:
        raise ConfigurationError(f"{path} is no valid TOML: {exc}") from exc
    for risk in find_risks(data, path.parent):
        click.echo(harmless(f"  {risk}"))
    remember(path, text, state_dir())
    click.echo(f"{path.resolve()} is trusted until it changes")
