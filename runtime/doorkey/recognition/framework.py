"""What is known of one kind of site: by what a page tells it, and which settings it needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

Sends: TypeAlias = tuple[tuple[str, str], ...]
"""Keys under `send`, and what goes there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """One way in which a kind of site hands out its token.

    `at`: where it is on a page, as `signs` reads it. `reads`: what the settings say instead, where that is a table; its
    texts may hold "{base}". `later`: only somebody who is logged in gets it, so beside a login it is written unseen.
    """

    sends: Sends
    at: str = ""
    reads: Mapping[str, str] = field(default_factory=dict)
    name: str = "csrf"
    later: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Framework:
    """A kind of site.

    `signs`: alternatives; of each, all must hold. `tokens`: alternatives; the first one on the page is taken. `when`
    and `stale` are values of provider web's settings; `ready` a selector of what only a page that let one in has.
    `more`: what is sent beside the token once logged in. `base`: where the page tells the site's own folder, each with
    a pattern whose first group it is; `home` (the page to open once logged in) and `example` (a path to try) may hold
    "{base}". `note`: what else one has to know.
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
    """A cookie whose value is sent back in a header."""
    return Token(at=f"cookie:{cookie}", sends=in_header(header))


def hidden(name: str) -> Token:
    """A form's hidden field, sent back under its own name."""
    return Token(at=f"input[name={name}]@value", sends=in_form(name))


def by_tokens(name: str, *tokens: Token, note: str = "") -> Framework:
    """A kind of site that is told by nothing but its tokens."""
    return Framework(name=name, signs=tuple((token.at,) for token in tokens), tokens=tokens, note=note)
