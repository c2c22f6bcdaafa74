"""The commands by name, each imported when it is first used: a command should not pay for the imports of the others."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from importlib import import_module

import click

PLACES = {
    "add": "doorkey.cli.add.command:add",
    "ask": "doorkey.cli.ask:ask",
    "browser": "doorkey.cli.browser:browser",
    "check": "doorkey.cli.check:check",
    "config": "doorkey.cli.config:config",
    "confirm": "doorkey.cli.confirm:confirm",
    "dashboard": "doorkey.cli.dashboard:dashboard",
    "demo": "doorkey.cli.demo.command:demo",
    "explain": "doorkey.cli.explain:explain",
    "fetch": "doorkey.cli.fetch:fetch",
    "login": "doorkey.cli.login:login",
    "logout": "doorkey.cli.logout:logout",
    "mcp": "doorkey.cli.mcp:mcp",
    "open": "doorkey.cli.open:open_site",
    "profile": "doorkey.cli.profile:profile",
    "repair": "doorkey.cli.repair.command:repair",
    "reports": "doorkey.cli.reports:reports",
    "secret": "doorkey.cli.secret:secret",
    "serve": "doorkey.cli.serve:serve",
    "session": "doorkey.cli.session:session",
    "sites": "doorkey.cli.sites:sites",
    "trust": "doorkey.cli.trust:trust",
    "visit": "doorkey.cli.visit:visit",
}
"""The module of each command, and its name there."""


class CommandTable(MutableMapping[str, click.Command]):
    """The commands of PLACES, as click asks for them."""

    def __init__(self) -> None:
        self._loaded: dict[str, click.Command] = {}
        self._places = dict(PLACES)

    def __getitem__(self, name: str) -> click.Command:
        if name not in self._loaded:
            module, _, attribute = self._places[name].partition(":")
            self._loaded[name] = getattr(import_module(module), attribute)
        return self._loaded[name]

    def __setitem__(self, name: str, command: click.Command) -> None:
        self._places[name], self._loaded[name] = "", command

    def __delitem__(self, name: str) -> None:
        del self._places[name]
        self._loaded.pop(name, None)

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, name: object) -> bool:
        return name in self._places
