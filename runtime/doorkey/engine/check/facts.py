"""What a page shows of who is looking at it: where it is, its title, and whether it asks for a login."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit

from doorkey.engine.check.login_address import LoginAddress, lasting_parameters, login_address_of
from doorkey.model.login_steps import Step

PASSWORD = re.compile(rb"""type\s*=\s*["']?password""", re.I)
NAMED = re.compile(r"""(?:\[\s*(?:name|id)\s*[~^$*|]?=\s*["']?|#)([\w.:-]+)""")
"""The name or id in a selector of a field: `[name=user]`, `#user`."""
MOST_TITLE = 200
XML_DECLARATION = re.compile(r"\A\s*<\?xml[^>]*>")
"""Names an encoding, which lxml refuses in a text that is decoded already."""


@dataclass(frozen=True, slots=True)
class LoginForm:
    """What a login form of the site looks like, as its login steps tell.

    `fields` are the names or ids of the fields that the steps fill; `addresses` are those that they open. `home` is the
    address of the check's page.
    """

    fields: frozenset[str] = frozenset()
    addresses: frozenset[LoginAddress] = frozenset()
    home: str = ""

    def may_be_in(self, body: bytes) -> bool:
        """Whether *body* has to be looked at closer: a search of bytes, for every answer in HTML."""
        # The word first: a search that ignores case takes eight times as long.
        if b"password" in body.lower() and PASSWORD.search(body):
            return True
        return bool(self.fields) and all(field.encode() in body for field in self.fields)

    def is_named_in(self, body: bytes) -> bool:
        """Whether *body* names an address of the login."""
        return any(address.is_named_in(body) for address in self.addresses)


def login_form_of(steps: Iterable[Step], home: str | None) -> LoginForm:
    """The login form that *steps* fill. *home* is the address of the check's page."""
    fields = (NAMED.search(step.target) for step in steps if step.action == "fill")
    addresses = (login_address_of(step.target, home or "") for step in steps if step.action == "open")
    return LoginForm(frozenset(found[1] for found in fields if found), frozenset(addresses), home or "")


@dataclass(frozen=True, slots=True)
class PageFacts:
    """What a page shows. `place` is its path, `query` holds its parameters but those that vary. `login` says that it
    holds a login form, `script_only` that it holds nothing to read but scripts. It holds no values of fields."""

    status: int
    place: str
    title: str = ""
    login: bool = False
    script_only: bool = False
    query: str = ""

    def resembles(self, stranger: PageFacts) -> bool:
        """Whether this is the page that a stranger gets."""
        same = (self.status, self.place, self.login) == (stranger.status, stranger.place, stranger.login)
        return same and (self.title == stranger.title or self.login)


def read_facts(status: int, url: str, html: str, form: LoginForm) -> PageFacts:
    """What the page *html* shows. Called off the event loop: parsing takes milliseconds."""
    from lxml import html as parser
    from lxml.etree import ParserError

    parts = urlsplit(url)
    place, query = parts.path or "/", urlencode(sorted(lasting_parameters(parts.query)))
    try:
        page = parser.document_fromstring(XML_DECLARATION.sub("", html, count=1))
    except (ParserError, ValueError):
        return PageFacts(status, place, query=query)
    inputs = [(field.get("type", "").lower(), field.get("name"), field.get("id")) for field in page.iter("input")]
    named = {name for _, *names in inputs for name in names if name}
    password = any(kind == "password" for kind, *_ in inputs)
    filled = bool(form.fields) and form.fields <= named
    scripts = next(page.iter("script"), None) is not None
    for element in [*page.iter("script"), *page.iter("style"), *page.iter("noscript"), *page.iter("title")]:
        if element.tag != "title":
            element.drop_tree()
    title = " ".join((page.findtext(".//title") or "").split())[:MOST_TITLE]
    for element in list(page.iter("title")):
        element.drop_tree()
    text = page.text_content().strip()
    return PageFacts(status, place, title, password or filled, scripts and not text and not inputs, query)
