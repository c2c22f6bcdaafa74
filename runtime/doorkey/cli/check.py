"""`doorkey check`: visits the configured sites and reports what each visit found."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from doorkey.cli.options import config_option, headed_option, json_option, verbose_option
from doorkey.cli.run import run
from doorkey.cli.site_name import SITE
from doorkey.cli.terminal import Progress, print_json
from doorkey.errors import ConfigurationError
from doorkey.model.events import Event, VisitEvent
from doorkey.model.printable import harmless
from doorkey.setup.site_check import STEP, Check

SHOWN = 120
"""How many characters of an answer are printed."""


@click.command()
@click.argument("names", metavar="[SITE]...", nargs=-1, type=SITE)
@click.option(
    "--probe",
    is_flag=True,
    help="Also ask each chat one question, and send the `examples` of each other site as a stranger.",
)
@verbose_option
@headed_option
@json_option
@config_option
def check(names: tuple[str, ...], probe: bool, verbose: bool, headed: bool, as_json: bool, config: Path | None) -> None:
    """Visit each configured site, or each SITE, and report what was found.

    -v prints the settings file, the rules of a visit, each step, what was found (masked) and the verdict. The exit
    code is the highest of all sites.

    \b
    Examples:
      doorkey check
      doorkey check chatgptfree --probe -v
      doorkey check wiki --probe
      doorkey check --json
    """
    from doorkey.config.settings import Settings

    settings = Settings.load(config)
    if not settings.sites:
        raise ConfigurationError(settings.sources.explain_no_sites())

    async def check_sites() -> list[dict[str, Any]]:
        from doorkey.runtime import Runtime

        with Progress("checking", verbose=verbose) as say:

            def show(event: Event) -> None:
                if isinstance(event, VisitEvent):
                    say(f"{STEP}{event.detail}" if verbose else event.detail)

            async with Runtime(settings, headed=headed, hooks=[show]) as runtime:
                if verbose:
                    say(f"settings {settings.source or 'from the environment only'}")
                for name in names:
                    runtime.provider(name)
                results = []
                for name in names or runtime.sites:
                    results.append(await Check(runtime, name, say, verbose).run(probe=probe))
                    if not as_json:
                        say.print(summarize(results[-1]))
                return results

    results = run(check_sites())
    if as_json:
        print_json(results)
    raise SystemExit(max(result["exit"] for result in results))


def summarize(result: dict[str, Any]) -> str:
    if "error" in result:
        return f"{result['site']}: {result['error'].removeprefix(result['site'] + ': ')}"
    parts = [f"visited in {result['entered']:.2f} s"]
    parts += [f"{kind}: {', '.join(result[kind])}" for kind in ("tokens", "cookies", "models") if result[kind]]
    if "keep off" in result["robots"]:
        parts.append(f"robots.txt {result['robots']}")
    parts += result["found"]
    if "answer" in result:
        parts.append(f"answered in {result['answered']:.2f} s: {result['answer'][:SHOWN]!r}")
    return harmless(f"{result['site']}: " + " · ".join(parts))
