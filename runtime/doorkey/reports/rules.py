"""Looks a visit's rules up in the page, and finds what stands in their place."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches

from doorkey.model.evidence import VisitEvidence
from doorkey.model.page import Page
from doorkey.reports.holdings import LIKE, WHERE, Holding, compare_names, list_words
from doorkey.reports.report import Rule

READY = "ready"
"""The name under which `ready` is listed among the rules."""
KINDS = (
    "cookie", "local", "session", "indexeddb", "script", "html", "header", "json",
    "request", "request-body", "request-query", "response", "response-body",
)  # fmt: skip
"""The words that begin a rule which is no CSS selector."""
VISIBLE = ("css", "cookie", "local", "session", "script", "html")
"""Kinds of rules that can be looked up whenever the page can be read."""
MOST_SELECTORS = 3000
FEWEST = 4
"""Characters of a value that may be a token."""
LOGOUT = re.compile(
    r"(?:log|sign).?(?:out|off)|sessions?/(?:end|destroy|delete)|"
    r"abmelden|ausloggen|d[ée]connexion|cerrar.?sesi[oó]n|disconnetti|uitloggen",
    re.I,
)
"""The words for what only visitors who are logged in are shown."""
ORDER = ("page", "cookie", "storage", "script", "request", "answer")
"""Where a value is looked for first, of places whose names are equally alike."""


@dataclass(frozen=True, slots=True)
class CheckedRule:
    """A rule held against the page. `empty`: its element is there without a value. `holding` may be where the value is
    now, and `near` are selectors of the page that resemble the rule's."""

    name: str
    sought: str
    found: bool
    empty: bool = False
    holding: Holding | None = None
    near: tuple[str, ...] = ()
    kind: str = field(default="css")

    def to_rule(self) -> Rule:
        return Rule(self.name, self.sought, self.found, self.describe_instead())

    def describe_instead(self) -> str:
        if self.found:
            return ""
        parts = ["the element is there, without a value"] if self.empty else []
        if self.holding is not None:
            parts.append(f"{self.holding.source} {WHERE[self.holding.where]}, {self.holding.length} characters")
        parts += [f"{near} in the page" for near in self.near if not (self.holding and near in self.holding.source)]
        return "; ".join(parts) or "nothing similar"


def check_rules(
    sought: Mapping[str, str], ready: str | None, evidence: VisitEvidence, holdings: list[Holding], missing: str = ""
) -> list[CheckedRule]:
    """Hold the rules against the page: *sought* by name, and *ready*. *missing* is the rule that the visit failed by.

    A rule of another kind than VISIBLE counts as found unless it is *missing*.
    """
    page = evidence.page
    rules = [*([(READY, ready)] if ready else []), *sought.items()]
    if page is None:
        return []
    held = {name: _look_up(source, page, holdings) for name, source in rules}
    taken = {source for name, source in rules if held[name]}
    checked = []
    for name, source in rules:
        kind = kind_of(source)
        value = "?" if held[name] is None and kind not in VISIBLE and name != missing else held[name]
        if value:
            checked.append(CheckedRule(name, source, True, kind=kind))
            continue
        near = tuple(list_near(source, page)) if kind == "css" else ()
        holding = None if name == READY else find_holding(name, source, holdings, taken)
        if name == READY and not near and LOGOUT.search(source):
            near = tuple(_list_logouts(page))[:3]
        elif name != READY and not near and holding is None and value is None:
            near = tuple(_list_only_field(holdings, taken))
        checked.append(CheckedRule(name, source, False, value == "", holding, near, kind))
    return checked


def find_holding(name: str, source: str, holdings: Iterable[Holding], taken: set[str]) -> Holding | None:
    """Return the holding that is most likely the value of a token now."""
    words, best, most = list_words(name, source), None, 0.0
    for holding in holdings:
        if holding.length < FEWEST or holding.source in taken or holding.source == source:
            continue
        score = compare_names(holding.name, words) + 0.01 * (len(ORDER) - ORDER.index(holding.where))
        if score >= LIKE and score > most:
            best, most = holding, score
    return best


def _list_logouts(page: Page) -> Iterator[str]:
    """Yield selectors of what logs out by any other name: links, buttons and forms of the page."""
    for tag in page.document.find_all(["a", "button", "form"]):
        key = "action" if tag.name == "form" else "href"
        address, id_ = str(tag.get(key) or ""), str(tag.get("id") or "")
        text = "" if tag.name == "form" else tag.get_text(" ", strip=True)[:40]
        if (id_ or address) and "?" not in address and LOGOUT.search(f"{address} {id_} {text}"):
            yield f"#{id_}" if id_ else f'{tag.name}[{key}="{address}"]'[:80]


def _list_only_field(holdings: Iterable[Holding], taken: set[str]) -> list[str]:
    """Return the rule of the only field of the page whose value may be a token, though its name does not say so."""
    found = [one for one in holdings if one.source.startswith("input[") and one.source not in taken]
    found = [one for one in found if re.fullmatch(r"(?=\S*\d)(?=\S*[A-Za-z])\S{12,}", one.value)]
    return [one.source for one in found] if len(found) == 1 else []


def kind_of(source: str) -> str:
    """Return the word before the colon of a rule that is no CSS selector: `li:first-child` is one."""
    kind, colon, _ = source.partition(":")
    return kind if colon and kind in KINDS else "css"


def split_selector(source: str) -> tuple[str, str]:
    """Return the CSS selector of a rule, and the attribute that it reads: empty for the element's text."""
    selector, at, attribute = source.removeprefix("css:").rpartition("@")
    if not (at and re.fullmatch(r"[A-Za-z_][\w:.-]*", attribute.strip())):
        selector, attribute = source.removeprefix("css:"), ""
    return selector.strip(), attribute.strip()


def _look_up(source: str, page: Page, holdings: list[Holding]) -> str | None:
    """Return the value that *source* names in the page: empty if its place is there without one, None if not."""
    match kind_of(source):
        case "css":
            return _select(source, page)
        case "cookie":
            return page.cookies.get(source.partition(":")[2])
        case "local":
            return page.local.get(source.partition(":")[2])
        case "session":
            return page.session.get(source.partition(":")[2])
        case "script":
            value = page.scripts.get(source.partition(":")[2])
            return None if value is None else str(value)
        case "html":
            try:
                found = re.search(source.removeprefix("html:").strip("/"), page.html)
            except re.error:
                return None
            return None if found is None else found[found.lastindex or 0]
        case _:
            return next((holding.value for holding in holdings if holding.source == source), None)


def _select(source: str, page: Page) -> str | None:
    import soupsieve

    selector, attribute = split_selector(source)
    try:
        tag = page.find(selector)
    except (soupsieve.SelectorSyntaxError, NotImplementedError):
        return None
    if tag is None:
        return None
    if not attribute:
        return tag.get_text().strip() or "?"
    value = tag.get(attribute)
    return value.strip() if isinstance(value, str) else ""


def list_near(source: str, page: Page) -> list[str]:
    """Return selectors of *page* that resemble the one of the rule *source*."""
    wanted = re.sub(r"[\"'\s]", "", source.rpartition("@")[0] or source)
    known = list(dict.fromkeys(list_selectors(page)))[:MOST_SELECTORS]
    return [near for near in get_close_matches(wanted, known, n=3, cutoff=LIKE) if near != wanted]


def list_selectors(page: Page) -> Iterator[str]:
    """Yield selectors of the page's elements, as a person would write them."""
    for tag in page.document.find_all(True):
        names = ("name", "property") if tag.name == "meta" else ("name",)
        if tag.name in ("meta", "input", "select", "textarea", "button", "form"):
            for name in names:
                if isinstance(value := tag.get(name), str) and value:
                    yield f"{tag.name}[{name}={value}]"[:80]
        if isinstance(value := tag.get("id"), str) and value:
            yield f"#{value}"[:80]
            yield f"{tag.name}#{value}"[:80]
        if tag.name == "a" and isinstance(value := tag.get("href"), str) and "?" not in value:
            yield f"a[href={value}]"[:80]
        for one in tag.get("class") or ():
            yield f".{one}"[:80]
            yield f"{tag.name}.{one}"[:80]
