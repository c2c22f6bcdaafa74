"""A site's table as TOML writes it, with a comment on each line."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from doorkey.recognition.proposal import Line, Proposal

WIDEST = 56
"""Columns that comments are moved to; a longer line has its own right behind it."""
LONGEST = 100


def written(proposal: Proposal, site: str) -> str:
    """The table of *site*, ready to be appended to a settings file."""
    rows = [(f"[sites.{site}]", f"{proposal.kind}, as `doorkey add` found it")]
    for line in proposal.lines:
        rows += _rows(line)
    column = min(WIDEST, max(len(text) for text, _ in rows))
    return "".join(f"{text:<{column}}  # {_harmless(said)}\n" if said else f"{text}\n" for text, said in rows)


def _rows(line: Line) -> list[tuple[str, str]]:
    key = ".".join(part if re.fullmatch(r"[\w-]+", part, re.ASCII) else _text(part) for part in line.key.split("."))
    if not line.inside:
        return [(f"{key} = {toml(line.value)}", line.comment)]
    items = [(f"    {toml(item)},", said) for item, said in zip(line.value, line.inside, strict=True)]
    return [(f"{key} = [", line.comment), *items, ("]", "")]


def toml(value: Any) -> str:
    """*value*, a text, number, list or table of such, on one line."""
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{key} = {toml(inner)}" for key, inner in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(toml, value)) + "]"
    return json.dumps(value)


def _text(text: str) -> str:
    # JSON's escapes are TOML's; what TOML does not take unescaped, and JSON does, is DEL.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _harmless(text: str) -> str:
    """*text* on one line, as a comment may hold it: some of it is the site's."""
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())[:LONGEST]
