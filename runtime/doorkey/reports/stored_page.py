"""The page of a visit as a report stores it: its elements without their secrets, to try selectors on."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from doorkey.errors import RequestError
from doorkey.model.page import Page
from doorkey.reports.masking import MASK, Masker
from doorkey.reports.rules import kind_of, list_near, split_selector

if TYPE_CHECKING:
    from bs4 import Tag

SHOWN = frozenset(
    [
        "id",
        "class",
        "name",
        "property",
        "type",
        "role",
        "rel",
        "for",
        "method",
        "lang",
        "dir",
        "hidden",
        "disabled",
        "checked",
        "selected",
        "multiple",
        "readonly",
        "required",
        "autocomplete",
        "inputmode",
        "placeholder",
        "title",
        "alt",
        "aria-label",
        "aria-hidden",
        "aria-expanded",
        "http-equiv",
        "charset",
        "href",
        "src",
        "action",
        "formaction",
        "target",
        "colspan",
        "rowspan",
        "tabindex",
        "shadowrootmode",
    ]
)
"""Attributes whose values are stored, masked. Of the others only the name is, and whether they have a value."""
PLACES = ("href", "src", "action", "formaction")
"""Attributes that hold addresses: they are stored without their queries."""
UNREAD = ("script", "style", "noscript", "svg", "template")
"""Elements whose content is left out."""
LONGEST_TEXT = 300
LARGEST = 400_000
"""Characters of one text, and of the stored page. What is further down in a larger page is left out."""
MOST_SHOWN = 10
SEPARATOR = "\x00"


@dataclass(frozen=True, slots=True)
class Tried:
    """What a rule finds in a stored page: how many elements, the first of them as tags, what `reads` says of the value
    of the first one, and selectors that are near where nothing is found."""

    count: int
    tags: tuple[str, ...] = ()
    reads: str = ""
    near: tuple[str, ...] = ()


def store_page(page: Page, masker: Masker) -> str:
    """Return the HTML that a report may store of *page*; empty for one that is too large. Parses it: not for the event
    loop."""
    from bs4 import NavigableString, Tag

    if len(page.html) > LARGEST:
        return ""
    soup = page.soup()
    for tag in soup.find_all(UNREAD):
        tag.clear()
    places: list[tuple[Tag | NavigableString, str]] = []
    texts: list[str] = []
    for node in list(soup.descendants):
        if isinstance(node, Tag):
            for name, value in _keep_attributes(node):
                places.append((node, name))
                texts.append(value)
        elif type(node) is not NavigableString:
            node.extract()  # a comment
        elif text := " ".join(node.split())[:LONGEST_TEXT]:
            places.append((node, ""))
            texts.append(text)
    for (place, name), text in zip(places, _mask_all(texts, masker), strict=True):
        if isinstance(place, Tag):
            place[name] = text
        else:
            place.replace_with(NavigableString(text))
    return str(soup)


def _mask_all(texts: list[str], masker: Masker) -> list[str]:
    """Mask *texts* in one piece: a masker has thousands of forms, and searching a long text for one is quick."""
    masked = masker.mask(SEPARATOR.join(text.replace(SEPARATOR, "") for text in texts)).split(SEPARATOR)
    return masked if len(masked) == len(texts) else [MASK] * len(texts)


def _keep_attributes(tag: Tag) -> Iterator[tuple[str, str]]:
    """Take out of *tag* what is not stored, and yield the attributes that are to be masked."""
    for name, value in list(tag.attrs.items()):
        text = value if isinstance(value, str) else " ".join(value)
        if name in SHOWN:
            yield name, re.split(r"[?#]", text)[0] if name in PLACES else text
        elif name == "style" or name.startswith("on"):
            del tag[name]
        else:
            tag[name] = MASK if text.strip() else ""


def try_rule(source: str, html: str) -> Tried:
    """Hold the rule *source*, a CSS selector with or without @attribute, against a stored page.

    Raises RequestError for what is none.
    """
    import soupsieve

    if kind_of(source) != "css":
        raise RequestError(f"expected a CSS selector, with or without @attribute; came {source!r}", param="selector")
    selector, attribute = split_selector(source)
    page = Page(url="", html=html)
    try:
        found = page.document.select(selector)
    except (soupsieve.SelectorSyntaxError, NotImplementedError, ValueError) as error:
        why = str(error).partition("\n")[0]
        raise RequestError(f"{selector!r} is no CSS selector: {why}", param="selector") from error
    if not found:
        return Tried(0, near=tuple(list_near(source, page)))
    return Tried(len(found), tuple(map(_describe, found[:MOST_SHOWN])), _describe_value(found[0], attribute))


def _describe(tag: Tag) -> str:
    """Return the start tag, and the beginning of its text."""
    shown = "".join(f' {name}="{_join(value)}"' for name, value in tag.attrs.items())
    return f"<{tag.name}{shown}> {' '.join(tag.get_text().split())[:80]}".rstrip()


def _describe_value(tag: Tag, attribute: str) -> str:
    value = _join(tag.get(attribute)) if attribute else tag.get_text()
    where = f"its {attribute}" if attribute else "its text"
    if attribute and tag.get(attribute) is None:
        return f"{where} is not there; its attributes are {', '.join(tag.attrs) or 'none'}"
    return f"{where} has a value" if value.strip() else f"{where} is empty"


def _join(value: object) -> str:
    return " ".join(map(str, value)) if isinstance(value, list) else str(value or "")
