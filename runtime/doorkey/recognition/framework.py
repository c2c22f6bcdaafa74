"""What is known of one kind of site: the signs on its pages, and the settings that it needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

Sends: TypeAlias = tuple[tuple[str, str], ...]
"""Keys under `send`, and their values."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """One way in which a kind of site hands out its token.

    `at` is its place on a page, written as a sign. `reads` replaces `at` in the settings if a table is needed; texts in
    it may hold "{base}". `later`: only a logged-in page holds it, so with a login it is written without being seen.
    """

    sends: Sends
    at: str = ""
    reads: Mapping[str, str] = field(default_factory=dict)
    name: str = "csrf"
    later: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Framework:
    """A kind of site.

    `signs` are alternatives; all signs of one of them must hold. `tokens` are alternatives; the first one on the page
    is used. `when` and `stale` are values of settings of the provider web. `ready` selects what only a logged-in page
    has. `more` is sent beside the token after a login. `base` says where the page names the folder of the application,
    each with a pattern whose first group is that folder. `home`, the page to open after a login, and `example`, a path
    to try, may hold "{base}". `note` tells a person what else matters.
    """

    name: str
    signs: tuple[tuple[str, ...], ...]
    provider: str = "web"
    tokens: tuple[Token, ...] = ()
    when: str = "POST,PUT,PATCH,DELETE /*"
    more: Sends = ()
    stale: tuple[str | int | Mapping[str, Any], ...] = ()
    ready: str = ""
    base: tuple[tuple[str, str], ...] = ()
    home: str = ""
    example: str = ""
    note: str = ""


def in_header(name: str) -> Sends:
    return ((f"header.{name}", "{csrf}"),)


def in_form(name: str) -> Sends:
    return ((f"form.{name}", "{csrf}"),)


def pair(cookie: str, header: str) -> Token:
    """Return the token that a cookie holds and a header sends back."""
    return Token(at=f"cookie:{cookie}", sends=in_header(header))


def hidden(name: str) -> Token:
    """Return the token that a hidden field of a form holds and that is sent back under the same name."""
    return Token(at=f"input[name={name}]@value", sends=in_form(name))


def by_tokens(name: str, *tokens: Token, note: str = "") -> Framework:
    """Return a kind of site that only its tokens identify."""
    return Framework(name=name, signs=tuple((token.at,) for token in tokens), tokens=tokens, note=note)
