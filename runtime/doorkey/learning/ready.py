"""Finds what only a logged-in page shows, by comparing it with what strangers see."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from doorkey.model.page import Page
from doorkey.recognition.proposal import OUT
from doorkey.recognition.selectors import STABLE_ID, list_own, quote

if TYPE_CHECKING:
    from bs4 import Tag

LEAVES = re.compile(
    r"log[\s_-]?out|sign[\s_-]?out|log[\s_-]?off|abmeld|d[eé]connexion|cerrar sesi|salir|\besci\b", re.I
)
ACCOUNT = re.compile(r"account|profile|settings|dashboard|preferences|\bme\b|konto|admin", re.IGNORECASE)
MOST = 60
"""Elements that are compared."""


def find_ready(inside: Sequence[Page], strangers: Sequence[Page], sources: Sequence[Page] = ()) -> str:
    """Return a selector of what each page *inside* has and no stranger sees; empty if there is none.

    *sources* are logged-in pages as plain HTTP gets them: what they have, too, is preferred.
    """
    if not inside:
        return ""
    best = ""
    for css in list_candidates(inside[0]):
        if any(page.find(css) is not None for page in strangers):
            continue
        if any(page.find(css) is None for page in inside[1:]):
            continue
        if all(page.find(css) is not None for page in sources):
            return css
        best = best or css
    return best


def list_candidates(page: Page) -> Iterator[str]:
    """List selectors of what a logged-in *page* may have alone: controls to log out first, then the account."""
    seen: set[str] = set()
    yield from _only_new((css for css in OUT if page.find(css) is not None), seen)
    tags = [tag for tag in page.document.find_all(["a", "button", "form", "input", "link", "meta"]) if _may_show(tag)]
    leaving = [tag for tag in tags if LEAVES.search(_words(tag))]
    account = [tag for tag in tags if ACCOUNT.search(str(tag.get("href") or "") + str(tag.get("id") or ""))]
    others = [tag for tag in page.document.find_all(id=STABLE_ID) if tag.name not in ("script", "style")]
    classes = page.document.find_all(["nav", "header", "div", "span", "p", "ul", "main", "section"], class_=True)
    for tag in leaving[:MOST]:
        yield from _only_new((*_list_addresses(tag), *_list_selectors(tag)), seen)
    for tag in (*account[:MOST], *others[:MOST], *tags[:MOST], *classes[:MOST]):
        yield from _only_new(_list_selectors(tag), seen)
    for tag in (*account[:MOST], *tags[:MOST]):
        yield from _only_new(_list_addresses(tag), seen)


def _only_new(selectors: Iterable[str], seen: set[str]) -> Iterator[str]:
    for css in selectors:
        if css not in seen:
            seen.add(css)
            yield css


def _may_show(tag: Tag) -> bool:
    return not (tag.name == "input" and tag.get("type") == "hidden")


def _words(tag: Tag) -> str:
    named = [
        tag.get(key) for key in ("href", "action", "id", "name", "class", "aria-label", "title", "value", "onclick")
    ]
    return f"{' '.join(map(str, filter(None, named)))} {tag.get_text(' ') if tag.name in ('a', 'button') else ''}"


def _list_addresses(tag: Tag) -> Iterator[str]:
    """List selectors by where a link or a form leads. An engine takes what `ready` names so for the logout."""
    for key in ("href", "action"):
        text = str(tag.get(key) or "").partition("#")[0].partition("?")[0]
        if len(text) > 1 and len(text) < 120 and not re.search(r"\d{2}|[\"'\\]|^javascript:|\s", text):
            yield f"{tag.name}[{key}^={quote(text)}]"


def _list_selectors(tag: Tag) -> Iterator[str]:
    yield from (css for css in list_own(tag) if not css.startswith(("input[type", "button[type")) and css != tag.name)
    for name in tag.get("class") or ():
        if re.fullmatch(r"[A-Za-z][A-Za-z_-]{2,30}", name):
            yield f"{tag.name}.{name}"
