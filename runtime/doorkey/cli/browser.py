"""`doorkey browser`: which Chromium is used, and how to get one."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from doorkey.cli.frame import config_option, json_option, load, print_json


@click.command()
@click.option("--install", is_flag=True, help="Get a Chromium when there is none.")
@click.option("--yes", is_flag=True, help="Ask nothing before a system package is installed.")
@json_option
@config_option
def browser(install: bool, yes: bool, as_json: bool, config: Path | None) -> None:
    """Show the Chromium that is used; with --install, get one.

    \b
    Examples:
      doorkey browser
      doorkey browser --install
    """
    from doorkey.browser.chromium import find_chromium, install_chromium
    from doorkey.errors import BrowserMissing
    from doorkey.settings import playwright_downloads

    executable = load(config).browser.executable
    try:
        found = find_chromium(executable, playwright_downloads())
    except BrowserMissing:
        if not install:
            raise
        ask = None if yes or not sys.stdin.isatty() else (lambda question: click.confirm(question, default=True))
        found = install_chromium(ask=ask, downloads=playwright_downloads(), say=lambda line: click.echo(line, err=True))
    if as_json:
        print_json({"path": str(found.path), "version": found.version, "source": found.source})
    else:
        only = " (headless only)" if found.headless_only else ""
        click.echo(f"{found.version}{only}\n{found.path}\nfound by: {found.source}")
