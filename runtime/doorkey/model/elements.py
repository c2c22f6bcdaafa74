"""Reads a page's elements one after another, without a tree. A tree's parser takes 10 MiB once it is imported."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser

TEXTS = ("script", "title")
"""Elements whose text is kept."""


@dataclass(frozen=True, slots=True)
class Element:
    """A start tag. `texts` are the pieces of its text, for TEXTS only."""

    name: str
    attributes: dict[str, str]
    texts: list[str] = field(default_factory=list, repr=False)

    @property
    def text(self) -> str:
        return "".join(self.texts)

    def get(self, name: str) -> str:
        """The value of an attribute, empty without one."""
        return self.attributes.get(name, "")


def list_elements(html: str) -> list[Element]:
    """Return the elements of *html* in their order. Those behind a tag or comment that never ends are left out."""
    reader = _Reader()
    reader.feed(html)  # Never closed: `close` reads on behind what has no end, in time that is quadratic.
    return reader.found


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[Element] = []
        self._texts: list[str] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        # As browsers do, the first of two attributes with one name counts.
        element = Element(tag, {name: value or "" for name, value in reversed(attrs)})
        self.found.append(element)
        if tag in TEXTS:
            self._texts = element.texts

    def handle_endtag(self, tag: str) -> None:
        if tag in TEXTS:
            self._texts = None

    def handle_data(self, data: str) -> None:
        if self._texts is not None:
            self._texts.append(data)

    def parse_html_declaration(self, i: int) -> int:
        # HTMLParser raises AssertionError for a marked section that it does not know. HTML has none: it is a comment.
        if self.rawdata.startswith("<![", i):
            return self.parse_bogus_comment(i)
        return super().parse_html_declaration(i)
