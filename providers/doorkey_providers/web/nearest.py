"""Describes what a page has in place of a token that is missing. It tells names, never values."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

from doorkey import Page
from doorkey_providers.web.sources import OF_REQUESTS, OwnRequest, Source
from doorkey_providers.web.values import parse_json

if TYPE_CHECKING:
    from bs4 import Tag

MOST = 5
"""Names that are told at most."""
LONGEST = 80
"""Characters of a name that are told at most."""
PATHS = ("script", "request-body", "response-body", "json")
"""Kinds of source whose name is a path into a value."""


def describe_instead(source: Source, page: Page, *, logs_in: bool = False) -> str:
    """Return the end of the sentence "the page has …"; empty when nothing useful is known. *logs_in*: the page is
    opened for its login form."""
    said = " and ".join(filter(None, (_describe_alternative(source, page), _find_elsewhere(source, page))))
    if not logs_in and source.kind not in OF_REQUESTS and page.html and page.find("input[type=password]") is not None:
        said = f"{said + ', and ' if said else ''}a login form: it may want you to log in"
    return said


def _describe_alternative(source: Source, page: Page) -> str:
    match source.kind:
        case "css":
            return _describe_elements(source, page)
        case "cookie":
            return _describe_names(source.name, page.cookies, "cookies")
        case "local":
            return _describe_names(source.name, page.local, "keys in its local storage")
        case "session":
            return _describe_names(source.name, page.session, "keys in its session storage")
        case "request":
            return _describe_names(source.name.lower(), _list_headers(page), "headers in its own requests")
        case "script":
            return (
                "no such value in the global scope of its scripts, or one that JSON can't express; the variables of "
                "modules and functions can't be read"
            )
        case "indexeddb":
            return "no such value in its IndexedDB, or one that JSON can't express or that the page keeps locked"
        case "response":
            return _describe_names(
                source.name.lower(), _list_headers(page, answers=True), "headers in answers to its own requests"
            )
        case "html":
            return f"no match in its {len(page.html)} characters"
        case "json":
            return _describe_json(page.html)
        case _:
            return f"sent {len(page.sent)} requests, none of them with that field"


def _describe_json(text: str) -> str:
    value = parse_json(text)
    if isinstance(value, dict):
        return f"JSON with these names: {', '.join(str(name)[:LONGEST] for name in list(value)[:MOST]) or 'none'}"
    return "no JSON" if value is None else "JSON that is no object"


def _describe_elements(source: Source, page: Page) -> str:
    tag = page.find(source.name)
    if tag is not None:
        # The element is there, so its attribute or text is missing or empty.
        names = ", ".join(sorted(tag.attrs)[:MOST]) or "none"
        sought = source.attribute or "text"
        return f"that element <{tag.name}>, but its {sought} is missing or empty; its attributes: {names}"
    wanted = re.sub(r"[\"'\s]", "", source.name)
    candidates = list(dict.fromkeys(_list_selectors(page)))
    near = difflib.get_close_matches(wanted, candidates, n=2, cutoff=0.6)
    if near:
        return " and ".join(near)
    kind = re.match(r"(?:.*[\s>+~])?(meta|input|\[data-|#)", wanted)
    alike = [candidate for candidate in candidates if kind and candidate.startswith(kind[1])][:MOST]
    if alike:
        return ", ".join(alike)
    title = page.find("title")
    return f"the title {title.get_text().strip()[:LONGEST]!r} and nothing similar" if title else "nothing similar"


def _list_selectors(page: Page) -> Iterator[str]:
    """Yield selectors of the elements that usually hold tokens, as a person would write them."""
    tag: Tag
    for tag in page.document.select("meta[name], meta[property], input[name], [id], [data-nonce], [data-token]"):
        attributes = ("name", "property", "id") if tag.name in ("meta", "input") else ("id",)
        for attribute in attributes:
            value = tag.get(attribute)
            if isinstance(value, str) and value:
                shown = f"#{value}" if attribute == "id" else f"{tag.name}[{attribute}={value}]"
                yield shown[:LONGEST]
        yield from (f"[{name}]"[:LONGEST] for name in tag.attrs if name.startswith("data-"))


def _list_headers(page: Page, *, answers: bool = False) -> list[str]:
    origin = urlsplit(page.url)[:2]
    own = [seen for seen in page.sent if urlsplit(seen.url)[:2] == origin]
    return sorted({name for seen in own for name in (seen.answer_headers if answers else seen.headers)})


def _find_elsewhere(source: Source, page: Page) -> str:
    """Describe other places that hold something of the same name, written as sources; empty if there are none."""
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
        for kind, keys in _list_names(seen):
            if name.lower() in keys and (others or kind != source.kind or kind in PATHS):
                found.append(f"{kind}:{name} in a request{others}")
    return f"what was sought as {'; '.join(list(dict.fromkeys(found))[:2])}" if found else ""


def _list_names(seen: OwnRequest) -> list[tuple[str, set[str]]]:
    """Return the names in a request and its answer, in lower case, by kind of source."""
    return [
        ("request", set(seen.headers)),
        ("request-query", {name.lower() for name in parse_qs(urlsplit(seen.url).query)}),
        ("request-body", {name.lower() for name in re.findall(r"[\w.-]+(?=\"?\s*[:=])", seen.body[:16384])}),
        ("response", set(seen.answer_headers)),
        ("response-body", {name.lower() for name in re.findall(r'"([\w.-]+)"\s*:', seen.answer_body[:65536])}),
    ]


def _describe_names(name: str, known: Iterable[str], what: str) -> str:
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    if near:
        return near[0][:LONGEST]
    return f"these {what}: {', '.join(shown[:LONGEST] for shown in names[:MOST])}" if names else f"no {what}"
