"""The places of the login's values in a site's lines: `env:NAME`, `secret:NAME` and so on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from doorkey.recognition.proposal import Line


def with_values(lines: Sequence[Line], values: Mapping[str, str]) -> list[Line]:
    """Return *lines* with these *values* in the place of the references that are their keys."""
    return [replace(line, value=exchange(line.value, values)) for line in lines]


def exchange(value: Any, known: Mapping[str, str]) -> Any:
    """Return *value*, a setting, with every text in it that is a key of *known* exchanged."""
    if isinstance(value, str):
        return known.get(value, value)
    if isinstance(value, Mapping):
        return {name: exchange(inner, known) for name, inner in value.items()}
    return tuple(exchange(inner, known) for inner in value) if isinstance(value, list | tuple) else value
