"""The lines of one site in the text of a settings file, so that single settings can be replaced in place."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from doorkey.errors import ConfigurationError
from doorkey.recognition.proposal import Line
from doorkey.recognition.toml_table import format_lines

PARTED = ("tokens", "visit", "cookies")
"""Tables whose entries are replaced one by one. Any other setting is replaced as a whole."""
BLANK = re.compile(r"\s*(?:#.*)?\s*")


@dataclass(frozen=True, slots=True)
class _Statement:
    """A setting of the site: its full `key`, the numbers of its lines, and the table in which it stands.

    `block`: the lines are one of a list of tables, with its header.
    """

    key: str
    begin: int
    end: int
    table: str
    block: bool = False


def setting_of(key: str) -> str:
    """Return the setting to which the dotted *key* belongs, as `SiteLines.replace` takes it: `send` for `send.when`."""
    parts = key.split(".")
    return ".".join(parts[:2]) if parts[0] in PARTED else parts[0]


class SiteLines:
    """The lines of [sites.*site*] in *text*. Raises ConfigurationError if the site has no such table there."""

    def __init__(self, text: str, site: str) -> None:
        self._site = site
        self._lines = text.splitlines(keepends=True)
        self._line_end = "\r\n" if "\r\n" in text else "\n"
        self._header = -1
        self._statements = list(self._read())
        if self._header < 0:
            raise ConfigurationError(f"[sites.{site}] is not a table of its own there: change its lines by hand")

    @property
    def title(self) -> str:
        """The comment beside the table's name."""
        return self._lines[self._header].partition("#")[2].strip()

    def replace(self, changes: Mapping[str, Sequence[Line]]) -> str:
        """Return the text with these settings: each is replaced by its lines, or removed where it has none.

        A new setting follows the table's last one. All other lines stay as they are. Raises ConfigurationError if the
        text does not allow it.
        """
        out = [[line] for line in self._lines]
        added: list[str] = []
        for setting, lines in changes.items():
            held = [one for one in self._statements if setting_of(one.key) == setting]
            for one in held:
                out[one.begin : one.end] = [[] for _ in range(one.begin, one.end)]
            fits = (one for one in held if not one.block and all(line.key.startswith(one.table) for line in lines))
            place = next(fits, None)
            made = [row for line in lines for row in self._write(line, held, place.table if place else "")]
            if place is not None:
                out[place.begin] = made
            else:
                added += made
        last = max((one.end for one in self._statements if not one.table), default=self._header + 1)
        if added and last == len(out) and not self._lines[-1].endswith("\n"):
            added.insert(0, self._line_end)
        text = "".join(line for part in (*out[:last], added, *out[last:]) for line in part)
        self._check(text, changes)
        return text

    def _write(self, line: Line, held: Sequence[_Statement], table: str) -> list[str]:
        """Return the rows of *line* inside *table*: those that it has in the text, where its value is the same."""
        cut = len(table) + 1 if table else 0
        bare = tomllib.loads("\n".join(format_lines([replace(line, comment="", inside=())], cut)))
        for one in held:
            rows = self._lines[one.begin : one.end]
            if one.key == line.key and one.table == table and tomllib.loads("".join(rows)) == bare:
                return [row if row.endswith("\n") else f"{row}{self._line_end}" for row in rows]
        column = self._lines[self._header].find("  #")
        return [f"{row}{self._line_end}" for row in format_lines([line], cut, column)]

    def _read(self) -> Iterator[_Statement]:
        at, table, inside = 0, "", False
        while at < len(self._lines):
            if BLANK.fullmatch(self._lines[at]):
                at += 1
                continue
            end, data = self._parse(at)
            if self._lines[at].lstrip().startswith("["):
                path, many = _read_header(data)
                inside = path[:2] == ["sites", self._site]
                table = ".".join(path[2:])
                if inside and not table:
                    self._header = at
                if inside and many:
                    end = self._find_next_header(end)
                    yield _Statement(table, at, end, table, block=True)
            elif inside:
                key = ".".join(filter(None, (table, _read_key(data))))
                yield _Statement(key, at, end, table)
            at = end

    def _parse(self, begin: int) -> tuple[int, dict[str, Any]]:
        """Return where the statement that begins at line *begin* ends, and its data."""
        for end in range(begin + 1, len(self._lines) + 1):
            try:
                return end, tomllib.loads("".join(self._lines[begin:end]))
            except tomllib.TOMLDecodeError:
                continue
        raise ConfigurationError(f"line {begin + 1} of the settings file is no valid TOML")

    def _find_next_header(self, at: int) -> int:
        while at < len(self._lines) and not self._lines[at].lstrip().startswith("["):
            at = at + 1 if BLANK.fullmatch(self._lines[at]) else self._parse(at)[0]
        return at

    def _check(self, text: str, changes: Mapping[str, Sequence[Line]]) -> None:
        """Raise ConfigurationError unless *text* differs from the text before in these settings alone."""
        try:
            before, after = tomllib.loads("".join(self._lines)), tomllib.loads(text)
        except tomllib.TOMLDecodeError as exc:
            raise self._refuse(f"{exc}") from exc
        for data in (before, after):
            held = data["sites"][self._site]
            for setting in changes:
                outer, _, inner = setting.partition(".")
                if inner and isinstance(held.get(outer), dict):
                    held[outer].pop(inner, None)
                elif not inner:
                    held.pop(outer, None)
                if not held.get(outer, True):
                    del held[outer]
        if before != after:
            raise self._refuse("other settings stand on the same lines")

    def _refuse(self, why: str) -> ConfigurationError:
        return ConfigurationError(f"the lines of [sites.{self._site}] can't be replaced ({why}): change them by hand")


def _read_header(data: Mapping[str, Any]) -> tuple[list[str], bool]:
    """Return the path that a table's header names, and whether it is one of a list of tables."""
    path: list[str] = []
    inner: Any = data
    while isinstance(inner, dict) and inner:
        name, inner = next(iter(inner.items()))
        path.append(name)
    return path, isinstance(inner, list)


def _read_key(data: Mapping[str, Any]) -> str:
    """Return the dotted key of a statement. What stands in braces below a setting's name is its value."""
    path: list[str] = []
    inner: Any = data
    while isinstance(inner, dict) and len(inner) == 1 and len(path) < 2:
        name, inner = next(iter(inner.items()))
        path.append(name)
    return ".".join(path)
