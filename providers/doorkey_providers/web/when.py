"""Selects requests by method and path."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from urllib.parse import quote, urljoin, urlsplit

from doorkey import Request


@dataclass(frozen=True, slots=True)
class When:
    """A condition on requests. Empty `methods` match any; in `path`, * matches anything, also slashes."""

    methods: frozenset[str] = frozenset()
    path: str = "*"

    def matches(self, request: Request) -> bool:
        if self.methods and request.method.upper() not in self.methods:
            return False
        return self.path == "*" or fnmatchcase(get_path(request), self.path)


def get_path(request: Request) -> str:
    return urlsplit(urljoin("http://site/", spell(request.url))).path or "/"


def spell(url: str) -> str:
    """*url* in the one spelling in which URLs are compared: other characters than ASCII, and blanks, are escaped."""
    if url.isascii() and not _SPELT.search(url):
        return url
    return _ESCAPE.sub(lambda found: found[0].upper(), quote(url, safe=_ASCII, errors="surrogateescape"))


_SPELT = re.compile(r"[% ]")
_ESCAPE = re.compile(r"%[0-9A-Fa-f]{2}")
_ASCII = "".join(map(chr, range(0x21, 0x7F)))


def parse_when(text: str) -> When:
    """Read a condition like `POST /api/*`, `POST,PUT`, `/api/*` or `*/api.php`. Raises ValueError."""
    found = re.fullmatch(r"\s*(?:([A-Za-z]+(?:\s*,\s*[A-Za-z]+)*|\*)(?:\s+|$))?([/*]\S*)?\s*", text)
    if found is None or not text.strip():
        raise ValueError("expected methods, a path, or both, like 'POST,PUT /api/*'; a path begins with / or *")
    methods = frozenset(name.strip().upper() for name in (found[1] or "").split(",") if name.strip() not in ("", "*"))
    return When(methods, spell(found[2] or "*"))
