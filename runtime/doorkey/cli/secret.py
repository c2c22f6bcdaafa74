"""`doorkey secret`: keeps the values that settings name as `secret:NAME`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from doorkey.cli.terminal import is_terminal, print_json

if TYPE_CHECKING:
    from doorkey.config.secret_store import SecretStore


@click.group()
def secret() -> None:
    """Keep values that your settings name as secret:NAME, such as passwords.

    They lie in the system's keyring, if the package `keyring` is installed and finds one; else in a file in doorkey's
    data folder that only you can read.

    \b
    Examples:
      doorkey secret set wiki-password
    """


@secret.command("set")
@click.argument("name")
def set_secret(name: str) -> None:
    """Keep a value under NAME. It is asked for, or read from standard input.

    \b
    Examples:
      doorkey secret set wiki-password
      pass show wiki | doorkey secret set wiki-password
    """
    from doorkey.config.secret_store import check_name

    check_name(name)
    if is_terminal(sys.stdin):
        value = click.prompt(f"value of {name}", hide_input=True, err=True)
    else:
        value = (sys.stdin.read() if sys.stdin is not None else "").removesuffix("\n").removesuffix("\r")
    store = _open()
    store.set(name, value)
    click.echo(f"kept in {store.place}; settings name it as secret:{name}")


@secret.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
def list_secrets(as_json: bool) -> None:
    """Print the names of the secrets, one a line.

    \b
    Examples:
      doorkey secret list
    """
    names = _open().names()
    if as_json:
        print_json(list(names))
        return
    for name in names:
        click.echo(name)


@secret.command("forget")
@click.argument("name")
def forget_secret(name: str) -> None:
    """Delete the secret NAME.

    \b
    Examples:
      doorkey secret forget wiki-password
    """
    found = _open().forget(name)
    click.echo(f"{name} is forgotten" if found else f"there was no secret {name}")


def _open() -> SecretStore:
    from doorkey.config.secret_store import open_store
    from doorkey.config.settings import state_dir

    return open_store(state_dir())
