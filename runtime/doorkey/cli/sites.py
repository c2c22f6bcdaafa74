"""`doorkey sites`, `check`, `visit`, `open`: how the configured sites stand, and what a visit to one finds."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from doorkey.cli.frame import (
    config_option,
    console,
    exit_code,
    headed_option,
    json_option,
    load,
    print_json,
    run,
)
from doorkey.errors import DoorkeyError

if TYPE_CHECKING:
    from doorkey.runtime import Runtime
    from doorkey.session import Session
    from doorkey.status import SiteStatus


@click.command()
@json_option
@config_option
def sites(as_json: bool, config: Path | None) -> None:
    """List the configured sites and how their sessions stand.

    \b
    Examples:
      doorkey sites
      doorkey sites --json
    """
    settings = load(config)

    async def work() -> list[SiteStatus]:
        from doorkey.runtime import Runtime

        async with Runtime(settings) as runtime:
            return await runtime.known()

    found = run(work())
    if as_json:
        print_json([asdict(status) for status in found])
        return
    from rich.table import Table

    table = Table("site", "provider", "state", "generation", "age", "by", "url", box=None, header_style="bold")
    for status in found:
        gen = str(status.gen) if status.gen >= 0 else "-"
        table.add_row(status.name, status.provider, status.state, gen, _age(status.age), status.rung, status.url)
    console().print(table if found else "no site is configured: add [sites.NAME] with its url to doorkey.toml")


@click.command()
@click.argument("names", metavar="[SITE]...", nargs=-1)
@click.option("--probe", is_flag=True, help="Ask each chat one question.")
@click.option("-v", "--verbose", is_flag=True, help="Say every step.")
@headed_option
@json_option
@config_option
def check(names: tuple[str, ...], probe: bool, verbose: bool, headed: bool, as_json: bool, config: Path | None) -> None:
    """Enter each configured site, or those named, and say what was found.

    \b
    Examples:
      doorkey check
      doorkey check chatgptfree --probe -v
    """
    settings = load(config)

    async def work() -> list[dict[str, Any]]:
        from doorkey.runtime import Runtime

        steps = (lambda line: click.echo(f"    {line}", err=True)) if verbose else None
        async with Runtime(settings, headed=headed, steps=steps) as runtime:
            for name in names:
                runtime.provider(name)
            return [await _checked(runtime, name, probe, quiet=as_json) for name in names or runtime.sites]

    results = run(work())
    if as_json:
        print_json(results)
    elif not results:
        click.echo("no site is configured: add [sites.NAME] with its url to doorkey.toml")
    worst = max((result["exit"] for result in results), default=0)
    if worst:
        raise SystemExit(worst)


async def _checked(runtime: Runtime, name: str, probe: bool, *, quiet: bool) -> dict[str, Any]:
    from doorkey.provider import ChatProvider

    result: dict[str, Any] = {"site": name, "url": runtime.sites[name].url, "exit": 0}
    began = runtime.clock.now()
    try:
        session = await runtime.visit(name)
        provider = runtime.provider(name)
        result["entered"] = round(runtime.clock.now() - began, 3)
        result["tokens"] = sorted(session.tokens)
        result["cookies"] = sorted(cookie.name for cookie in session.cookies)
        if isinstance(provider, ChatProvider):
            result["models"] = list(provider.models())
            if probe:
                result["answer"] = await _probed(runtime, name)
    except DoorkeyError as error:
        result["error"], result["exit"] = error.message, exit_code(error)
    if not quiet:
        click.echo(_line(result))
    return result


async def _probed(runtime: Runtime, name: str) -> str:
    question = [{"role": "user", "content": "Say hello in one word."}]
    return "".join([delta async for delta in runtime.ask(name, question) if isinstance(delta, str)])


def _line(result: dict[str, Any]) -> str:
    if "error" in result:
        return f"{result['site']}: {result['error']}"
    parts = [f"entered in {result['entered']:.2f} s"]
    parts += [f"{kind}: {', '.join(result[kind])}" for kind in ("tokens", "cookies", "models") if result.get(kind)]
    parts += [f"answered: {result['answer'][:120]!r}"] if "answer" in result else []
    return f"{result['site']}: " + " · ".join(parts)


@click.command()
@click.argument("site")
@click.option("--reveal", is_flag=True, help="Show cookies and tokens in full. They are keys: treat them so.")
@headed_option
@json_option
@config_option
def visit(site: str, reveal: bool, headed: bool, as_json: bool, config: Path | None) -> None:
    """Visit SITE now and show what the visit yields; it becomes the current session.

    \b
    Examples:
      doorkey visit chatgptfree
      doorkey visit chatgptfree --headed --reveal
    """
    settings = load(config)

    async def work() -> Session:
        from doorkey.runtime import Runtime

        steps = None if as_json else (lambda line: click.echo(f"  {line}", err=True))
        async with Runtime(settings, headed=headed, steps=steps) as runtime:
            return await runtime.visit(site)

    found = _shown(run(work()), reveal)
    if as_json:
        print_json(found)
        return
    from rich.table import Table

    table = Table(box=None, show_header=False)
    for key, value in found.items():
        rows = value.items() if isinstance(value, dict) else [("", value)]
        for at, (name, text) in enumerate(rows):
            table.add_row(key if at == 0 else "", str(name), str(text))
    console().print(table)


@click.command("open")
@click.argument("site")
@click.option("--keep", is_flag=True, help="Make what the window holds at its end the site's session.")
@config_option
def open_site(site: str, keep: bool, config: Path | None) -> None:
    """Open SITE in a browser window, as a visit would see it, until it is closed.

    \b
    Examples:
      doorkey open chatgptfree
      doorkey open chatgptfree --keep
    """
    settings = load(config)

    async def work() -> Session | None:
        from doorkey.runtime import Runtime

        async with Runtime(settings, headed=True) as runtime:
            return await runtime.open(site, keep=keep)

    session = run(work())
    if session is not None:
        click.echo(f"kept as generation {session.gen}: {len(session.cookies)} cookies, {len(session.tokens)} tokens")


def _shown(session: Session, reveal: bool) -> dict[str, Any]:
    def secret(value: object) -> str:
        text = str(value)
        return text if reveal else f"{text[:2]}… ({len(text)} characters)"

    return {
        "url": session.url,
        "generation": session.gen,
        "by": session.rung,
        "tokens": {name: secret(value) for name, value in session.tokens.items()},
        "cookies": {cookie.name: secret(cookie.value) for cookie in session.cookies},
        "headers": dict(session.headers),
        "local": {name: secret(value) for name, value in session.local.items()},
    }


def _age(age: float | None) -> str:
    if age is None:
        return "-"
    return f"{age:.0f} s" if age < 120 else f"{age / 60:.0f} min" if age < 7200 else f"{age / 3600:.0f} h"
