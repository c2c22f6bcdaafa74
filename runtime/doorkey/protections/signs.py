"""The vocabulary of the table of protections: signs in answers, marks in pages, and what they mean."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Literal, TypeAlias
from urllib.parse import urlsplit

from doorkey.model.request import HEAD_BYTES, Head, Request

Source: TypeAlias = Literal["run", "doc", "sig", "weak", "set"]
"""Where the facts of a row come from: observed on the real thing, the vendor's documentation, signatures of
open-source detectors, weak sources that need to be confirmed, or the site's settings (no row of the table)."""

MOST_TEXT = 400
MOST_LINKS = 5
"""A page with fewer characters and at most this many links holds little else than the widget on it."""
GATED = (401, 403, 429, 503)
"""Statuses other than 200 that a challenge's own page has."""


class Obstacle(Enum):
    """What kind of protection stands in front of a site."""

    WAIT = "a challenge that a browser passes by itself"
    PERSON = "a challenge for a person"
    HEADLESS = "a refusal of browsers without a window"
    BLOCK = "a block"
    RATE = "a rate limit"
    EXPIRED = "an expired token"
    QUOTA = "a quota"
    CONTENT = "a content filter"
    UNEXPECTED = "an answer that is not the site's"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sign:
    """A sign in the head of an answer. All fields that are set must hold.

    `value` is how the header's value begins; `media` the end of the media type ("html", "json"); `holds` and `lacks`
    are looked for in the body's first 4 KiB, `whole` is the whole body; `at` is the end of the request's path.
    `instead`: the sign only counts on a page that came in place of an answer and holds little else.
    """

    status: tuple[int, ...] = ()
    header: str = ""
    value: str = ""
    without: str = ""
    media: str = ""
    holds: tuple[bytes, ...] = ()
    lacks: tuple[bytes, ...] = ()
    matches: re.Pattern[bytes] | None = None
    whole: bytes | None = None
    at: str = ""
    instead: bool = False

    def shows(self, request: Request, head: Head) -> bool:
        """Whether *head*, the answer to *request*, has this sign."""
        if self.status and head.status not in self.status:
            return False
        if self.header:
            value = head.headers.get(self.header)
            if value is None or not value.lower().startswith(self.value):
                return False
        if self.without and self.without in head.headers:
            return False
        start = head.start
        for mark in self.holds:
            if mark not in start:
                return False
        for mark in self.lacks:
            if mark in start:
                return False
        if self.media and not (head.is_html if self.media == "html" else head.media_type.endswith(self.media)):
            return False
        if self.matches is not None and self.matches.search(start) is None:
            return False
        if self.whole is not None and start.strip() != self.whole:
            return False
        if self.at and not urlsplit(head.url or request.url).path.endswith(self.at):
            return False
        return not self.instead or _in_place_of_an_answer(request, head)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A sign in a page that a browser shows. All fields that are set must hold.

    `title` is the whole title, in any case; `has` and `lacks` are CSS selectors; `text` is part of the visible text,
    `words` are looked for in it and in the title. `opens`: whether the page may give way to another one by itself.
    `without` is a header that the document must not have. "HOST >>> INNER" selects INNER in the open shadow root of
    what HOST selects.
    """

    title: str = ""
    has: str = ""
    lacks: str = ""
    text: str = ""
    words: re.Pattern[str] | None = None
    opens: bool | None = None
    status: tuple[int, ...] = ()
    without: str = ""

    def shows(self, page: Facts) -> bool:
        """Whether *page* has this mark."""
        if (self.status and page.status not in self.status) or (self.without and self.without in page.headers):
            return False
        if self.title and page.title.strip().casefold() != self.title.casefold():
            return False
        if (self.has and self.has not in page.found) or (self.lacks and self.lacks in page.found):
            return False
        if self.opens is not None and self.opens is not page.may_open:
            return False
        if self.words is not None and self.words.search(f"{page.title}\n{page.text}") is None:
            return False
        return self.text in page.text


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known of a page in a browser. `found` are the selectors of the table that match something.

    `status` and `headers` (lower-case names) are the document's. `text` is the beginning of the visible text, `length`
    the number of all its characters. `born` differs from document to document, and `state` whenever the document
    changes. `ready`: it shows what only the site's own page has. `scripts`: it has scripts. `refresh`: it loads another
    page after so many seconds. `html` is the document's beginning, where that was asked for.
    """

    url: str = ""
    title: str = ""
    found: frozenset[str] = frozenset()
    text: str = field(default="", repr=False)
    length: int = 0
    links: int = 0
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    born: float = 0.0
    state: int = 0
    ready: bool = False
    scripts: bool = False
    refresh: float | None = None
    html: str = field(default="", repr=False)

    @property
    def may_open(self) -> bool:
        """Whether the page may give way to another one by itself."""
        return self.scripts or self.refresh is not None

    @property
    def is_mostly_widget(self) -> bool:
        return self.length < MOST_TEXT and self.links <= MOST_LINKS


@dataclass(frozen=True, slots=True, kw_only=True)
class Protection:
    """One row of the table.

    `widget`: sites also put it into their own pages, so it counts only on a page that holds little else. `bare`: only
    the status tells, so it does not count on a page that may open by itself. `unnamed`: only the page's words tell, so
    errors quote them, and a page that shows what was asked for is none. `todo` tells a person what helps. `cookie` is
    what passing it yields, `tied` what that cookie is tied to.
    """

    name: str
    obstacle: Obstacle
    source: Source
    signs: tuple[Sign, ...] = ()
    marks: tuple[Mark, ...] = ()
    widget: bool = False
    bare: bool = False
    unnamed: bool = False
    todo: str = ""
    cookie: str = ""
    tied: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """A protection that was recognized. `retry_after` is in seconds, if the site named a time.

    `page` is the page of a protection without a name.
    """

    protection: Protection
    retry_after: float | None = None
    page: Facts | None = None

    @property
    def name(self) -> str:
        return self.protection.name

    @property
    def obstacle(self) -> Obstacle:
        return self.protection.obstacle

    def __str__(self) -> str:
        return f"{self.name}: {self.obstacle.value}"


def _in_place_of_an_answer(request: Request, head: Head) -> bool:
    unasked = bool(request.expects) and not any("html" in kind for kind in request.expects)
    if not unasked and head.status not in GATED:
        return False
    start = re.sub(rb"<(script|style)\b.*?(</\1\s*>|\Z)", b"", head.start, flags=re.S | re.I)
    text = b" ".join(re.sub(rb"<[^>]*(>|\Z)", b" ", start).split())
    return len(head.start) < HEAD_BYTES and len(text) < MOST_TEXT and start.count(b"<a ") <= MOST_LINKS
