"""Reads the values in the bodies of requests and answers."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from email import message_from_string
from typing import Any, Literal, TypeAlias
from urllib.parse import parse_qsl

BodyKind: TypeAlias = Literal["form", "json"]
DEEPEST = 12
MOST = 2000
"""Levels of JSON, and values of one body, that are looked at."""


@dataclass(frozen=True, slots=True)
class Leaf:
    """One value in a body. `path` is the field's name, or the path into JSON; `listed`: it is inside a list."""

    kind: BodyKind
    path: str
    value: str = field(repr=False)
    listed: bool = False


def read_body(body: str, content_type: str) -> tuple[Leaf, ...]:
    """Return the values of a form, a multipart form (without files) or JSON; none of any other body."""
    if not body.strip():
        return ()
    if body.lstrip()[:1] in ("{", "["):
        return read_json(body)
    if content_type.lower().startswith("multipart/"):
        return tuple(_read_parts(body, content_type))
    if "=" in body and "json" not in content_type and "<" not in body[:1]:
        return tuple(Leaf("form", name, value) for name, value in parse_qsl(body, keep_blank_values=True)[:MOST])
    return ()


def read_json(text: str) -> tuple[Leaf, ...]:
    """Return the texts and numbers in JSON; none of what is no JSON."""
    try:
        data = json.loads(text.removeprefix("\ufeff"))
    except (ValueError, RecursionError):
        return ()
    found = []
    for leaf in _walk(data, (), listed=False):
        found.append(leaf)
        if len(found) >= MOST:
            break
    return tuple(found)


def rewrite_json(text: str, write: Callable[[Leaf], str | None]) -> Any:
    """Return the JSON in *text* with each text in it as *write* gives it: None leaves it out, as nulls are left out."""
    return _rewrite(json.loads(text.removeprefix("\ufeff")), (), write)


def _rewrite(value: Any, path: tuple[str, ...], write: Callable[[Leaf], str | None]) -> Any:
    if isinstance(value, dict):
        items = ((name, _rewrite(inner, (*path, str(name)), write)) for name, inner in value.items())
        return {name: inner for name, inner in items if inner is not None}
    if isinstance(value, list):
        listed = (_rewrite(inner, (*path, str(at)), write) for at, inner in enumerate(value))
        return [inner for inner in listed if inner is not None]
    return write(Leaf("json", ".".join(path), value)) if isinstance(value, str) else value


def _walk(value: Any, path: tuple[str, ...], *, listed: bool) -> Iterator[Leaf]:
    if len(path) > DEEPEST:
        return
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _walk(inner, (*path, str(name)), listed=listed or "." in str(name))
    elif isinstance(value, list):
        for at, inner in enumerate(value[:20]):
            yield from _walk(inner, (*path, str(at)), listed=True)
    elif isinstance(value, str | int | float) and not isinstance(value, bool):
        yield Leaf("json", ".".join(path), str(value), listed)


def _read_parts(body: str, content_type: str) -> Iterator[Leaf]:
    message = message_from_string(f"Content-Type: {content_type}\n\n{body}")
    for part in message.walk():
        name = part.get_param("name", header="content-disposition")
        value = part.get_payload()
        if isinstance(name, str) and part.get_filename() is None and isinstance(value, str):
            yield Leaf("form", name, value.removesuffix("\n").removesuffix("\r"))
