"""A loaded page as a provider reads it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from doorkey.errors import MissingToken
from doorkey.model.session import JSON

if TYPE_CHECKING:
    from bs4 import BeautifulSoup, Tag

    from doorkey.model.elements import Element


def place_of(url: str) -> str:
    """Origin and path of *url*, which hold no secret; its query and the parameters of its path may."""
    parts = urlsplit(url)
    path = "/".join(segment.partition(";")[0] for segment in parts.path.split("/"))
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{path}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A request that the page itself made. Header names are lower-case.

    `status`, `answer_headers` and `answer_body` tell its answer, where the provider `sees_answers` and it has come.
    """

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: str = field(default="", repr=False)
    status: int = 0
    answer_headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    answer_body: str = field(default="", repr=False)


@dataclass(frozen=True, kw_only=True)
class Page:
    """A loaded page as a provider reads it: the document, and what the page's scripts left in the browser.

    `html` includes open shadow roots, as declarative templates. `local` and `session` are its storage. `scripts` and
    `indexed` hold the values that the provider named in `script_values` and `indexed_values`, as far as they exist.
    `sent` holds the page's own requests, where the provider `sees_requests`. `others` holds further pages, by path.
    """

    url: str
    html: str = field(repr=False)
    cookies: Mapping[str, str] = field(default_factory=dict, repr=False)
    local: Mapping[str, str] = field(default_factory=dict, repr=False)
    session: Mapping[str, str] = field(default_factory=dict, repr=False)
    scripts: Mapping[str, JSON] = field(default_factory=dict, repr=False)
    indexed: Mapping[str, JSON] = field(default_factory=dict, repr=False)
    sent: tuple[Seen, ...] = field(default=(), repr=False)
    others: Mapping[str, Page] = field(default_factory=dict, repr=False)

    @property
    def place(self) -> str:
        """Where it is, as messages say it."""
        return place_of(self.url)

    def soup(self, only: str | None = None) -> BeautifulSoup:
        """The parsed page; *only* a tag's name keeps just those tags, which takes a third of the time."""
        from bs4 import BeautifulSoup, NavigableString, SoupStrainer, TemplateString

        soup = BeautifulSoup(self.html, "lxml", parse_only=SoupStrainer(only) if only else None)
        if "shadowrootmode" in self.html:
            # CSS selectors never match inside a template, and its texts count as no text.
            for root in soup.find_all("template", shadowrootmode=True):
                root.name = "shadow-root"
                for text in root.find_all(string=lambda found: type(found) is TemplateString):
                    text.replace_with(NavigableString(text))
        return soup

    @cached_property
    def document(self) -> BeautifulSoup:
        return self.soup()

    @cached_property
    def elements(self) -> list[Element]:
        """The page's elements without a tree: for what is read of every page."""
        from doorkey.model.elements import list_elements

        return list_elements(self.html)

    def find(self, css: str) -> Tag | None:
        """The first element that *css* selects."""
        return self.document.select_one(css)

    def attribute(self, css: str, name: str, token: str) -> str:
        """Attribute *name* of the first element *css* selects. Raises MissingToken(token) with what was sought."""
        tag = self.find(css)
        value = tag.get(name) if tag is not None else None
        if not isinstance(value, str) or not value.strip():
            raise MissingToken(token, f"{css}@{name} at {self.place}")
        return value.strip()
