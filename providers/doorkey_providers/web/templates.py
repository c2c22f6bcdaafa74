"""Templates of a site's configuration: texts that hold the names of tokens."""

from __future__ import annotations

import re
from dataclasses import dataclass

from doorkey import Request, Tokens
from doorkey.errors import Changed
from doorkey_providers.web.values import JSON, to_text

UNSENDABLE = re.compile(r"[^\t\x20-\x7e\x80-\ud7ff]")
"""Characters that no header can hold, such as line breaks."""


@dataclass(frozen=True, slots=True)
class Template:
    """A text with `{name}` in it. `{{` and `}}` stand for braces. `parts` alternates between texts and names."""

    parts: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> Template:
        """Read a template. Raises ValueError for a single brace."""
        parts: list[str] = [""]
        for piece in re.findall(r"\{\{|\}\}|\{[^{}]*\}|[{}]|[^{}]+", text):
            if piece in ("{{", "}}") or piece[0] not in "{}":
                parts[-1] += piece[0] if piece in ("{{", "}}") else piece
            elif len(piece) > 1 and re.fullmatch(r"[\w-]+", piece[1:-1]):
                parts += [piece[1:-1], ""]
            else:
                raise ValueError("expected {name} with the name of a token; write a brace itself as {{ or }}")
        return cls(tuple(parts))

    @property
    def names(self) -> frozenset[str]:
        return frozenset(self.parts[1::2])

    def text(self, tokens: Tokens) -> str:
        return "".join(to_text(_get_token(tokens, part)) if at % 2 else part for at, part in enumerate(self.parts))

    def value(self, tokens: Tokens) -> JSON:
        """Return what `text` does; but a template that is only a name gives the token unchanged."""
        alone = len(self.parts) == 3 and not self.parts[0] and not self.parts[2]
        return _get_token(tokens, self.parts[1]) if alone else self.text(tokens)


def _get_token(tokens: Tokens, name: str) -> JSON:
    if name not in tokens:
        raise Changed(
            f"the session holds no token {name}, as it was made before sites.NAME.tokens.{name} was configured; "
            "make a new session: doorkey visit SITE"
        )
    return tokens[name]


def check_header(name: str, text: str) -> None:
    """Raises ValueError for a header that requests may not set, or that can't be sent."""
    if not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name):
        raise ValueError("expected the name of a header")
    if UNSENDABLE.search(text):
        raise ValueError("expected one line, as a header can't hold a line break")
    Request(url="/", headers={name: ""})
