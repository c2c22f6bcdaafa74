"""Lists what a page holds that may be a token, each with the rule that would read it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from typing import Literal, TypeAlias
from urllib.parse import parse_qs, urlsplit

from doorkey.model.evidence import VisitEvidence
from doorkey.model.page import Page, Seen

Where: TypeAlias = Literal["page", "cookie", "storage", "script", "request", "answer"]
WHERE: Mapping[Where, str] = {
    "page": "in the page",
    "cookie": "in a cookie",
    "storage": "in the page's storage",
    "script": "in a script",
    "request": "in a request that the page itself sends",
    "answer": "in the answer to a request of the page",
}
USUAL = re.compile(
    r"(?:accept|user-agent|content-(?:type|length)|referer|origin|host|connection|cache-control|pragma|cookie|date|"
    r"server|vary|etag|set-cookie|transfer-encoding|upgrade-insecure-requests|sec-|if-|access-control-|last-modified)"
)
"""Headers that hold no token."""
PRESSED = ("submit", "button", "checkbox", "radio", "image", "reset")
"""Types of `<input>` that hold no token."""
STEMS = ("csrf", "xsrf", "nonce", "token", "jwt", "bearer", "authorization", "authenticity")
"""Parts of names that tokens usually have."""
LIKE = 0.66
"""How alike two names must be, from 0 to 1, to be called so."""
MOST = 400
LONGEST_SCRIPT = 200_000
ASSIGNED = re.compile(r"""(["']?)([A-Za-z_$][\w$.-]{1,60})\1\s*[:=]\s*(["'`])([^"'`\n<>]{6,512})\3""")
"""A text that a script gives a name: `csrfToken: "…"`, `window.nonce = '…'`."""


PART = re.compile(r"""name="([^"\r\n]{1,80})"\r\n(?:[\w-]+:[^\r\n]*\r\n)*\r\n([^\r\n]*)\r\n--""")
"""A field of a multipart body that is no file."""


@dataclass(frozen=True, slots=True)
class Holding:
    """`source` is the rule that reads it, `name` what it is called there, `length` how long its value is."""

    where: Where
    source: str
    name: str
    length: int
    value: str = field(default="", repr=False)


def list_holdings(evidence: VisitEvidence) -> list[Holding]:
    """Return what the page of *evidence* holds."""
    page = evidence.page
    if page is None:
        return []
    found = [
        *_list_elements(page),
        *(Holding("cookie", f"cookie:{name}", name, len(value), value) for name, value in page.cookies.items()),
        *(Holding("storage", f"local:{name}", name, len(value), value) for name, value in page.local.items()),
        *(Holding("storage", f"session:{name}", name, len(value), value) for name, value in page.session.items()),
        *(
            Holding("script", f"script:{path}", path.rpartition(".")[2], len(value), value)
            for path, value in evidence.values.items()
        ),
    ]
    for seen in page.sent:
        found += _list_sent(seen, page)
    found += _list_assigned(page, {holding.value for holding in found})
    return list({(holding.source): holding for holding in reversed(found)}.values())[::-1][:MOST]


def compare_names(name: str, words: set[str]) -> float:
    """Return how alike *name* and the closest of *words* are: 1 for the same but for case and separators."""
    plain = _flatten(name)
    return max((_compare(plain, _flatten(word)) for word in words), default=0.0)


def list_words(token: str, sought: str) -> set[str]:
    """Return the names that *sought* gives a token: those in its selector, or the last part of its path."""
    kind, colon, rest = sought.partition(":")
    if colon and re.fullmatch(r"[a-z-]+", kind) and kind not in ("css", "html"):
        return {token, rest.rpartition(".")[2].rpartition("/")[2]}
    selector = sought.partition("@")[0]
    values = re.findall(r"""[~|^$*]?=\s*["']?([\w.:-]+)|[#.]([\w-]+)|\[\s*(data-[\w-]+)""", selector)
    return {token, *(part for match in values for part in match if part)}


def _compare(one: str, other: str) -> float:
    if not one or not other:
        return 0.0
    if one == other:
        return 1.0
    if min(len(one), len(other)) >= 4 and (one in other or other in one):
        return 0.9
    shared = any(stem in one and stem in other for stem in STEMS)
    alike = SequenceMatcher(None, one, other).ratio()
    return max(alike, 0.7) if shared else alike


def _flatten(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _list_elements(page: Page) -> Iterator[Holding]:
    for tag in page.elements:
        name = tag.get("name") or tag.get("property")
        if tag.name != "meta" or not name:
            continue
        attribute = "name" if tag.get("name") else "property"
        content = tag.get("content")
        yield Holding("page", f"meta[{attribute}={_quote(name)}]@content", name, len(content), content)
    for tag in page.elements:
        name, value = tag.get("name") or tag.get("id"), tag.get("value")
        if tag.name != "input" or not name or tag.get("type") in PRESSED:
            continue
        attribute = "name" if tag.get("name") else "id"
        yield Holding("page", f"input[{attribute}={_quote(name)}]@value", name, len(value), value)
    for tag in page.elements:
        for attribute, value in tag.attributes.items():
            if attribute.startswith("data-") and any(stem in attribute for stem in STEMS):
                yield Holding("page", f"[{attribute}]@{attribute}", attribute, len(value), value)


def _list_assigned(page: Page, known: set[str]) -> Iterator[Holding]:
    """Yield what inline scripts give a name, but for values that are known from elsewhere."""
    for script in page.elements:
        if script.name != "script" or "src" in script.attributes:
            continue
        for match in ASSIGNED.finditer(script.text[:LONGEST_SCRIPT]):
            name, value = match[2].rpartition(".")[2], match[4]
            if value not in known:
                quote = match[3]
                rule = f"html:/{re.escape(name)}{match[1]}\\s*[:=]\\s*{quote}([^{quote}]+)/"
                yield Holding("script", rule, name, len(value), value)


def _list_sent(seen: Seen, page: Page) -> Iterator[Holding]:
    if urlsplit(seen.url)[:2] != urlsplit(page.url)[:2]:
        return
    for name, value in seen.headers.items():
        if not USUAL.match(name.lower()):
            yield Holding("request", f"request:{name.lower()}", name, len(value), value)
    for name, values in parse_qs(urlsplit(seen.url).query).items():
        yield Holding("request", f"request-query:{name}", name, len(values[0]), values[0])
    for name, value in _list_fields(seen.body):
        yield Holding("request", f"request-body:{name}", name.rpartition(".")[2], len(value), value)
    for name, value in seen.answer_headers.items():
        if not USUAL.match(name.lower()):
            yield Holding("answer", f"response:{name.lower()}", name, len(value), value)
    for name, value in _list_fields(seen.answer_body):
        yield Holding("answer", f"response-body:{name}", name.rpartition(".")[2], len(value), value)


def _list_fields(body: str) -> list[tuple[str, str]]:
    """Return the fields of a JSON, multipart or form body whose values are texts, by path."""
    if body.lstrip()[:1] in ("{", "["):
        try:
            return list(_walk(json.loads(body), "", 0))[:100]
        except (ValueError, RecursionError):
            return []
    if body.startswith("--"):
        return [(match[1], match[2]) for match in PART.finditer(body[:65536])][:100]
    if "=" not in body or "<" in body[:200]:
        return []
    return [(name, values[0]) for name, values in parse_qs(body[:16384]).items()][:100]


def _walk(value: object, path: str, depth: int) -> Iterator[tuple[str, str]]:
    if isinstance(value, str) and path:
        yield path, value
    elif isinstance(value, dict) and depth < 4:
        for name, inner in value.items():
            yield from _walk(inner, f"{path}.{name}" if path else str(name), depth + 1)


def _quote(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z_][\w-]*", name) else '"' + name.replace('"', '\\"') + '"'
