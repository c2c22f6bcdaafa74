"""Describes faults in settings, with their place: file and line, variable, or flag."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import UnionType
from typing import Any, TypeAlias, get_args

from pydantic import BaseModel, SecretStr, ValidationError

Place: TypeAlias = tuple[str, ...]

OTHERS = re.compile(r"DOORKEY_(REQUIRE|TEST_\w+)")
"""Environment variables that only doorkey's tests use."""
UNSHOWN = ("key", "proxy", "url", "send", "visit", "login", "renew")
"""Settings whose value is or may hold a secret."""
KINDS = {
    str: "text",
    bool: "true or false",
    int: "an integer",
    float: "a number",
    list: "a list",
    dict: "a table",
    type(None): "nothing",
}


def near(name: str, known: Iterable[str]) -> str:
    """Return the nearest known name as the end of a sentence; empty if none is near."""
    found = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f" (did you mean {found[0]!r}?)" if found else ""


@dataclass(frozen=True, kw_only=True)
class Sources:
    """Where settings came from. `variables` are environment variables, by upper-case name.

    `searched` are the places where a settings file was looked for, if none was found.
    """

    file: Path | None = None
    searched: tuple[Path, ...] = field(default=(), compare=False)
    text: str = field(default="", repr=False, compare=False)
    variables: Mapping[str, str] = field(default_factory=dict, repr=False, compare=False)
    overrides: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    def explain_missing_site(self, name: object, configured: Iterable[str]) -> str:
        """Return the message for a site that is not configured: which file was read, and how to add the site.

        Raises TypeError for what is no name at all.
        """
        if not isinstance(name, str):
            came = type(name).__name__
            raise TypeError(f"site: expected the name of a configured site, such as 'wiki'; came a {came}")
        configured = tuple(configured)
        place = f" in {self.file}" if self.file else ""
        known = f"; configured: {', '.join(configured)}" if configured else ""
        return (
            f"no site is called {name[:80]!r}{place}{near(name, configured)}{known}{self._searched()}. "
            "To add a site: doorkey add URL"
        )

    def explain_no_sites(self) -> str:
        """Return the message for settings without any site."""
        place = f" in {self.file}" if self.file else ""
        return (
            f"no site is configured{place}{self._searched()}. To add a site: doorkey add URL. "
            "To see doorkey work on local copies of sites: doorkey demo"
        )

    def _searched(self) -> str:
        return f"; there is no {' and no '.join(map(str, self.searched))}" if self.searched else ""

    @cached_property
    def lines(self) -> dict[Place, int]:
        return find_lines(self.text)

    def where(self, place: Place) -> str:
        """Return what to change: the flag, the variable, or the line of the file that set *place*."""
        if _holds(self.overrides, place):
            return f"--{place[-1]}: "
        for end in range(len(place), 0, -1):
            variable = "DOORKEY_" + "__".join(place[:end]).upper()
            if variable in self.variables:
                return f"{variable}: "
        for end in range(len(place), 0, -1):
            if place[:end] in self.lines:
                return f"{self.file}, line {self.lines[place[:end]]}: "
        return f"{self.file}: " if self.file else ""


def _holds(data: object, place: Place) -> bool:
    for part in place:
        if not isinstance(data, Mapping) or part not in data:
            return False
        data = data[part]
    return True


def find_lines(text: str) -> dict[Place, int]:
    """Return the first line of each table and key in a TOML text."""
    lines: dict[Place, int] = {}
    table: Place = ()
    for number, line in enumerate(text.splitlines(), 1):
        if header := re.match(r"\s*\[\[?([^\[\]]+)\]", line):
            table = _read_path(header[1]) or table
            lines.setdefault(table, number)
        elif key := re.match(r"\s*((?:\"[^\"]*\"|'[^']*'|[\w.\s-])+?)\s*=", line):
            path = table + _read_path(key[1])
            for end in range(len(table) + 1, len(path) + 1):
                lines.setdefault(path[:end], number)
    return lines


def _read_path(dotted: str) -> Place:
    try:
        data: Any = tomllib.loads(f"{dotted} = 0")
    except tomllib.TOMLDecodeError:
        return ()
    path: list[str] = []
    while isinstance(data, dict):
        name, data = next(iter(data.items()))
        path.append(name)
    return tuple(path)


def explain(
    model: type[BaseModel], error: ValidationError, sources: Sources, *, table: Place = (), beside: Iterable[str] = ()
) -> list[str]:
    """Describe each fault: its place, its key, what was expected, and which kind of value came. Never a secret.

    *table* is where the values that *model* describes stand; *beside* are keys that others allow there.
    """
    told: dict[str, None] = {}
    for fault in error.errors(include_url=False, include_context=False):
        inner = _list_keys(model, fault["loc"])
        place = table + inner
        said = fault["msg"].removeprefix("Value error, ").removeprefix("Input ")
        if not inner:
            for line in said.splitlines():
                key = table + _read_path(line.partition(":")[0])
                told[f"{sources.where(key)}{_join_place(table)}{'.' if table else ''}{line}"] = None
        elif fault["type"] == "extra_forbidden":
            known = (*_list_fields(model, inner[:-1]), *(beside if len(inner) == 1 else ()))
            told[f"{sources.where(place)}unknown key {_join_place(place)}{near(place[-1], known)}"] = None
        else:
            came = _came(place, fault["input"]) if fault["type"] != "value_error" else ""
            said = "expected a table" if fault["type"] in ("model_type", "dict_type") else said
            for line in said.splitlines():
                within, rest = _find_key(line) if isinstance(fault["input"], dict) else ("", line)
                inside = place + _read_path(within) if within else place
                told[f"{sources.where(inside)}{_join_place(inside)}: {rest[:1].lower()}{rest[1:]}{came}"] = None
    return list(told)


def _find_key(line: str) -> tuple[str, str]:
    """Return the key in a table that *line* begins with ("form.user: expected …") and the rest; "" without one."""
    found = re.match(r"([\w-]+(?:\.[\w-]+)*): ", line)
    return (found[1], line[found.end() :]) if found else ("", line)


def unknown_keys(keys: Iterable[str], known: Iterable[str], sources: Sources, table: Place) -> list[str]:
    """Describe the unknown keys of *table*, each with its place and the nearest known key."""
    known = tuple(known)
    return [f"{sources.where((*table, key))}unknown key {_join_place((*table, key))}{near(key, known)}" for key in keys]


def _came(place: Place, value: object) -> str:
    kind = KINDS.get(type(value), type(value).__name__)
    if (
        isinstance(value, SecretStr)
        or any(part in UNSHOWN for part in place)
        or not isinstance(value, str | int | float)
    ):
        return f"; came {kind}"
    return f"; came {kind}, {str(value)[:60]!r}"


def _join_place(place: Place) -> str:
    return ".".join(part if re.fullmatch(r"[\w-]+", part) else f'"{part}"' for part in place)


def _find_type(model: object, name: str) -> object:
    """Return the type under *name* in a table that *model* describes; None if *name* is not allowed there."""
    if isinstance(model, type) and issubclass(model, BaseModel):
        known = next((field for key, field in model.model_fields.items() if name in (key, field.alias)), None)
        return _unwrap_optional(known.annotation) if known else None
    return get_args(model)[1] if getattr(model, "__origin__", None) is dict else None


def _unwrap_optional(model: object) -> object:
    """Return what *model* is where it is set."""
    members = [member for member in get_args(model) if member is not type(None)]
    return members[0] if isinstance(model, UnionType) and len(members) == 1 else model


def _is_list(model: object) -> bool:
    return getattr(model, "__origin__", None) in (list, tuple)


def _list_keys(model: object, location: Iterable[str | int]) -> Place:
    """Return the keys in pydantic's *location*. Its other parts are members of unions and indexes of lists."""
    keys: list[str] = []
    for name in location:
        if _is_list(model):
            model = get_args(model)[0]
            continue
        if (
            not (isinstance(model, type) and issubclass(model, BaseModel))
            and getattr(model, "__origin__", None) is not dict
        ):
            break
        keys.append(str(name))
        model = _find_type(model, str(name))
    return tuple(keys)


def _list_fields(model: object, place: Place) -> tuple[str, ...]:
    for name in place:
        model = _find_type(model, name)
        model = get_args(model)[0] if _is_list(model) else model
    if not (isinstance(model, type) and issubclass(model, BaseModel)):
        return ()
    return tuple(field.alias or name for name, field in model.model_fields.items())


def strangers(model: type[BaseModel], variables: Iterable[str], prefix: str) -> list[str]:
    """Describe the variables that name no setting, each with the nearest one that does."""
    return [
        f"{name}: no setting has this variable{near(name, _list_variables(model, name, prefix))}"
        for name in sorted(variables)
        if not OTHERS.fullmatch(name) and not _names_a_setting(model, name.removeprefix(prefix).lower().split("__"))
    ]


def _names_a_setting(model: object, path: list[str]) -> bool:
    for name in path:
        model = _find_type(model, name) if name else None
        if model is None:
            return False
    return True


def _list_variables(model: type[BaseModel], name: str, prefix: str) -> list[str]:
    """Return the variables that *name* may have meant: those of all settings, and of the site that it names."""
    parts = name.removeprefix(prefix).split("__")
    spellings = []
    for section in model.model_fields:
        inner, start = _find_type(model, section), f"{prefix}{section.upper()}"
        spellings.append(start)
        if len(parts) > 2 and getattr(inner, "__origin__", None) is dict:
            inner, start = _find_type(inner, ""), f"{start}__{parts[1]}"
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            spellings += [f"{start}__{key.upper()}" for key in inner.model_fields]
    return spellings
