"""A recording of a site's use: what was done, what was sent and answered, and how pages looked."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, TypeAlias
from urllib.parse import parse_qsl, urlsplit

from doorkey.learning.bodies import Leaf, read_body
from doorkey.model.page import Page
from doorkey.model.request import SAFE_METHODS

CACHE_BUSTER = re.compile(r"(?:_|t|ts|time|timestamp|cb|nocache|cachebuster|rnd)=1\d{9}(?:\d{3})?", re.IGNORECASE)
Who: TypeAlias = Literal["stranger", "first", "second", "recorded"]
"""Who looks at a page: nobody known to the site, one of two sessions of the same account, or the recorded session where
a page was seen by these as well."""


@dataclass(frozen=True, slots=True)
class Event:
    """What a person did: `action` is "fill", "click" or "press".

    `value` is empty where the recorder masked it. `secret`: it was typed into a field for passwords or one-time codes.
    """

    action: str
    selector: str
    value: str = field(default="", repr=False)
    url: str = ""
    secret: bool = False


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """One request and its answer. Header names are lower-case. `status` is 0 where no answer was recorded.

    `navigates` marks a request that opened a document. `set_cookies` are the Set-Cookie headers of the answer.
    """

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: str = field(default="", repr=False)
    status: int = 0
    answer_headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    set_cookies: tuple[str, ...] = field(default=(), repr=False)
    answer_type: str = ""
    answer_body: str = field(default="", repr=False)
    navigates: bool = False

    @property
    def origin(self) -> tuple[str, str]:
        return urlsplit(self.url)[:2]

    @property
    def path(self) -> str:
        return urlsplit(self.url).path or "/"

    @property
    def place(self) -> str:
        """The path with its query, without the time of day that scripts add so that no cache answers."""
        query = "&".join(part for part in urlsplit(self.url).query.split("&") if not CACHE_BUSTER.fullmatch(part))
        return self.path + (f"?{query}" if query else "")

    @property
    def writes(self) -> bool:
        return self.method.upper() not in SAFE_METHODS

    @property
    def is_html(self) -> bool:
        return "html" in self.answer_type

    @property
    def is_json(self) -> bool:
        return self.answer_type.endswith(("/json", "+json"))

    @cached_property
    def fields(self) -> tuple[Leaf, ...]:
        """The values in the body: of a form, a multipart form, or JSON."""
        return read_body(self.body, self.headers.get("content-type", ""))

    @cached_property
    def query(self) -> tuple[tuple[str, str], ...]:
        return tuple(parse_qsl(urlsplit(self.url).query, keep_blank_values=True))


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A loaded page, and who looked at it. `asked` is the URL that was opened. `at` counts the exchanges before it."""

    page: Page
    who: Who
    asked: str = ""
    at: int = 0


@dataclass(frozen=True, slots=True)
class Script:
    """A script file of the site, as one of two sessions got it. `place` is its path with the query."""

    place: str
    text: str = field(repr=False)
    who: Who = "first"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """What is known of a site. `exchanges` are in the order in which they were sent.

    `scripts` are the script files that two sessions got. `lacks_cookies`: the recorder left out cookies and
    Authorization, as sanitized HAR files do. `faults` say in words what of the recording could not be read.
    """

    url: str
    events: tuple[Event, ...] = ()
    exchanges: tuple[Exchange, ...] = ()
    snapshots: tuple[Snapshot, ...] = ()
    scripts: tuple[Script, ...] = ()
    lacks_cookies: bool = False
    faults: tuple[str, ...] = ()

    @property
    def typed(self) -> frozenset[str]:
        """What was typed, where the recorder kept it."""
        return frozenset(event.value for event in self.events if event.value)

    @property
    def typed_secrets(self) -> frozenset[str]:
        """What was typed into fields for passwords and one-time codes."""
        return frozenset(event.value for event in self.events if event.secret and event.value)

    def pages(self, *who: Who) -> Iterator[Page]:
        """The pages that these visitors saw, in order."""
        return (one.page for one in self.snapshots if one.who in who)
