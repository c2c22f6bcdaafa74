"""Reads in a page's scripts where they send a value: in which header, or under which name in a body."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from doorkey.learning.carried import Slot

if TYPE_CHECKING:
    from doorkey.learning.differences import Value

NAMED = r"""(?P<quote>["'])?(?P<key>[A-Za-z_][\w-]{1,60})(?(quote)(?P=quote))\s*[:,]\s*[^,;:{}\n]{0,120}?"""
"""A name with what a script gives it: in an object, or as two arguments of a call."""
HEADERS = re.compile(r"headers|setRequestHeader", re.IGNORECASE)
BODIES = re.compile(r"JSON\.stringify|URLSearchParams|FormData|\bdata\s*:|\.append\b|\.post\(", re.IGNORECASE)
BEFORE = 300
"""Characters in front of a name in which the script says what the name belongs to."""


def find_usage(value: Value, scripts: Iterable[str]) -> Slot | None:
    """Return the place in requests to which *scripts* copy *value*; None if none is seen to."""
    used = re.compile(NAMED + f"(?:{_express(value)})")
    for text in scripts:
        for found in used.finditer(text):
            slot = _read(found["key"], text[max(0, found.start() - BEFORE) : found.start()])
            if slot is not None:
                return slot
    return None


def _express(value: Value) -> str:
    """Return a pattern of how a script names *value*."""
    name = re.escape(value.name)
    match value.kind:
        case "local" | "session":
            return rf"getItem\(\s*[\"']{re.escape(value.source.partition(':')[2])}[\"']"
        case "data":
            camel = re.escape(re.sub(r"-(\w)", lambda part: part[1].upper(), value.name))
            return rf"dataset\.{camel}\b|data\([\"']{name}[\"']|getAttribute\([\"']data-{name}[\"']"
        case "meta" | "field":
            return rf"\[name=\\?[\"']?{name}\b"
        case _:
            return rf"[\w$)\]]\.{name}\b|\[[\"']{name}[\"']\]"


def _read(key: str, before: str) -> Slot | None:
    header = max((one.end() for one in HEADERS.finditer(before)), default=-1)
    body = max((one.end() for one in BODIES.finditer(before)), default=-1)
    closed = header >= 0 and "}" in before[header:]
    if "-" in key or (header > body and not closed):
        return Slot("header", key)
    if body < 0:
        return None
    last = next(reversed([one.group() for one in BODIES.finditer(before)]))
    return Slot("json", key) if last == "JSON.stringify" else Slot("form", key)
