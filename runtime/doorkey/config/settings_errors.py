"""Says what is wrong with settings, and where it stands: file and line, variable, or flag."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias, get_args

from pydantic import BaseModel, SecretStr, ValidationError

Place: TypeAlias = tuple[str, ...]

OTHERS = re.compile(r"DOORKEY_(REQUIRE|TEST_\w+)")
"""Variables that belong to doorkey's tests."""
UNSHOWN = ("key", "proxy", "url", "send", "visit")
"""Settings whose value is, or may hold, a secret."""
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
    """The nearest known name as the end of a sentence; empty when none is near."""
    found = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f" (did you mean {found[0]!r}?)" if found else ""


@dataclass(frozen=True, kw_only=True)
class Sources:
    """Where settings came from. `variables` are the environment's, by upper-case name.

    `searched` are the places where a settings file was looked for, if none was found.
    """

    file: Path | None = None
    searched: tuple[Path, ...] = field(default=(), compare=False)
    text: str = field(default="", repr=False, compare=False)
    variables: Mapping[str, str] = field(default_factory=dict, repr=False, compare=False)
    overrides: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    def explain_missing_site(self, name: str, configured: Iterable[str]) -> str:
        """The message for a site that is not configured: which file was read, and how to add the site."""
        configured = tuple(configured)
        place = f" in {self.file}" if self.file else ""
        known = f"; configured: {', '.join(configured)}" if configured else ""
        return (
            f"no site is called {name[:80]!r}{place}{near(name, configured)}{known}{self._searched()}. "
            "To add a site: doorkey add URL"
        )

    def explain_no_sites(self) -> str:
        """The message for settings without any site."""
        place = f" in {self.file}" if self.file else ""
        return (
            f"no site is configured{place}{self._searched()}. To add a site: doorkey add URL. "
            "To see doorkey work on local copies of sites: doorkey demo"
        )

    def _searched(self) -> str:
        return f"; there is no {' and no '.join(map(str, self.searched))}" if self.searched else ""

    @cached_property
    def lines(self) -> dict[Place, int]:
        return lines_of(self.text)

    def where(self, place: Place) -> str:
        """What a person must change: the flag, the variable, or the file's line that set *place*."""
        if _within(self.overrides, place):
            return f"--{place[-1]}: "
        for end in range(len(place), 0, -1):
            variable = "DOORKEY_" + "__".join(place[:end]).upper()
            if variable in self.variables:
                return f"{variable}: "
        for end in range(len(place), 0, -1):
            if place[:end] in self.lines:
                return f"{self.file}, line {self.lines[place[:end]]}: "
        return f"{self.file}: " if self.file else ""


def _within(data: object, place: Place) -> bool:
    for part in place:
        if not isinstance(data, Mapping) or part not in data:
            return False
        data = data[part]
    return True


def lines_of(text: str) -> dict[Place, int]:
    """The line on which each table and key of a TOML text first stands."""
    lines: dict[Place, int] = {}
    table: Place = ()
    for number, line in enumerate(text.splitlines(), 1):
        if header := re.match(r"\s*\[\[?([^\[\]]+)\]", line):
            table = _path(header[1]) or table
            lines.setdefault(table, number)
        elif key := re.match(r"\s*((?:\"[^\"]*\"|'[^']*'|[\w.\s-])+?)\s*=", line):
            path = table + _path(key[1])
            for end in range(len(table) + 1, len(path) + 1):
                lines.setdefault(path[:end], number)
    return lines


def _path(dotted: str) -> Place:
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
    """Each fault as a sentence: its place, its key, what was expected, what kind of value came. Never a secret.

    *table* is where the values that *model* describes stand; *beside* are keys that others allow there.
    """
    told: dict[str, None] = {}
    for fault in error.errors(include_url=False, include_context=False):
        inner = _keys(model, fault["loc"])
        place = table + inner
        said = fault["msg"].removeprefix("Value error, ").removeprefix("Input ")
        if not inner:
            for line in said.splitlines():
                key = table + _path(line.partition(":")[0])
                told[f"{sources.where(key)}{_dotted(table)}{'.' if table else ''}{line}"] = None
        elif fault["type"] == "extra_forbidden":
            known = (*_fields(model, inner[:-1]), *(beside if len(inner) == 1 else ()))
            told[f"{sources.where(place)}unknown key {_dotted(place)}{near(place[-1], known)}"] = None
        else:
            came = _came(place, fault["input"]) if fault["type"] != "value_error" else ""
            for line in said.splitlines():
                told[f"{sources.where(place)}{_dotted(place)}: {line[:1].lower()}{line[1:]}{came}"] = None
    return list(told)


def unknown_keys(keys: Iterable[str], known: Iterable[str], sources: Sources, table: Place) -> list[str]:
    """Keys of *table* that nobody knows, each with its place and the nearest known one."""
    known = tuple(known)
    return [f"{sources.where((*table, key))}unknown key {_dotted((*table, key))}{near(key, known)}" for key in keys]


def _came(place: Place, value: object) -> str:
    kind = KINDS.get(type(value), type(value).__name__)
    if (
        isinstance(value, SecretStr)
        or any(part in UNSHOWN for part in place)
        or not isinstance(value, str | int | float)
    ):
        return f"; came {kind}"
    return f"; came {kind}, {str(value)[:60]!r}"


def _dotted(place: Place) -> str:
    return ".".join(part if re.fullmatch(r"[\w-]+", part) else f'"{part}"' for part in place)


def _inner(model: object, name: str) -> object:
    """What stands under *name* in a table that *model* describes; None when nothing may."""
    if isinstance(model, type) and issubclass(model, BaseModel):
        known = next((field for key, field in model.model_fields.items() if name in (key, field.alias)), None)
        return known.annotation if known else None
    return get_args(model)[1] if getattr(model, "__origin__", None) is dict else None


def _is_list(model: object) -> bool:
    return getattr(model, "__origin__", None) in (list, tuple)


def _keys(model: object, location: Iterable[str | int]) -> Place:
    """The keys in pydantic's *location*: the rest are members of a union, or places in a list."""
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
        model = _inner(model, str(name))
    return tuple(keys)


def _fields(model: object, place: Place) -> tuple[str, ...]:
    for name in place:
        model = _inner(model, name)
        model = get_args(model)[0] if _is_list(model) else model
    if not (isinstance(model, type) and issubclass(model, BaseModel)):
        return ()
    return tuple(field.alias or name for name, field in model.model_fields.items())


def strangers(model: type[BaseModel], variables: Iterable[str], prefix: str) -> list[str]:
    """The variables that name no setting, each with the nearest one that does."""
    return [
        f"{name}: no setting has this variable{near(name, _spellings(model, name, prefix))}"
        for name in sorted(variables)
        if not OTHERS.fullmatch(name) and not _names_a_setting(model, name.removeprefix(prefix).lower().split("__"))
    ]


def _names_a_setting(model: object, path: list[str]) -> bool:
    for name in path:
        model = _inner(model, name) if name else None
        if model is None:
            return False
    return True


def _spellings(model: type[BaseModel], name: str, prefix: str) -> list[str]:
    """The variables that *name* may have meant: the settings, and those of the site it names."""
    parts = name.removeprefix(prefix).split("__")
    spellings = []
    for section in model.model_fields:
        inner, start = _inner(model, section), f"{prefix}{section.upper()}"
        spellings.append(start)
        if len(parts) > 2 and getattr(inner, "__origin__", None) is dict:
            inner, start = _inner(inner, ""), f"{start}__{parts[1]}"
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            spellings += [f"{start}__{key.upper()}" for key in inner.model_fields]
    return spellings
