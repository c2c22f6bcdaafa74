"""Takes secrets out of texts, in each form in which a page or a log may repeat them."""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar
from urllib.parse import quote, quote_plus, unquote

T = TypeVar("T")
MASK = "•••"
SHORTEST = 6
"""Characters of a value that is masked wherever it stands. A shorter one may be an ordinary word."""
LONGEST = 4096
"""Characters of a value that is searched for as a whole. Of a longer one, this much of its beginning is."""
MOST = 600
"""Values at most."""
MARGIN = 2
"""Base64 characters at each end that depend on the neighbours of an encoded value."""
TOKEN_LIKE = re.compile(
    r"eyJ[\w-]{8,}(?:\.[\w-]+){0,2}"  # a JSON Web Token
    r"|(?<![\w/.#-])(?=[\w+=]*\d)(?=[\w+=]*[a-z])(?=[\w+=]*[A-Z])[\w+=]{20,}(?![\w-])"
    r"|(?<![0-9A-Za-z])(?=[0-9a-f]*\d)(?=[0-9a-f]*[a-f])[0-9a-f]{16,}(?![0-9A-Za-z])"
)
"""Texts that look like a token, although nobody has named them as one."""


class Masker:
    """Masks *secrets*, and those *filled* in by a person or a step however short they are."""

    def __init__(self, secrets: Iterable[str], *, filled: Iterable[str] = ()) -> None:
        named = {value for value in filled if len(value) >= 2}
        for value in secrets:
            named |= {part for part in _list_parts(value) if len(part) >= SHORTEST}
        longest = sorted(named, key=len, reverse=True)[:MOST]
        forms = {form for value in longest for form in _list_forms(value)}
        # Each is searched for by itself: one pattern of some thousand alternatives takes far longer.
        self._forms = sorted(forms, key=len, reverse=True)

    def mask(self, text: str) -> str:
        """Return *text* without secrets."""
        for form in self._forms:
            if len(form) <= len(text) and form in text:
                text = text.replace(form, MASK)
        return TOKEN_LIKE.sub(MASK, text)

    def mask_all(self, value: T) -> T:
        """Return *value* with each text in it masked: a dataclass, tuple, list, dict, text or None."""
        return self._mask(value)  # type: ignore[no-any-return]  # of the same type as it came

    def _mask(self, value: Any) -> Any:
        if isinstance(value, str):
            return self.mask(value)
        if is_dataclass(value) and not isinstance(value, type):
            return replace(value, **{one.name: self._mask(getattr(value, one.name)) for one in fields(value)})
        if isinstance(value, list | tuple):
            return type(value)(self._mask(one) for one in value)
        if isinstance(value, dict):
            return {self._mask(key): self._mask(one) for key, one in value.items()}
        return value


def _list_parts(value: str) -> Iterator[str]:
    """Yield *value*, decoded, and the texts inside it if it is JSON: a page may repeat just one of these."""
    whole = value.strip().strip('"')
    yield whole[:LONGEST]
    plain = unquote(whole)[:LONGEST]
    yield plain
    if plain[:1] in ("{", "["):
        try:
            yield from _list_texts(json.loads(unquote(whole)), 0)
        except (ValueError, RecursionError):
            return


def _list_texts(value: object, depth: int) -> Iterator[str]:
    if isinstance(value, str):
        yield value[:LONGEST]
    elif isinstance(value, dict | list) and depth < 6:
        for one in value.values() if isinstance(value, dict) else value:
            yield from _list_texts(one, depth + 1)


def _list_forms(value: str) -> Iterator[str]:
    data = value.encode("utf-8", "replace")
    yield value
    for escaped in (quote(value, safe=""), quote(value), quote_plus(value)):
        yield escaped
        yield re.sub(r"%[0-9A-F]{2}", lambda match: match[0].lower(), escaped)
        yield quote(escaped, safe="")
    yield json.dumps(value)[1:-1]
    yield json.dumps(value, ensure_ascii=False)[1:-1]
    yield json.dumps(value)[1:-1].replace("/", "\\/")
    yield html.escape(value)
    yield data.hex()
    # Base64 of a text that contains the value: it stands at one of three offsets.
    for offset in range(3):
        encoded = base64.b64encode(b"\0" * offset + data).decode().rstrip("=")
        inner = encoded[MARGIN + 2 if offset else 0 : len(encoded) - MARGIN]
        if len(inner) >= SHORTEST:
            yield inner
            yield inner.replace("+", "-").replace("/", "_")
