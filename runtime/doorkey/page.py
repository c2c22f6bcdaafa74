"""A loaded page as a provider reads it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from doorkey.errors import MissingToken

if TYPE_CHECKING:
    from bs4 import BeautifulSoup, Tag


@dataclass(frozen=True, kw_only=True)
class Page:
    """A loaded page as a provider reads it: the document, and what the page's scripts left in the browser."""

    url: str
    html: str = field(repr=False)
    cookies: Mapping[str, str] = field(default_factory=dict, repr=False)
    local: Mapping[str, str] = field(default_factory=dict, repr=False)

    def soup(self, only: str | None = None) -> BeautifulSoup:
        """The parsed page; *only* a tag's name keeps just those tags, which takes a third of the time."""
        from bs4 import BeautifulSoup, SoupStrainer

        return BeautifulSoup(self.html, "lxml", parse_only=SoupStrainer(only) if only else None)

    @cached_property
    def document(self) -> BeautifulSoup:
        return self.soup()

    def find(self, css: str) -> Tag | None:
        """The first element that *css* selects."""
        return self.document.select_one(css)

    def attribute(self, css: str, name: str, token: str) -> str:
        """Attribute *name* of the first element *css* selects. Raises MissingToken(token) with what was sought."""
        tag = self.find(css)
        value = tag.get(name) if tag is not None else None
        if not isinstance(value, str) or not value.strip():
            raise MissingToken(token, f"{css}@{name} at {self.url}")
        return value.strip()
