"""Help and documentation tell of every command, option and exit code, and what is shown holds no secret."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import pytest

from doorkey.cli.exit_codes import EXIT_CODES
from doorkey.cli.main import cli
from doorkey.errors import BrowserFailed, DoorkeyError, SiteDown, TimeLimit
from doorkey.model.failure import describe_error, exit_code
from doorkey.model.printable import harmless
from doorkey.setup.session_report import mask

from .conftest import Done

DOCS = (Path(__file__).parents[2] / "docs" / "cli.md").read_text(encoding="utf-8")


JSON = DOCS.partition("| command with `--json` |")[2].partition("\n\n")[0]
"""The table of what `--json` prints: who is in it takes that option."""
SHARED = {"--config", "--headed", "-h", "--help"}
"""Options that are told once for all commands, below the table."""


def told_of(path: tuple[str, ...]) -> str:
    """What the tables of the page say of a command, in the rows that are its own."""
    rows = re.findall(rf"^\|[^|]*`doorkey {path[0]}\b[^`]*`[^|]*\|.*$", DOCS, re.M)
    assert rows, path
    return "\n".join(rows)


def commands(group: click.Group = cli, *path: str) -> Iterator[tuple[str, ...]]:
    for name, command in group.commands.items():
        yield (*path, name)
        if isinstance(command, click.Group):
            yield from commands(command, *path, name)


def all_errors(kind: type[DoorkeyError] = DoorkeyError) -> Iterator[type[DoorkeyError]]:
    yield kind
    for heir in kind.__subclasses__():
        yield from all_errors(heir)


def command_at(path: tuple[str, ...]) -> click.Command:
    command: click.Command = cli
    for name in path:
        assert isinstance(command, click.Group)
        command = command.commands[name]
    return command


@pytest.mark.parametrize("path", list(commands()), ids=" ".join)
def test_each_command_has_help_with_an_example_and_is_documented(
    quick: Callable[..., Done], path: tuple[str, ...]
) -> None:
    done = quick(*path, "-h")
    assert (done.code, done.err) == (0, "")
    assert re.search(rf"Examples:\n    (?:\S+=\S+ )?doorkey {' '.join(path)}\b", done.out)
    text = told_of(path)
    assert f"`doorkey {' '.join(path)}" in text
    has = {name for param in command_at(path).params if isinstance(param, click.Option) for name in param.opts}
    tells = set(re.findall(r"`(--?[\w-]+)[^`]*`", text))
    if re.search(rf"`doorkey {' '.join(path)}`", JSON):
        tells.add("--json")
    assert has - SHARED - tells == set()
    if not isinstance(cli.commands[path[0]], click.Group):
        assert tells - has == set()


def test_what_is_told_once_holds_for_all_commands() -> None:
    for path in commands():
        if not isinstance(command_at(path), click.Group) and path[0] not in ("confirm", "secret"):
            assert "--config" in command_at(path).params[-1].opts
    assert all(re.search(rf"^[^|\n]*`{name}\b", DOCS, re.M) for name in ("--config", "--headed", "--log", "--version"))


def test_the_ways_in_are_all_there() -> None:
    ways = {"serve", "ask", "demo", "sites", "check", "visit", "open", "browser", "config", "fetch", "login"}
    ways |= {"logout", "add", "session", "mcp", "confirm", "dashboard", "explain", "reports", "profile"}
    ways |= {"repair", "secret", "trust"}
    assert set(cli.commands) == ways
    for name in ("serve", "ask", "demo", "check", "visit", "open", "add"):
        assert "--headed" in {flag for param in cli.commands[name].params for flag in param.opts}
    for name in ("serve", "dashboard", "ask", "sites", "check", "visit", "open", "browser", "add"):
        assert "--json" in {flag for param in cli.commands[name].params for flag in param.opts}


def test_every_error_has_an_exit_code_that_is_documented(quick: Callable[..., Done]) -> None:
    codes = re.findall(r"^  (\d+) ", EXIT_CODES, re.M)
    assert codes == re.findall(r"^\| (\d+) \|", DOCS, re.M)
    assert EXIT_CODES.splitlines()[2] in quick("-h").out
    for kind in all_errors():
        error = kind.__new__(kind)
        assert str(exit_code(error)) in codes
        assert exit_code(error) != 0


def test_an_error_names_its_site_once_and_when_to_try_again() -> None:
    assert describe_error(SiteDown("HTTP 503", site="wiki", retry_after=2.6)) == "wiki: HTTP 503. Try again in 3 s"
    assert describe_error(TimeLimit("visit", 3, site="wiki")).count("wiki") == 1
    assert describe_error(BrowserFailed("a \x1b[2J word")) == "a \N{REPLACEMENT CHARACTER}[2J word"


def test_a_secret_is_masked_and_a_short_one_not_even_begun() -> None:
    assert mask("0123456789") == "01… (10 characters)"
    assert mask("0123456") == "… (7 characters)"


def test_a_site_cannot_write_elsewhere_on_a_terminal() -> None:
    assert harmless("a\tb\nc\x1b[31m\x07\x9b\r") == "a\tb\nc" + "\N{REPLACEMENT CHARACTER}[31m" + "\ufffd" * 3


def test_config_check_shows_settings_and_no_key(quick: Callable[..., Done]) -> None:
    settings = {
        "DOORKEY_SERVICE__KEY": "hunter2",
        "DOORKEY_SITES__CHATGPTFREE__URL": "http://127.0.0.1:1",
        "DOORKEY_SITES__CHATGPTFREE__PROXY": "http://me:hunter2@127.0.0.1:2",
    }
    table = quick("config", "check", settings=settings)
    assert re.search(r"^service\.port +8787 +TCP port", table.out, re.M)
    assert re.search(r"^chatgptfree +chatgptfree +desktop +http://127\.0\.0\.1:1/", table.out, re.M)
    machine = quick("config", "check", "--json", settings=settings)
    assert json.loads(machine.out)["settings"]["service"]["port"] == 8787
    assert "hunter2" not in table.out + machine.out
