"""`doorkey confirm`: shows what agents want to do, and allows or refuses it."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from doorkey.cli.options import json_option
from doorkey.cli.sites import describe_age
from doorkey.cli.terminal import print_json
from doorkey.model.printable import harmless

if TYPE_CHECKING:
    from doorkey.accounts.confirmations import Confirmations, Pending

PREVIEW = 500
"""Characters of a body that the list shows."""


@click.group(invoke_without_command=True)
@json_option
@click.pass_context
def confirm(context: click.Context, as_json: bool) -> None:
    """List what agents wait for: requests that change something, and calls for help.

    \b
    Examples:
      doorkey confirm
      doorkey confirm show 1f2e3d4c
      doorkey confirm allow 1f2e3d4c
      doorkey confirm deny 1f2e3d4c --note "not on a Friday"
    """
    if context.invoked_subcommand is not None:
        return
    waiting = _open_queue().waiting()
    if as_json:
        print_json([asdict(pending) for pending in waiting])
    elif not waiting:
        click.echo("nothing waits for you")
    else:
        click.echo("\n\n".join(_describe(pending, PREVIEW) for pending in waiting))


@confirm.command()
@click.argument("id")
def show(id: str) -> None:
    """Show all of what waits under ID, with the whole body.

    \b
    Examples:
      doorkey confirm show 1f2e3d4c
    """
    click.echo(_describe(_open_queue().find(id), None))


@confirm.command()
@click.argument("id")
@click.option("--note", default="", help="What to tell the agent.")
def allow(id: str, note: str) -> None:
    """Allow what waits under ID: the request is sent once. For a call for help: say that it is done.

    \b
    Examples:
      doorkey confirm allow 1f2e3d4c
    """
    pending = _open_queue().decide(id, allowed=True, note=note)
    click.echo(f"allowed: {harmless(pending.title)} ({pending.site})")


@confirm.command()
@click.argument("id")
@click.option("--note", default="", help="What to tell the agent.")
def deny(id: str, note: str) -> None:
    """Refuse what waits under ID.

    \b
    Examples:
      doorkey confirm deny 1f2e3d4c --note "use the draft instead"
    """
    pending = _open_queue().decide(id, allowed=False, note=note)
    click.echo(f"refused: {harmless(pending.title)} ({pending.site})")


def _open_queue() -> Confirmations:
    from doorkey.accounts.confirmations import Confirmations
    from doorkey.clock import SystemClock
    from doorkey.config.settings import confirmations_dir

    return Confirmations(confirmations_dir(), SystemClock())


def _describe(pending: Pending, preview: int | None) -> str:
    left = describe_age(max(0.0, pending.until - time.time()))
    kind = "wants to send" if pending.kind == "write" else "asks for help"
    lines = [f"{pending.id}  {pending.site}: an agent {kind}  ({left} left)", f"  {harmless(pending.title)}"]
    if pending.body:
        lines.append(f"  {harmless(pending.content_type) or 'application/json'}, {len(pending.body)} characters:")
        lines += [f"  {line}" for line in harmless(pending.body[:preview]).splitlines()]
        if preview is not None and len(pending.body) > preview:
            lines.append(f"  … doorkey confirm show {pending.id} shows the rest")
    return "\n".join(lines)
