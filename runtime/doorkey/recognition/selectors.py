"""CSS selectors that name one element of a page, short and likely to stay true."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from doorkey.model.page import Page

if TYPE_CHECKING:
    from bs4 import Tag

WORD = r"[A-Za-z_][\w-]*"
STABLE_ID = re.compile(r"(?!.*\d{3})[A-Za-z][\w-]*")
"""An id without a long number. Others are made up by scripts or hold the number of a record."""
TELLING = ("data-testid", "data-test", "data-cy", "aria-label", "autocomplete", "placeholder", "title", "for")
"""Attributes that name an element which has neither name nor id."""
LONGEST = 60


def find_selector(tag: Tag, page: Page, scope: str = "") -> str:
    """Return the first selector whose first match on *page* is *tag*; empty if there is none.

    *scope* is a selector of what surrounds it, tried where a short selector is not enough.
    """
    direct = list(list_own(tag))
    short = (css for css in direct if css not in ("button", "button[type=submit]"))
    scoped = (f"{scope} {css}" for css in direct) if scope else ()
    return next((css for css in (*short, *scoped, _find_path(tag)) if page.find(css) is tag), "")


def list_own(tag: Tag) -> Iterator[str]:
    """List selectors of the element itself: names before ids, as a form can't do without them; never a generated id."""
    name, known_as, kind = (str(tag.get(key) or "") for key in ("name", "id", "type"))
    by_name = []
    if re.fullmatch(r"[A-Za-z_][\w.:\[\]-]*", name):
        by_name = [f"{tag.name}[name={quote(name)}]"]
    by_id = [f"#{known_as}"] if STABLE_ID.fullmatch(known_as) else []
    yield from (*by_id, *by_name) if tag.name == "button" else (*by_name, *by_id)
    if tag.name == "input" and kind.lower() in ("submit", "image", "password", "email"):
        yield f"input[type={kind.lower()}]"
    for attribute in TELLING:
        text = str(tag.get(attribute) or "").strip()
        if text and len(text) <= LONGEST and '"' not in text and "\\" not in text and text.isprintable():
            yield f"{tag.name}[{attribute}={quote(text)}]"
    if tag.name == "button":
        if kind.lower() in ("", "submit"):
            yield "button[type=submit]"
        yield "button"


def quote(text: str) -> str:
    """Return *text* as the value in an attribute selector."""
    return text if re.fullmatch(WORD, text) else "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _find_path(tag: Tag) -> str:
    """Return the path to the element from the nearest one above it that has a stable id, or from the body."""
    steps: list[str] = []
    one: Tag | None = tag
    while one is not None and one.name not in ("[document]", "html", "body") and len(steps) < 12:
        known_as = str(one.get("id") or "")
        if steps and STABLE_ID.fullmatch(known_as):
            steps.append(f"#{known_as}")
            return " > ".join(reversed(steps))
        alike = one.parent.find_all(one.name, recursive=False) if one.parent is not None else [one]
        at = next((number for number, other in enumerate(alike, 1) if other is one), 1)
        steps.append(one.name if len(alike) == 1 else f"{one.name}:nth-of-type({at})")
        one = one.parent
    steps.append("body")
    return " > ".join(reversed(steps))
