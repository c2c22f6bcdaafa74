"""What a page has in place of a token that was sought: names only, never a value."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

from doorkey import Page
from doorkey_providers.web.sources import OF_REQUESTS, OwnRequest, Source

if TYPE_CHECKING:
    from bs4 import Tag

MOST = 5
LONGEST = 80
PATHS = ("script", "request-body", "response-body")
"""Kinds of source whose name is a path into a value."""


def instead(source: Source, page: Page) -> str:
    """What is there instead, as the rest of "the page has …"; empty when nothing can be said."""
    said = " and ".join(filter(None, (_of_kind(source, page), _elsewhere(source, page))))
    if source.kind not in OF_REQUESTS and page.html and page.find("input[type=password]") is not None:
        said = f"{said + ', and ' if said else ''}a login form: it may want to be logged in"
    return said


def _of_kind(source: Source, page: Page) -> str:
    match source.kind:
        case "css":
            return _elements(source, page)
        case "cookie":
            return _near(source.name, page.cookies, "cookies")
        case "local":
            return _near(source.name, page.local, "keys in its local storage")
        case "session":
            return _near(source.name, page.session, "keys in its session storage")
        case "request":
            return _near(source.name.lower(), _headers(page), "headers in its own requests")
        case "script":
            return (
                "no such value in the global scope of its scripts, or one that JSON can't express; the variables of "
                "modules and functions can't be read"
            )
        case "indexeddb":
            return "no such value in its IndexedDB, or one that JSON can't express"
        case "response":
            return _near(source.name.lower(), _headers(page, answers=True), "headers in answers to its own requests")
        case "html":
            return f"nothing that matches in its {len(page.html)} characters"
        case _:
            return f"{len(page.sent)} requests of its own without that field"


def _elements(source: Source, page: Page) -> str:
    tag = page.find(source.name)
    if tag is not None:
        # It is there: then it is the attribute that is missing or empty.
        names = ", ".join(sorted(tag.attrs)[:MOST]) or "none"
        return f"that element <{tag.name}>, its {source.attribute or 'text'} missing or empty; its attributes: {names}"
    wanted = re.sub(r"[\"'\s]", "", source.name)
    candidates = list(dict.fromkeys(_selectors(page)))
    near = difflib.get_close_matches(wanted, candidates, n=2, cutoff=0.6)
    if near:
        return " and ".join(near)
    kind = re.match(r"(?:.*[\s>+~])?(meta|input|\[data-|#)", wanted)
    alike = [candidate for candidate in candidates if kind and candidate.startswith(kind[1])][:MOST]
    if alike:
        return ", ".join(alike)
    title = page.find("title")
    return f"the title {title.get_text().strip()[:LONGEST]!r} and nothing alike" if title else "nothing alike"


def _selectors(page: Page) -> Iterator[str]:
    """Selectors of the elements that usually hold tokens, as one would write them."""
    tag: Tag
    for tag in page.document.select("meta[name], meta[property], input[name], [id], [data-nonce], [data-token]"):
        attributes = ("name", "property", "id") if tag.name in ("meta", "input") else ("id",)
        for attribute in attributes:
            value = tag.get(attribute)
            if isinstance(value, str) and value:
                shown = f"#{value}" if attribute == "id" else f"{tag.name}[{attribute}={value}]"
                yield shown[:LONGEST]
        yield from (f"[{name}]"[:LONGEST] for name in tag.attrs if name.startswith("data-"))


def _headers(page: Page, *, answers: bool = False) -> list[str]:
    origin = urlsplit(page.url)[:2]
    own = [seen for seen in page.sent if urlsplit(seen.url)[:2] == origin]
    return sorted({name for seen in own for name in (seen.answer_headers if answers else seen.headers)})


def _elsewhere(source: Source, page: Page) -> str:
    """Other places that hold something of the same name, as sources to write; empty where none does."""
    name = source.name.rpartition(".")[2] if source.kind in PATHS else source.name
    if source.kind == "css":
        frames = [frame.get("src") for frame in page.document.select("iframe[src]")][:2]
        return f"frames that are not read ({', '.join(str(src)[:LONGEST] for src in frames)})" if frames else ""
    found = [
        f"{kind}:{key}"
        for kind, keys in (("cookie", page.cookies), ("local", page.local), ("session", page.session))
        for key in keys
        if kind != source.kind and key.lower() == name.lower()
    ]
    origin = urlsplit(page.url)[:2]
    for seen in page.sent:
        parts = urlsplit(seen.url)
        others = "" if parts[:2] == origin else f" to {parts.scheme}://{parts.netloc}, which is another origin"
        for kind, keys in _names_in(seen):
            if name.lower() in keys and (others or kind != source.kind or kind in PATHS):
                found.append(f"{kind}:{name} in a request{others}")
    return f"what was sought as {'; '.join(list(dict.fromkeys(found))[:2])}" if found else ""


def _names_in(seen: OwnRequest) -> list[tuple[str, set[str]]]:
    """The names in a request and its answer, lower-case, by kind of source."""
    return [
        ("request", set(seen.headers)),
        ("request-query", {name.lower() for name in parse_qs(urlsplit(seen.url).query)}),
        ("request-body", {name.lower() for name in re.findall(r"[\w.-]+(?=\"?\s*[:=])", seen.body[:16384])}),
        ("response", set(seen.answer_headers)),
        ("response-body", {name.lower() for name in re.findall(r'"([\w.-]+)"\s*:', seen.answer_body[:65536])}),
    ]


def _near(name: str, known: Iterable[str], what: str) -> str:
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    if near:
        return near[0][:LONGEST]
    return f"these {what}: {', '.join(shown[:LONGEST] for shown in names[:MOST])}" if names else f"no {what}"
