"""Writes a site's table as TOML, with a comment on each line."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from doorkey.recognition.proposal import Line, Proposal

WIDEST = 56
"""The last column at which comments are aligned. On a longer line the comment follows directly."""
LONGEST = 100


def write_table(proposal: Proposal, site: str) -> str:
    """Return the table of *site*, ready to be appended to a settings file."""
    return write_lines(proposal.lines, site, f"{proposal.kind}, as `doorkey add` found it")


def write_lines(lines: Iterable[Line], site: str, title: str) -> str:
    """Return the table of *site* with these *lines*; *title* is the comment beside its name."""
    rows = [(f"[sites.{site}]", title)]
    for line in lines:
        rows += _rows(line)
    return "".join(f"{row}\n" for row in _align(rows))


def format_lines(lines: Iterable[Line], cut: int = 0, column: int = 0) -> list[str]:
    """Return the rows of these *lines*, without the first *cut* characters of each key: those of a table's name.

    Comments begin at *column* or after it.
    """
    return _align([row for line in lines for row in _rows(replace(line, key=line.key[cut:]))], column)


def _align(rows: Sequence[tuple[str, str]], least: int = 0) -> list[str]:
    column = min(WIDEST, max((len(text) for text, _ in rows), default=0))
    column = max(column, min(least, WIDEST))
    return [f"{text:<{column}}  # {_harmless(said)}" if said else text for text, said in rows]


def _rows(line: Line) -> list[tuple[str, str]]:
    key = ".".join(map(_key, line.key.split(".")))
    if not line.inside:
        return [(f"{key} = {to_toml(line.value)}", line.comment)]
    items = [(f"    {to_toml(item)},", said) for item, said in zip(line.value, line.inside, strict=True)]
    return [(f"{key} = [", line.comment), *items, ("]", "")]


def to_toml(value: Any) -> str:
    """Return *value* (a text, a number, a list or a table of these) as TOML on one line."""
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{_key(key)} = {to_toml(inner)}" for key, inner in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(to_toml, value)) + "]"
    return json.dumps(value)


def _key(name: str) -> str:
    return name if re.fullmatch(r"[\w-]+", name, re.ASCII) else _text(name)


def _text(text: str) -> str:
    # JSON's escapes are valid TOML. The one difference is DEL, which TOML wants escaped.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _harmless(text: str) -> str:
    """Return *text* on one line, as a comment may hold it: parts of it come from the site."""
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())[:LONGEST]
