"""Finds tokens in a page, in the requests that the page sends, or in an answer."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from email import message_from_string
from typing import Literal, Protocol, TypeAlias, get_args
from urllib.parse import parse_qs, urlsplit

from doorkey import Head, Page, Reply
from doorkey_providers.web.values import JSON, parse_json, unescape_cookie, walk

Kind: TypeAlias = Literal[
    "css",
    "cookie",
    "local",
    "session",
    "indexeddb",
    "script",
    "request",
    "request-query",
    "request-body",
    "response",
    "response-body",
    "html",
    "json",
    "header",
]
KINDS: tuple[Kind, ...] = get_args(Kind)
"""Where a token may be read. "header" is in the answer to a declared request only."""
IN_ANSWERS: tuple[Kind, ...] = ("css", "html", "cookie", "header", "json")
BY_ANSWER: tuple[Kind, ...] = ("json", "header")
"""What the answer to a declared request holds, where the site has one and the token names no `page`."""
OF_ANSWERS: tuple[Kind, ...] = ("response", "response-body")
"""What stands in the answers to the page's own requests."""
OF_REQUESTS: tuple[Kind, ...] = ("request", "request-query", "request-body", *OF_ANSWERS)
"""What stands in the page's own requests, or in their answers."""
BY_SCRIPT: tuple[Kind, ...] = ("local", "session", "indexeddb", "script", *OF_REQUESTS)
"""Sources that exist only once the page's scripts have run."""


class OwnRequest(Protocol):
    """A request that the page itself made, as `Page.sent` holds it."""

    @property
    def url(self) -> str: ...
    @property
    def headers(self) -> Mapping[str, str]: ...
    @property
    def body(self) -> str: ...
    @property
    def answer_headers(self) -> Mapping[str, str]: ...
    @property
    def answer_body(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Source:
    """One place to look. `name` is a selector, a name, a path or a pattern; `attribute` belongs to a selector."""

    kind: Kind
    name: str
    attribute: str = ""

    def __str__(self) -> str:
        if self.kind == "css":
            return f"{self.name}@{self.attribute}" if self.attribute else self.name
        return f"html:/{self.name}/" if self.kind == "html" else f"{self.kind}:{self.name}"


def parse_source(text: str, kinds: Iterable[Kind] = KINDS) -> Source:
    """Read a source: `KIND:NAME`, `html:/REGEX/`, or a CSS selector with `@ATTRIBUTE`. Raises ValueError."""
    kinds = tuple(kinds)
    prefix, colon, rest = text.strip().partition(":")
    if prefix == "html" and rest.startswith("/"):
        return check_source(Source("html", rest[1:-1] if rest.endswith("/") and len(rest) > 1 else rest[1:]))
    if colon and prefix in KINDS and prefix not in ("html", "css"):
        if prefix not in kinds:
            raise ValueError(f"expected one of {_list_kinds(kinds)}, came {prefix}:")
        return check_source(Source(prefix, rest.strip()))
    css = rest if prefix == "css" else text
    selector, at, attribute = css.rpartition("@")
    if at and re.fullmatch(r"[A-Za-z_][\w:.-]*", attribute.strip()):
        return check_source(Source("css", selector.strip(), attribute.strip()), kinds)
    return check_source(Source("css", css.strip()), kinds)


def check_source(source: Source, kinds: Iterable[Kind] = KINDS) -> Source:
    """Return *source* if it is valid. Raises ValueError."""
    if not source.name:
        raise ValueError(f"expected a name after {source.kind}:")
    if source.kind == "css":
        check_css(source.name, kinds)
    if source.kind == "indexeddb" and source.name.count("/") < 2:
        raise ValueError("expected indexeddb:DATABASE/STORE/KEY (the key * means the first one)")
    if source.kind == "html":
        try:
            re.compile(source.name)
        except re.error as exc:
            raise ValueError(f"expected a regular expression between slashes: {exc}") from exc
    return source


def check_css(text: str, kinds: Iterable[Kind] = ()) -> str:
    """Return *text* if it is a CSS selector. Raises ValueError, with the kind of source that may have been meant."""
    import soupsieve

    try:
        soupsieve.compile(text)
    except (soupsieve.SelectorSyntaxError, NotImplementedError) as exc:
        meant = difflib.get_close_matches(text.partition(":")[0], list(kinds), n=1, cutoff=0.6) if ":" in text else []
        hint = f" (did you mean '{meant[0]}:'?)" if meant else ""
        said = str(exc).splitlines()[0]
        raise ValueError(
            f"expected a CSS selector{f' or one of {_list_kinds(kinds)}' if kinds else ''}: {said}{hint}"
        ) from exc
    return text


def _list_kinds(kinds: Iterable[Kind]) -> str:
    return ", ".join("CSS" if kind == "css" else f"{kind}:…" for kind in kinds)


def find_on_page(source: Source, page: Page, *, decode: bool = True) -> JSON:
    """Return what *source* names on *page*; None if it is missing or empty."""
    match source.kind:
        case "css":
            return select_value(source, page)
        case "cookie":
            value = page.cookies.get(source.name)
            return unescape_cookie(value) if value and decode else value or None
        case "local":
            return page.local.get(source.name) or None
        case "session":
            return page.session.get(source.name) or None
        case "script":
            return page.scripts.get(source.name)
        case "indexeddb":
            return page.indexed.get(source.name)
        case "html":
            return match_pattern(source, page.html)
        case "json":
            return walk(parse_json(page.html), source.name)
        case "header":
            return None
        case _:
            return _find_in_requests(source, page)


def find_in_answer(source: Source, answer: Head, *, decode: bool = True) -> JSON:
    """Return what *source* names in an answer: in its head, and in its body if *answer* is a whole Reply."""
    match source.kind:
        case "header":
            return answer.headers.get(source.name.lower()) or None
        case "cookie":
            value = (answer.cookie(source.name) or "").strip('"') or None
            return unescape_cookie(value) if value and decode else value
        case _ if not isinstance(answer, Reply):
            return None
        case "json":
            return walk(parse_json(answer.text()), source.name)
        case "html":
            return match_pattern(source, answer.text())
        case _:
            return select_value(source, Page(url=answer.url, html=answer.text()))


def select_value(source: Source, page: Page) -> str | None:
    """Return the attribute or the text. An input's value and a meta tag's content stand in attributes."""
    tag = page.find(source.name)
    if tag is None:
        return None
    if source.attribute:
        value = tag.get(source.attribute)
    else:
        value = tag.get_text() or tag.get({"input": "value", "meta": "content"}.get(tag.name, ""))
    return (value.strip() or None) if isinstance(value, str) else None


def match_pattern(source: Source, text: str) -> str | None:
    found = re.search(source.name, text)
    if found is None:
        return None
    return (found[1] if found.re.groups else found[0]) or None


def _find_in_requests(source: Source, page: Page) -> JSON:
    """Return the latest value that the page sent to its own origin. What it sends elsewhere does not count."""
    origin = urlsplit(page.url)[:2]
    for request in reversed(page.sent):
        if urlsplit(request.url)[:2] != origin:
            continue
        value = _value_in(source, request)
        if value not in (None, ""):
            return value
    return None


def _value_in(source: Source, request: OwnRequest) -> JSON:
    match source.kind:
        case "request":
            return request.headers.get(source.name.lower())
        case "request-query":
            return parse_qs(urlsplit(request.url).query).get(source.name, [""])[0]
        case "response":
            return request.answer_headers.get(source.name.lower())
        case "response-body":
            return walk(parse_json(request.answer_body), source.name)
        case _:
            return _field_of(request, source.name)


def _field_of(request: OwnRequest, name: str) -> JSON:
    """The field *name* of the request's body: JSON, a multipart form, or a form."""
    if request.body.lstrip()[:1] in ("{", "["):
        return walk(parse_json(request.body), name)
    content_type = request.headers.get("content-type", "")
    if not content_type.lower().startswith("multipart/"):
        return parse_qs(request.body).get(name, [""])[0]
    message = message_from_string(f"Content-Type: {content_type}\n\n{request.body}")
    for part in message.walk():
        if part.get_param("name", header="content-disposition") == name and part.get_filename() is None:
            value = part.get_payload()
            return value.removesuffix("\r") if isinstance(value, str) else None
    return None
