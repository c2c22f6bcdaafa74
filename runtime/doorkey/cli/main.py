"""The `doorkey` command."""

from __future__ import annotations

import logging
import sys

import click

from doorkey.cli.ask import ask
from doorkey.cli.browser import browser
from doorkey.cli.config import config
from doorkey.cli.demo import demo
from doorkey.cli.frame import EXIT_CODES, fail
from doorkey.cli.serve import serve
from doorkey.cli.sites import check, open_site, sites, visit
from doorkey.errors import DoorkeyError


@click.group(epilog=EXIT_CODES, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="doorkey", message="%(package)s %(version)s")
@click.option("--log", type=click.Choice(["debug", "info", "warning"]), default="warning", help="How much is logged.")
def cli(log: str) -> None:
    """Get into a site once, by browser or by hand; then every program calls it with plain HTTP.

    \b
    Examples:
      doorkey demo                       see it work, on local copies of sites
      doorkey serve                      a local OpenAI-compatible service
      doorkey ask -m chatgptfree "Hi"    one question
      doorkey check -v                   enter each configured site, step by step
    """
    logging.basicConfig(level=log.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr)


for command in (serve, ask, demo, sites, check, visit, open_site, browser, config):
    cli.add_command(command)


def main() -> None:
    """Run the command line. Every error of doorkey's is one message on standard error and an exit code."""
    try:
        cli()
    except DoorkeyError as error:
        fail(error)
    except KeyboardInterrupt:
        sys.exit(130)
