"""A report: what is kept of a failed visit or a refused call. Each field is chosen; none holds a secret."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal, Self, TypeAlias

Kind: TypeAlias = Literal["visit", "call", "window"]


@dataclass(frozen=True, slots=True)
class Cause:
    """A guess at what broke. `kind` is a word for programs, `what` a sentence, `place` where it is, and `change` what
    to do."""

    kind: str
    what: str
    place: str = ""
    change: str = ""


@dataclass(frozen=True, slots=True)
class Rule:
    """Something that the visit looked for. `found` says whether the page has it, `instead` what stands in its place."""

    name: str
    sought: str
    found: bool
    instead: str = ""


@dataclass(frozen=True, slots=True)
class Moment:
    """A line of the timeline: `after` are the seconds since its beginning."""

    after: float
    stage: str
    text: str


@dataclass(frozen=True, slots=True)
class Difference:
    """Something that was otherwise at the last visit that worked."""

    what: str
    before: str
    now: str


@dataclass(frozen=True, slots=True)
class Note:
    """A line of a list: page errors, failed requests, redirects."""

    kind: str
    text: str
    place: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """`at` is wall time. `code` and `message` are the error's, both empty for a report of something that worked.

    `calls` are the request ids of the calls that ended with this failure. `page` is where the visit ended, `status` how
    its document came. `worked` is the wall time of the visit that `differences` compare with, 0 if none is known.
    `recordings` are files beside it that hold credentials.
    """

    id: str
    kind: Kind
    site: str
    at: float
    code: str = ""
    message: str = ""
    calls: tuple[str, ...] = ()
    version: str = ""
    causes: tuple[Cause, ...] = ()
    page: str = ""
    status: int = 0
    title: str = ""
    lines: tuple[str, ...] = ()
    rules: tuple[Rule, ...] = ()
    places: tuple[Note, ...] = ()
    shown: tuple[Note, ...] = ()
    troubles: tuple[Note, ...] = ()
    redirects: tuple[Note, ...] = ()
    timeline: tuple[Moment, ...] = ()
    differences: tuple[Difference, ...] = ()
    worked: float = 0.0
    took: float = 0.0
    has_picture: bool = False
    recordings: tuple[str, ...] = ()
    facts: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """The reverse of `to_json`. Raises TypeError, KeyError or ValueError for another structure."""
        kinds: dict[str, Any] = {
            "causes": Cause, "rules": Rule, "places": Note, "shown": Note, "troubles": Note, "redirects": Note,
            "timeline": Moment, "differences": Difference,
        }  # fmt: skip
        if not isinstance(data, Mapping):
            raise TypeError("expected an object")
        known = {one.name for one in fields(cls)}
        values = {name: value for name, value in data.items() if name in known}
        for name, kind in kinds.items():
            values[name] = tuple(kind(**one) for one in values.get(name, ()))
        for name in ("calls", "lines", "recordings"):
            values[name] = tuple(values.get(name, ()))
        return cls(**values)
