"""Reads values: by a path into JSON, also into JSON that was cut off, and as text."""

from __future__ import annotations

import json
from typing import TypeAlias
from urllib.parse import unquote

JSON: TypeAlias = "str | int | float | bool | list[JSON] | dict[str, JSON] | None"


def walk(value: JSON, path: str) -> JSON:
    """Return what lies at *path* ("error.code", "items.0.id") in *value*; None if nothing does."""
    for part in path.split("."):
        if isinstance(value, dict):
            value = value.get(part)
        elif isinstance(value, list) and part.isdigit() and int(part) < len(value):
            value = value[int(part)]
        else:
            return None
    return value


def parse_json(text: str) -> JSON:
    """Read *text* as JSON; None if it is not JSON."""
    try:
        value: JSON = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value


def find_in_start(start: str, path: str) -> JSON:
    """Return what lies at *path* in JSON of which only the *start* has come; None if it has not come yet.

    A text or a number counts once it is whole, an object or a list once it has begun.
    """
    value, _ = _cut_value(start, _skip_space(start, 0), path.count(".") + 2)
    return walk(value, path)


def _cut_value(text: str, at: int, depth: int) -> tuple[JSON, int]:
    """Return the value at *at* and its end. Of a value that was cut off, members down to *depth* levels count."""
    try:
        value: JSON
        value, end = json.JSONDecoder().raw_decode(text, at)
    except (ValueError, RecursionError):
        start = text[at : at + 1]
        if depth > 0 and start == "{":
            return _cut_object(text, at + 1, depth), len(text)
        if depth > 0 and start == "[":
            return _cut_list(text, at + 1, depth), len(text)
        return None, len(text)
    return value, end


def _cut_object(text: str, at: int, depth: int) -> JSON:
    found: dict[str, JSON] = {}
    while True:
        name, at = _cut_value(text, _skip_space(text, at), 0)
        at = _skip_space(text, at)
        if not isinstance(name, str) or text[at : at + 1] != ":":
            return found
        found[name], at = _cut_value(text, _skip_space(text, at + 1), depth - 1)
        at = _skip_space(text, at)
        if text[at : at + 1] != ",":
            return found
        at += 1


def _cut_list(text: str, at: int, depth: int) -> JSON:
    found: list[JSON] = []
    while (at := _skip_space(text, at)) < len(text):
        value, at = _cut_value(text, at, depth - 1)
        found.append(value)
        at = _skip_space(text, at)
        if text[at : at + 1] != ",":
            break
        at += 1
    return found


def _skip_space(text: str, at: int) -> int:
    while at < len(text) and text[at] in " \t\r\n":
        at += 1
    return at


def to_text(value: JSON) -> str:
    """Return *value* as it is written into a header, a query or a form."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def unescape_cookie(value: str) -> str:
    """Undo the percent-encoding of a cookie's value: sites use it for characters that cookies can't hold."""
    return unquote(value) if "%" in value else value
