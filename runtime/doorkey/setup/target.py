"""The place in the settings file where a site is written: a new table, or the one that `doorkey add` made before."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from doorkey.errors import ConfigurationError
from doorkey.setup.kept_login import NOTHING, KeptLogin
from doorkey.setup.settings_file import append_table, check_addable, explain_taken, read_text, rewrite
from doorkey.setup.site_lines import SiteLines, setting_of

if TYPE_CHECKING:
    from doorkey.config.settings import Settings
    from doorkey.recognition.proposal import Line

MADE = "as `doorkey add` found it"
"""How the comment ends that `doorkey add` puts beside a table's name."""
LEARNED = ("url", "ready", "send", "check", "stale", "visit.steps", "login", "renew", "cookies.needed", "max_uses")
"""Settings that are written anew when a site is completed, beside its tokens. All others stay."""


@dataclass(frozen=True, slots=True)
class Target:
    """The settings file and its *settings*. `config` is the file that the user named.

    `kept` are values of the login that were given anew. They hold in place of those that the file names.
    """

    config: Path | None
    settings: Settings
    dry_run: bool = False
    kept: KeptLogin = NOTHING

    @property
    def file(self) -> Path:
        from doorkey.config.settings import FILE

        return self.config or self.settings.source or Path(FILE)

    def check(self, site: str, url: str, table: str = "") -> None:
        """Raise ConfigurationError if *site* can't be written. Called without *table* before a browser starts."""
        from doorkey.config.registry import build_sites
        from doorkey.config.settings import Settings

        if self.completes(site, url):
            return
        if site in self.settings.sites:
            raise ConfigurationError(explain_taken(site, self.settings.source))
        if not self.dry_run:
            check_addable(self.file, site, table or f"[sites.{site}]\n")
        if table:
            build_sites(Settings.load(self.settings.source, sites=tomllib.loads(table)["sites"]))

    def completes(self, site: str, url: str) -> bool:
        """Whether `doorkey add` made *site* for a page at the origin of *url*, so that it may be completed."""
        known = self.settings.sites.get(site)
        if known is None or self.settings.source is None or urlsplit(known.url or "")[:2] != urlsplit(url)[:2]:
            return False
        try:
            return SiteLines(read_text(self.file), site).title.endswith(MADE)
        except ConfigurationError:
            return False  # it is written in another form, and so not by doorkey

    def read_table(self, site: str) -> Mapping[str, Any]:
        """Return the table of *site* as it stands in the file; empty without one."""
        if site not in self.settings.sites or self.settings.source is None:
            return {}
        found = tomllib.loads(read_text(self.file)).get("sites", {}).get(site, {})
        return found if isinstance(found, dict) else {}

    def find_values(self, site: str, variables: Sequence[str]) -> dict[str, str]:
        """Return where the login takes its values from, for the reference to each of the environment *variables*.

        Where the user has named other places in the file, such as `secret:shop`, these stay.
        """
        names = [f"env:{name}" for name in variables]
        steps = _get(self.read_table(site), "visit.steps") or []
        values = [str(step["value"]) for step in steps if "fill" in step and "value" in step]
        found = dict(zip(names, values if len(values) == len(names) else names, strict=True))
        return found | {name: place for name, place in self.kept.places.items() if name in found}

    def compose(self, site: str, lines: Sequence[Line]) -> tuple[str, str]:
        """Return the file's text before and after *site* got these *lines* in place of what was learned earlier."""
        before, table = read_text(self.file), self.read_table(site)
        learned = {*LEARNED, *(f"tokens.{name}" for name in table.get("tokens", {}))}
        changes: dict[str, list[Line]] = {name: [] for name in learned if _holds(table, name)}
        for line in lines:
            changes.setdefault(setting_of(line.key), []).append(line)
        same = [name for name, made in changes.items() if made and _read(made, name) == _get(table, name)]
        return before, SiteLines(before, site).replace({name: changes[name] for name in changes if name not in same})

    def write(self, site: str, table: str, texts: tuple[str, str] | None, *, names_secrets: bool = False) -> None:
        """Append *table*, or for a site that is completed put the new one of its two *texts* in place of the old.

        *names_secrets*: the new lines name secrets that the user has just given for them.
        """
        if texts is None:
            append_table(self.file, site, table, names_secrets=names_secrets)
        elif texts[0] != texts[1]:
            rewrite(self.file, *texts, names_secrets=names_secrets)

    def load(self, table: str, texts: tuple[str, str] | None) -> Settings:
        """Return settings that have the site as it would be written."""
        from doorkey.config.settings import Settings

        if texts is not None:
            return Settings.load(self.settings.source, draft=texts[1])
        return Settings.load(self.settings.source, sites=tomllib.loads(table)["sites"])


def _get(table: Mapping[str, Any], setting: str) -> Any:
    outer, _, inner = setting.partition(".")
    held = table.get(outer)
    return held.get(inner) if inner and isinstance(held, dict) else None if inner else held


def _holds(table: Mapping[str, Any], setting: str) -> bool:
    return _get(table, setting) is not None


def _read(lines: Sequence[Line], setting: str) -> Any:
    """Return the value that *lines* give to *setting*."""
    from doorkey.recognition.toml_table import format_lines

    bare = [replace(line, comment="", inside=()) for line in lines]
    return _get(tomllib.loads("\n".join(format_lines(bare))), setting)


def list_missing(values: Mapping[str, str]) -> tuple[str, ...]:
    """Return the environment variables among *values* that are not set."""
    from doorkey.config.settings import variable

    named = [value.removeprefix("env:") for value in values.values() if value.startswith("env:")]
    return tuple(name for name in named if not variable(name))
