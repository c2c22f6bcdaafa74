"""What a visit found at its end: the material of a report. It holds secrets and is never stored as it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from doorkey.model.page import Page

TroubleKind: TypeAlias = Literal["script error", "console", "request", "egress"]


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something that went wrong in the page. `place` is a URL, with a line for scripts; `status` is 0 for no answer.

    `type` is DevTools' name for what a request was for: "Script", "Stylesheet", "Fetch".
    """

    kind: TroubleKind
    text: str = field(repr=False)
    place: str = field(default="", repr=False)
    status: int = 0
    type: str = ""


@dataclass(frozen=True, slots=True)
class Element:
    """An element that the page shows, described by its selector and its visible text."""

    selector: str
    text: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class VisitEvidence:
    """`page` is None where it could not be read any more. `lines` are what it shows.

    `redirects` are the documents that led to it, as (status, from, to). `values` are texts of its scripts' global
    scope, by path. `waiting` are the requests without an answer yet. `step` is the step that was run last, and
    `selector` the element it needs; `element` is that element if it is there, `overlay` what covers it or the page,
    and `buttons` are those in the overlay, or in the page if nothing covers it. `fields` are what can be filled in.
    `asks` is what the page asks a visitor for. `filled` are the values that steps filled in. `picture` is a JPEG in
    which these, and whatever looks like a secret, are covered.
    """

    url: str = ""
    status: int = 0
    page: Page | None = field(default=None, repr=False)
    title: str = ""
    lines: tuple[str, ...] = field(default=(), repr=False)
    redirects: tuple[tuple[int, str, str], ...] = field(default=(), repr=False)
    troubles: tuple[Trouble, ...] = ()
    waiting: tuple[str, ...] = field(default=(), repr=False)
    values: Mapping[str, str] = field(default_factory=dict, repr=False)
    step: str = ""
    selector: str = ""
    element: Element | None = None
    overlay: Element | None = None
    buttons: tuple[Element, ...] = ()
    fields: tuple[Element, ...] = ()
    asks: str = ""
    filled: tuple[str, ...] = field(default=(), repr=False)
    picture: bytes = field(default=b"", repr=False)
