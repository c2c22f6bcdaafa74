"""Values inside values: by a path into JSON, also into JSON that was cut off, and as text."""

from __future__ import annotations

import json
from typing import TypeAlias
from urllib.parse import unquote

JSON: TypeAlias = "str | int | float | bool | list[JSON] | dict[str, JSON] | None"

DEEPEST = 20
"""Levels of cut-off JSON that are looked into."""


def walk(value: JSON, path: str) -> JSON:
    """What lies at *path* ("error.code", "items.0.id") in *value*; None when nothing does."""
    for part in path.split("."):
        if isinstance(value, dict):
            value = value.get(part)
        elif isinstance(value, list) and part.isdigit() and int(part) < len(value):
            value = value[int(part)]
        else:
            return None
    return value


def parsed(text: str) -> JSON:
    """*text* as JSON; None when it is none."""
    try:
        value: JSON = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value


def peeked(start: str) -> JSON:
    """The beginning of JSON as far as it goes: of an object or a list that was cut off, the members that are whole."""
    return _value(start, _skipped(start, 0), 0)[0]


def _value(text: str, at: int, depth: int) -> tuple[JSON, int]:
    """The value at *at* and where it ends; a value that was cut off ends with the text."""
    try:
        value: JSON
        value, end = json.JSONDecoder().raw_decode(text, at)
    except (ValueError, RecursionError):
        start = text[at : at + 1]
        if depth < DEEPEST and start == "{":
            return _members(text, at + 1, depth), len(text)
        if depth < DEEPEST and start == "[":
            return _items(text, at + 1, depth), len(text)
        return None, len(text)
    return value, end


def _members(text: str, at: int, depth: int) -> JSON:
    found: dict[str, JSON] = {}
    while True:
        name, at = _value(text, _skipped(text, at), DEEPEST)
        at = _skipped(text, at)
        if not isinstance(name, str) or text[at : at + 1] != ":":
            return found
        found[name], at = _value(text, _skipped(text, at + 1), depth + 1)
        at = _skipped(text, at)
        if text[at : at + 1] != ",":
            return found
        at += 1


def _items(text: str, at: int, depth: int) -> JSON:
    found: list[JSON] = []
    while (at := _skipped(text, at)) < len(text):
        value, at = _value(text, at, depth + 1)
        found.append(value)
        at = _skipped(text, at)
        if text[at : at + 1] != ",":
            break
        at += 1
    return found


def _skipped(text: str, at: int) -> int:
    while at < len(text) and text[at] in " \t\r\n":
        at += 1
    return at


def as_text(value: JSON) -> str:
    """*value* as it is written into a header, a query or a form."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def unescaped(value: str) -> str:
    """A cookie's value as page scripts read it: sites write theirs percent-encoded where it holds other signs."""
    return unquote(value) if "%" in value else value
