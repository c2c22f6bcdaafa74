"""Finds where a value stood before it was sent: in a page, a cookie, an answer, or the page's storage."""

from __future__ import annotations

import html as entities
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urljoin, urlsplit

from doorkey.learning.bodies import read_json
from doorkey.learning.recording import Exchange, Recording, Snapshot
from doorkey.learning.values import same
from doorkey.model.page import Page
from doorkey.recognition.selectors import STABLE_ID, find_selector, quote

if TYPE_CHECKING:
    from bs4 import Tag

ASSIGNED = r"""["']?\s*[:=]\s*["']"""
KEY = re.compile(r"""([A-Za-z_$][\w$.-]{0,60})["']?\s*[:=]\s*["']$""")


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a value stood. `page` is the place of the document or file that holds it; empty for a cookie, storage and
    the page's own requests. `at` is the number of exchanges before it came.

    `kind`: "cookie", "page", "local", "session", "json", "header". `text` is the source in the form of the settings.
    `form` is the path that the form around it is sent to.
    """

    kind: str
    text: str
    page: str = ""
    inside: str = ""
    form: str = ""
    at: int = 0

    @property
    def evidence(self) -> str:
        where = f" on {self.page}" if self.page else ""
        return f"stood in {self.text}{where}"


def find_origin(value: str, recording: Recording, before: int) -> Origin | None:
    """Return the best place where *value* stood before exchange number *before*.

    The latest page or answer wins over older ones, and a cookie or storage wins over both: these are with every page.
    """
    for found in (_in_cookies(value, recording, before), _in_storage(value, recording, before)):
        if found is not None:
            return found
    pages = {at: [one for one in recording.snapshots if one.at == at] for at in {one.at for one in recording.snapshots}}
    for at in range(before, -1, -1):
        for snapshot in reversed(pages.get(at, [])):
            if (found := _in_page(value, snapshot)) is not None:
                return found
        if at < before and (found := _in_answer(value, recording.exchanges[at], at)) is not None:
            # The page may have kept it, and the storage was looked at only later.
            kept = _in_storage(value, recording, len(recording.exchanges)) if found.kind != "page" else None
            return kept or found
    return None


def _in_cookies(value: str, recording: Recording, before: int) -> Origin | None:
    for name, kept in list_cookies(recording.exchanges[:before]):
        if same(kept, value):
            return Origin("cookie", f"cookie:{name}")
    for one in recording.snapshots:
        for name, kept in one.page.cookies.items():
            if one.at <= before and same(kept, value):
                return Origin("cookie", f"cookie:{name}")
    return None


def list_cookies(exchanges: Sequence[Exchange]) -> Iterator[tuple[str, str]]:
    """List the cookies that *exchanges* set or sent, the latest first."""
    for one in reversed(exchanges):
        pairs = [text.partition(";")[0] for text in one.set_cookies]
        pairs += one.headers.get("cookie", "").split(";")
        for pair in pairs:
            name, equals, value = pair.strip().partition("=")
            if equals and value:
                yield name, value.strip('"')


def _in_storage(value: str, recording: Recording, before: int) -> Origin | None:
    for one in reversed(recording.snapshots):
        for kind, items in (("local", one.page.local), ("session", one.page.session)):
            for key, kept in items.items():
                if value not in kept or one.at > before:
                    continue
                if kept == value:
                    return Origin(kind, f"{kind}:{key}")
                path = next((leaf.path for leaf in read_json(kept) if leaf.value == value and not leaf.listed), "")
                if path:
                    return Origin(kind, f"{kind}:{key}", inside=path)
    return None


def _in_page(value: str, snapshot: Snapshot) -> Origin | None:
    page = snapshot.page
    if value not in page.html and entities.escape(value) not in page.html:
        return None
    found = find_in_document(value, page)
    return None if found is None else Origin("page", found[0], _place(page.url), form=found[1], at=snapshot.at)


def find_in_document(value: str, page: Page) -> tuple[str, str] | None:
    """Return the source of *value* in the document, and the path that the form around it is sent to; None without."""
    for tag in page.document.find_all(True):
        for attribute, held in tag.attrs.items():
            if isinstance(held, str) and held.strip() == value and attribute not in ("href", "src", "id"):
                return name_attribute(tag, attribute, page), _read_action(tag, page)
    for script in page.document.find_all("script"):
        text = script.get_text()
        at = text.find(value)
        key = KEY.search(text[max(0, at - 90) : at]) if at >= 0 else None
        if key is not None:
            return name_script(key[1]), ""
    return _find_in_address(value, page)


def _find_in_address(value: str, page: Page) -> tuple[str, str] | None:
    """Return the source of *value* where it is a parameter in the address of a form or a link."""
    for tag in page.document.select("form[action*='?'], [formaction*='?'], a[href*='?']"):
        address = str(tag.get("action") or tag.get("formaction") or tag.get("href"))
        for name, text in parse_qsl(urlsplit(address).query):
            if text == value:
                return name_parameter(name), _read_action(tag, page) if tag.name != "form" else ""
    return None


def name_script(key: str) -> str:
    """Return the source of what a script assigns to *key*."""
    return f"html:/{re.escape(key)}{ASSIGNED}([^\"']+)/"


def name_parameter(name: str) -> str:
    """Return the source of a parameter in an address on a page."""
    return f"html:/[?&;]{re.escape(name)}=([^\"'&]+)/"


def name_attribute(tag: Tag, attribute: str, page: Page) -> str:
    """Return the source of an element's *attribute*."""
    if tag.name == "meta":
        for key in ("name", "property", "id", "http-equiv"):
            if tag.get(key):
                return f"meta[{key}={quote(str(tag[key]))}]@{attribute}"
    known_as = str(tag.get("id") or "")
    if attribute.startswith("data-"):
        css = f"#{known_as}" if STABLE_ID.fullmatch(known_as) else f"{tag.name}[{attribute}]"
        return f"{css if page.find(css) is tag else find_selector(tag, page)}@{attribute}"
    return f"{name_field(tag, page)}@{attribute}"


def name_field(tag: Tag, page: Page) -> str:
    """Return a selector of a form's field. It names the form where the page has another value of the same name."""
    name = str(tag.get("name") or "")
    css = f"{tag.name}[name={quote(name)}]" if name else ""
    values = {str(one.get("value") or "") for one in page.document.select(css)} if css else set()
    if css and len(values) <= 1:
        return css
    form = tag.find_parent("form")
    action = str(form.get("action") or "") if form is not None else ""
    scoped = f"form[action={quote(action)}] {css}" if action and css else ""
    if scoped and page.find(scoped) is tag:
        return scoped
    if form is not None and STABLE_ID.fullmatch(str(form.get("id") or "")) and css:
        return f"#{form['id']} {css}"
    return find_selector(tag, page)


def _read_action(tag: Tag, page: Page) -> str:
    form = tag.find_parent("form")
    return urlsplit(urljoin(page.url, str(form.get("action") or ""))).path or "/" if form is not None else ""


def _in_answer(value: str, exchange: Exchange, at: int) -> Origin | None:
    for name, held in exchange.answer_headers.items():
        if same(held, value) and name not in ("location", "etag", "set-cookie"):
            return Origin("header", f"header:{name}", exchange.place, at=at)
    if value not in exchange.answer_body or exchange.is_html:
        return None
    if exchange.is_json:
        leaf = next((one for one in read_json(exchange.answer_body) if one.value == value and not one.listed), None)
        return None if leaf is None else Origin("json", f"json:{leaf.path}", exchange.place, at=at)
    start = exchange.answer_body.find(value)
    key = KEY.search(exchange.answer_body[max(0, start - 90) : start])
    return None if key is None else Origin("page", name_script(key[1]), exchange.place, at=at)


def _place(url: str) -> str:
    parts = urlsplit(url)
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
