"""No command of doorkey runs what the settings file of a fresh checkout names, until the user trusts it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import pytest

from doorkey.cli.main import cli

from .conftest import Done

Quick = Callable[..., Done]
ARGUMENTS = {
    "add": ("http://127.0.0.1:9/", "--name", "more"),
    "ask": ("-m", "wiki", "Hello"),
    "explain": ("wiki",),
    "fetch": ("wiki", "/"),
    "login": ("wiki",),
    "logout": ("wiki",),
    "open": ("wiki",),
    "profile reset": ("wiki",),
    "repair": ("wiki", "--yes"),
    "visit": ("wiki",),
    "session export": ("wiki",),
    "demo": ("--once",),
    "secret set": ("mine",),
    "secret forget": ("mine",),
    "browser": (),
}
APART = {"confirm", "secret set", "secret list", "secret forget"}
"""Commands that read no settings file: they may succeed, but run nothing of it either."""
OF_THE_USER = {"trust"}
"""Commands by which the user says that the file may run programs."""


@pytest.fixture
def checkout(home: Path) -> Path:
    """The folder of a checkout whose settings name programs wherever settings can. A run leaves the file `ran`."""
    program = home / "evil"
    program.write_text(f"#!/bin/sh\ntouch {home}/ran\necho value\n")
    program.chmod(0o755)
    Path("doorkey.toml").write_text(
        f"""
[browser]
executable = "{program}"
[notify]
command = "{program}"
webhook = "command:{program}"
[sites.wiki]
provider = "web"
url = "http://127.0.0.1:9/"
ready = "#out"
http_credentials = {{ username = "command:{program}", password = "command:{program}" }}
visit.steps = [{{ fill = "#user", value = "command:{program}" }}, {{ fill = "#sms", code = "command:{program}" }}]
login.request = {{ path = "/login", form = {{ user = "command:{program}", code = "code:command:{program}" }} }}
"""
    )
    return home


def commands(group: click.Group = cli, *path: str) -> Iterator[str]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, *path, name)
            if not command.invoke_without_command:
                continue
        yield " ".join((*path, name))


@pytest.mark.parametrize("command", [name for name in commands() if name not in OF_THE_USER])
def test_no_command_runs_a_program_of_a_fresh_checkout(command: str, quick: Quick, checkout: Path) -> None:
    done = quick(*command.split(), *ARGUMENTS.get(command, ()), input=b"value")
    assert not (checkout / "ran").exists()
    if command not in APART:
        assert done.code != 0
    assert str(checkout / "evil") not in done.out


def test_what_is_trusted_is_told_and_used(quick: Quick, checkout: Path) -> None:
    refused = quick("sites")
    assert refused.code == 2
    assert "notify.command: runs" in refused.err
    told = quick("trust")
    assert "sites.wiki.visit.steps.1.value: runs" in told.out
    assert quick("sites").code == 0
    with Path("doorkey.toml").open("a") as file:
        file.write("# changed\n")
    assert quick("sites").code == 2


def test_a_secret_is_kept_for_settings_and_never_shown(quick: Quick, home: Path) -> None:
    kept = quick("secret", "set", "wiki", input=b"s3cr3t\n")
    assert "secret:wiki" in kept.out
    assert (quick("secret", "list").out, json.loads(quick("secret", "list", "--json").out)) == ("wiki\n", ["wiki"])
    assert "forgotten" in quick("secret", "forget", "wiki").out
    assert quick("secret", "list").out == ""
    assert "s3cr3t" not in kept.out + kept.err
    assert quick("secret", "set", "wiki", input=b"").code == 2


def test_environment_variables_and_files_beside_it_need_no_trust(quick: Quick, home: Path) -> None:
    steps = '[{ fill = "#user", value = "env:WIKI_USER" }, { fill = "#pw", value = "file:PATH" }]'
    text = f'[sites.wiki]\nprovider = "web"\nurl = "http://127.0.0.1:9/"\nready = "#out"\nvisit.steps = {steps}\n'
    Path("doorkey.toml").write_text(text.replace("PATH", "pw"))
    assert quick("sites").code == 0
    Path("doorkey.toml").write_text(text.replace("PATH", "/etc/passwd"))
    assert "sites.wiki.visit.steps.2.value: reads /etc/passwd" in quick("sites").err
