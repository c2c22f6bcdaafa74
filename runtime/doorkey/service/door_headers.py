"""Decides what passes the door: paths, headers of requests, headers of answers."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from functools import lru_cache
from typing import TypeAlias
from urllib.parse import unquote_to_bytes

from doorkey.model.request import Head, is_reserved
from doorkey.model.site import Site
from doorkey.model.urls import join_location, origin_of, percent_encode
from doorkey.service.failure import Refusal
from doorkey.transport.compression import readable

PLAIN = re.compile(r"/site/([a-z0-9_-]+)((?:/[\w~!$&'()*+,;=:@-][\w.~!$&'()*+,;=:@-]*)*/?(?:\?[!\"$-~]*)?)", re.A)
"""A request target that can be read in one way only, as nearly all can. It needs no further check."""
DOOR = re.compile(r"/site/([^/?]+)(/[^?]*)?(\?.*)?", re.S)
HOP_BY_HOP = {
    "connection", "keep-alive", "proxy-connection", "proxy-authenticate", "proxy-authorization", "te", "trailer",
    "transfer-encoding", "upgrade", "http2-settings",
}  # fmt: skip
OURS_IN = {
    "authorization",
    "x-api-key",
    "content-length",
    "expect",
    "referer",
    "forwarded",
    "via",
    "x-real-ip",
    "accept",
}
"""Headers of requests that stay outside: doorkey's key, what describes the way to the door, and what `Request` has a
field of its own for."""
OURS_OUT = {"set-cookie", "set-cookie2", "alt-svc", "clear-site-data", "strict-transport-security", "x-request-id"}
"""Headers of answers that stay inside: they belong to the session, or speak of the site's own host or connection."""
AUTHORITY = re.compile(r"\A[^/?]*//[^/?]*")
"""Scheme, host and port of an absolute URL."""
FORBIDDEN = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
"""Control characters that no header may hold (RFC 9110, section 5.5). Lenient clients let sites send them."""
QUOTED_OR_TARGET = re.compile(r'"(?:[^"\\]|\\.)*"|<([^<>]*)>')
"""In a Link header: a quoted parameter, or the target of a link (RFC 8288)."""
REFRESH = re.compile(r"""(\s*[\d.]*\s*[;,]\s*(?:url\s*=\s*)?["']?)([^"']*)(.*)""", re.I | re.S)
"""A Refresh header: what stands before its URL, the URL, what stands behind it (HTML, "shared declarative refresh")."""


def destination(target: str) -> tuple[str, str]:
    """Return the site's name and the path and query there, byte for byte; non-ASCII bytes are percent-encoded.

    *target* is the raw request target. Raises Refusal for one that could be read as leading elsewhere.
    """
    plain = PLAIN.fullmatch(target)
    if plain is not None:
        name, rest = plain.groups()
        return name, rest if rest.startswith("/") else f"/{rest}"
    found = DOOR.fullmatch(target)
    if found is None:
        raise Refusal(400, "invalid_path", "a path like /site/NAME/path was expected, without a host before it")
    name, path, query = found[1], found[2] or "/", found[3] or ""
    decoded = unquote_to_bytes(path.encode("utf-8", "surrogateescape"))
    if path.startswith("//") or "\\" in path or re.search(rb"[\x00-\x1f\x7f]", decoded):
        raise Refusal(400, "invalid_path", "the path has to be one of the site's own: no `//` first, no backslash")
    if any(part in (b".", b"..") for part in re.split(rb"[/\\]", decoded)):
        raise Refusal(400, "invalid_path", "the path holds `.` or `..` as a part: write where it leads to instead")
    if re.search(r"[\x00-\x20\x7f#]", path + query):
        raise Refusal(400, "invalid_path", "the path or the query holds a blank, a control character or `#`")
    return name, percent_encode(path + query)


def passed_in(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers that go on to the site, also those with bytes that are not UTF-8."""
    gone = dropped(headers["connection"]) if "connection" in headers else ()
    passed: dict[str, str] = {}
    for name, value in headers.items():
        lower = _entering(name)
        if lower is None or lower in gone:
            continue
        passed[lower] = f"{passed[lower]}, {value}" if lower in passed else value
    return passed


@lru_cache(1024)
def _entering(name: str) -> str | None:
    """Return a request header's name in lower case, or None if it stays outside."""
    lower = name.lower()
    ours = lower in OURS_IN or lower in HOP_BY_HOP or is_reserved(lower)
    return None if ours or lower.startswith(("x-forwarded-", "x-doorkey-")) else lower


@lru_cache(1024)
def _leaving(name: str) -> str | None:
    """Return an answer header's name in lower case, or None if it stays inside."""
    lower = name.lower()
    ours = lower in OURS_OUT or lower in HOP_BY_HOP
    return None if ours or lower.startswith(("access-control-", "x-doorkey-")) else lower


readable_codings = lru_cache(256)(readable)
"""Returns the compressions of an Accept-Encoding header that doorkey can look into."""


def passed_out(head: Head, site: Site, base_path: str = "") -> list[tuple[str, str]]:
    """Return the answer's headers as the client gets them: URLs at the *site*'s origin lead behind the door.

    *base_path* is where a proxy offers the service.
    """
    gone = dropped(head.headers["connection"]) if "connection" in head.headers else ()
    # A page of the site's that a browser shows here must not act as a page of doorkey's.
    out = [("Content-Security-Policy", "sandbox")]
    for header, value in head.headers.items():
        lower = _leaving(header)
        if lower is None or lower in gone:
            continue
        rewrite = REWRITTEN.get(lower)
        if rewrite is not None:
            value = rewrite(value, lambda url: move(url, head.url, f"{base_path}/site/{site.name}", site.origin))
        out.append((header, value if value.isprintable() else FORBIDDEN.sub(" ", value)))
    return out


def move(url: str, base: str, door: str, origin: str) -> str:
    """Return *url*, told by an answer at *base*, as a path behind *door*; one of another origin stays as it is."""
    reference, mark, fragment = url.partition("#")
    try:
        target = join_location(base, reference)
        if origin_of(target) != origin:
            return url
    except ValueError:
        return url
    rest = AUTHORITY.sub("", target, count=1)
    return f"{door}/{rest.lstrip('/')}{mark}{percent_encode(fragment)}"


Move: TypeAlias = Callable[[str], str]


def _move_all(value: str, move: Move) -> str:
    return move(value)


def _move_links(value: str, move: Move) -> str:
    return QUOTED_OR_TARGET.sub(lambda found: found[0] if found[1] is None else f"<{move(found[1])}>", value)


def _move_refresh(value: str, move: Move) -> str:
    found = REFRESH.fullmatch(value)
    return value if found is None or not found[2] else f"{found[1]}{move(found[2].rstrip())}{found[3]}"


REWRITTEN: dict[str, Callable[[str, Move], str]] = {
    "location": _move_all,
    "content-location": _move_all,
    "link": _move_links,
    "refresh": _move_refresh,
}
"""Headers whose URLs lead behind the door."""


def dropped(connection: str) -> Collection[str]:
    """Return the names, in lower case, of the headers that a `Connection` header lists as its own."""
    return {part.strip().lower() for part in connection.split(",")}
