"""`doorkey browser`: shows the Chromium that doorkey uses, or installs one."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

import click

from doorkey.cli.options import config_option, json_option
from doorkey.cli.terminal import is_terminal, print_json, print_table


@click.command()
@click.option("--install", is_flag=True, help="Install a Chromium and what it needs, if there is none.")
@click.option("--yes", is_flag=True, help="Install system packages without asking.")
@json_option
@config_option
def browser(install: bool, yes: bool, as_json: bool, config: Path | None) -> None:
    """Show the Chromium that doorkey uses, or install one.

    \b
    Examples:
      doorkey browser
      doorkey browser --install
      doorkey browser --json
    """
    from doorkey.browser import find_chromium, find_driver_fault, install_certificate_tools, install_chromium
    from doorkey.config.settings import Settings, playwright_downloads
    from doorkey.errors import BrowserMissing

    executable = Settings.load(config).browser.executable
    if install:
        quiet = yes or not is_terminal(sys.stdin)
        ask = None if quiet else (lambda question: click.confirm(question, default=True, err=True))
        say = partial(click.echo, err=True)
        found = install_chromium(ask=ask, say=say, configured=executable, downloads=playwright_downloads())
        install_certificate_tools(ask=ask, say=say)
    elif why := find_driver_fault():
        raise BrowserMissing(f"Playwright's driver does not start: {why}. To install it: doorkey browser --install")
    else:
        found = find_chromium(executable, playwright_downloads())
    shown = {"path": str(found.path), "version": found.version, "source": found.source}
    if as_json:
        print_json({**shown, "headless_only": found.headless_only})
    else:
        shown |= {"windows": "none (headless shell)"} if found.headless_only else {}
        print_table(list(shown.items()))
