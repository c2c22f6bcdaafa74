"""Puts fields into a URL-encoded form, as bytes, and leaves its other fields as they are."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from urllib.parse import quote_plus, urlencode

STEP = 1024 * 1024
"""Bytes that one step of the search looks at. Other threads get the interpreter between two steps, not inside one."""


def splice_form(body: bytes, values: Mapping[str, str], *, quote: Callable[..., str] = quote_plus) -> bytes:
    """*body* with *values* as its last fields, in place of those of the same names.

    All other bytes stay as they are. The names in *body* may be encoded in any way. *quote* encodes names and values.
    """
    kept = remove_fields(body, values)
    separator = b"" if not kept or kept.endswith(b"&") else b"&"
    return b"".join((kept, separator, urlencode(values, quote_via=quote).encode()))


def remove_fields(body: bytes, names: Iterable[str]) -> bytes:
    """*body* without the fields of these *names*. A separator may be left at its end."""
    pieces: list[bytes] = []
    at = 0
    for start, end in _fields(body, _pattern(frozenset(names))):
        pieces.append(body[at:start])
        at = end + 1
    return b"".join([*pieces, body[at:]])


def _fields(body: bytes, name: re.Pattern[bytes]) -> Iterator[tuple[int, int]]:
    """Where each field whose name matches begins, and where it ends."""
    start = 0 if name.match(b"&" + body[:STEP]) else _next(body, name, 0)
    while start < len(body):
        end = body.find(b"&", start)
        end = len(body) if end < 0 else end
        yield start, end
        start = _next(body, name, end)


def _next(body: bytes, name: re.Pattern[bytes], at: int) -> int:
    """Where the next field whose name matches begins, from the separator at *at* on; the body's end without one."""
    while at < len(body):
        limit = at + STEP
        # No name is longer than the pattern that describes it: one that begins in this step is seen whole.
        found = name.search(body, at, limit + len(name.pattern))
        if found is not None and found.start() < limit:
            return found.start() + 1
        at = limit
    return len(body)


@lru_cache(64)
def _pattern(names: frozenset[str]) -> re.Pattern[bytes]:
    """A separator and one of the *names* after it, in every encoding that means the same."""
    choices = ("".join(map(_encodings, name.encode("utf-8", "surrogatepass"))) for name in sorted(names))
    return re.compile(rf"&(?:{'|'.join(choices)})(?=[=&]|\Z)".encode("latin-1"))


def _encodings(byte: int) -> str:
    plain = r"\+" if byte == ord(" ") else re.escape(chr(byte))
    return f"(?:{plain}|%(?i:{byte:02x}))"
