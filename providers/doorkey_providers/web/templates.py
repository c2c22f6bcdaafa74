"""Texts with a token's name in them, as a site's configuration writes them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from doorkey import Request, Tokens
from doorkey.errors import Changed
from doorkey_providers.web.values import JSON, as_text

UNSENDABLE = re.compile(r"[^\t\x20-\x7e\x80-\ud7ff]")
"""What no header can hold: line breaks above all."""


@dataclass(frozen=True, slots=True)
class Template:
    """A text with `{name}` in it; `{{` and `}}` stand for braces. `parts` alternates between texts and names."""

    parts: tuple[str, ...]

    @classmethod
    def of(cls, text: str) -> Template:
        """Raises ValueError for a brace that neither begins nor ends a name."""
        parts: list[str] = [""]
        for piece in re.findall(r"\{\{|\}\}|\{[^{}]*\}|[{}]|[^{}]+", text):
            if piece in ("{{", "}}") or piece[0] not in "{}":
                parts[-1] += piece[0] if piece in ("{{", "}}") else piece
            elif len(piece) > 1 and re.fullmatch(r"[\w-]+", piece[1:-1]):
                parts += [piece[1:-1], ""]
            else:
                raise ValueError("expected {name} with a token's name; a brace itself is written {{ or }}")
        return cls(tuple(parts))

    @property
    def names(self) -> frozenset[str]:
        return frozenset(self.parts[1::2])

    def text(self, tokens: Tokens) -> str:
        return "".join(as_text(_of(tokens, part)) if at % 2 else part for at, part in enumerate(self.parts))

    def value(self, tokens: Tokens) -> JSON:
        """As `text`; a template that is one name gives the token as it is."""
        alone = len(self.parts) == 3 and not self.parts[0] and not self.parts[2]
        return _of(tokens, self.parts[1]) if alone else self.text(tokens)


def _of(tokens: Tokens, name: str) -> JSON:
    if name not in tokens:
        raise Changed(
            f"the session holds no token {name}: it was made before sites.NAME.tokens.{name} was configured. "
            "Make a new one: doorkey visit SITE"
        )
    return tokens[name]


def check_header(name: str, text: str) -> None:
    """Raises ValueError for a header that no request may set, or that could not be sent."""
    if not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name):
        raise ValueError("expected a header's name")
    if UNSENDABLE.search(text):
        raise ValueError("expected one line: a header can't hold a line break")
    Request(url="/", headers={name: ""})
