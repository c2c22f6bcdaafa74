"""Finds the tokens that recorded requests carried: values that nobody typed, and that stood somewhere before."""

from __future__ import annotations

import re
from collections.abc import Iterator, Set
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from doorkey.learning.draft import Doubt
from doorkey.learning.login import STANDARD
from doorkey.learning.origins import Origin, find_origin
from doorkey.learning.recording import Exchange, Recording
from doorkey.learning.values import SECRET_NAME, is_random

Place: TypeAlias = Literal["header", "query", "form", "json"]
SCHEME = re.compile(r"(Bearer|Token|JWT)\s+(\S+)", re.IGNORECASE)
NUMBER = re.compile(r"\d+|[0-9a-f]{8}-[0-9a-f-]{27}|[0-9a-f]{16,}", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Slot:
    """One place in requests: `key` is the header, parameter or field. `prefix` stands before the value."""

    place: Place
    key: str
    prefix: str = ""


@dataclass(frozen=True, slots=True)
class Carried:
    """A value that a request carried. `number` is that of the exchange."""

    slot: Slot
    value: str = field(repr=False)
    number: int
    exchange: Exchange


@dataclass(frozen=True, slots=True)
class Traced:
    """A carried value with its origin."""

    carried: Carried
    origin: Origin


def list_carried(recording: Recording, skipped: Set[int], secrets: Set[str]) -> Iterator[Carried]:
    """List what looks like a token in the requests to the site. *skipped* are numbers of exchanges: those of a login.

    *secrets* are values that were typed.
    """
    host = recording.url.split("/", 3)[:3]
    for number, one in enumerate(recording.exchanges):
        if number in skipped or one.url.split("/", 3)[:3] != host or (one.navigates and not one.writes):
            continue
        for slot, value in _list_values(one):
            if value not in secrets and is_random(value, slot.key) and not SECRET_NAME.search(slot.key):
                yield Carried(slot, value, number, one)


def _list_values(exchange: Exchange) -> Iterator[tuple[Slot, str]]:
    for name, value in exchange.headers.items():
        if STANDARD.fullmatch(name):
            continue
        scheme = SCHEME.fullmatch(value.strip())
        yield (Slot("header", name, f"{scheme[1]} "), scheme[2]) if scheme else (Slot("header", name), value)
    if not exchange.writes:
        return
    for name, value in exchange.query:
        yield Slot("query", name), value
    for leaf in exchange.fields:
        if not leaf.listed:
            yield Slot(leaf.kind, leaf.path), leaf.value


def trace(recording: Recording, carried: list[Carried]) -> tuple[list[Traced], list[Doubt]]:
    """Return the values whose origin was found, and a doubt for each slot whose values appeared nowhere before."""
    traced: list[Traced] = []
    unknown: dict[Slot, Carried] = {}
    for one in carried:
        origin = find_origin(one.value, recording, one.number)
        if origin is not None:
            traced.append(Traced(one, origin))
        else:
            unknown.setdefault(one.slot, one)
    known = {one.carried.slot for one in traced}
    return traced, [_doubt(slot, one, recording) for slot, one in unknown.items() if slot not in known]


def _doubt(slot: Slot, one: Carried, recording: Recording) -> Doubt:
    where = f"{slot.place} {slot.key} of {one.exchange.method} {one.exchange.path}"
    values = {value for other in recording.exchanges for found, value in _list_values(other) if found == slot}
    if len(values) == 1 and sum(slot in dict(_list_values(other)) for other in recording.exchanges) > 1:
        return Doubt(f"the {where} was the same each time and stood nowhere before", "send it with each call if needed")
    return Doubt(
        f"the {where} stood nowhere before: the page computes it, or it came before the recording began",
        'if the site refuses requests without it, set transport = "page" and let the page send them',
    )


def template(path: str) -> str:
    """Return *path* with a star for each part that names a record."""
    return "/".join("*" if NUMBER.fullmatch(part) else part for part in path.split("/"))
