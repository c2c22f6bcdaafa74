"""URLs as browsers read, compare and write them (WHATWG URL standard)."""

from __future__ import annotations

import re
import secrets
from functools import lru_cache
from urllib.parse import urlencode, urljoin, urlsplit, urlunsplit

PORTS = {"http": 80, "https": 443}
"""The default ports, which an origin leaves out."""
CONTROLS = "".join(map(chr, range(0x21)))
"""C0 controls and the blank: browsers strip them from both ends of a URL."""


@lru_cache(1024)
def origin_of(url: str) -> str:
    """Scheme, host and port of *url* (RFC 6454), in lower case and ASCII, without the scheme's default port."""
    parts = urlsplit(url)
    try:
        host, port = _ascii(parts.hostname or ""), parts.port
    except ValueError:  # no valid host or port: equal to no other origin
        return f"{parts.scheme}://{parts.netloc}"
    shown = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{shown}" + ("" if port in (None, PORTS.get(parts.scheme)) else f":{port}")


def as_written(url: str) -> str:
    """An http(s) *url* with its scheme and host as browsers write them. Other URLs are returned unchanged.

    Raises ValueError for a host or a port that can't be read.
    """
    parts = urlsplit(url)
    host, _ = _ascii(parts.hostname or ""), parts.port
    if parts.scheme not in PORTS or not host or "@" in parts.netloc:
        return url
    return origin_of(url) + url[url.index("//") + 2 + len(parts.netloc) :]


def percent_encode(text: str) -> str:
    """Percent-encode blanks and everything outside of ASCII in *text*, a path with its query, and nothing else.

    Surrogates stand for single bytes that were no UTF-8 (`surrogateescape`), and become those bytes again.
    """
    return text if _PRINTABLE.fullmatch(text) else _ENCODED.sub(_percent, text)


def join_url(base: str, reference: str) -> str:
    """*reference* resolved against *base*, without a fragment. A `?` at its end stays, which `urljoin` drops."""
    reference = reference.partition("#")[0]
    if reference.endswith("?") and reference.count("?") == 1:
        return urljoin(base.partition("?")[0], reference[:-1]) + "?"
    return urljoin(base, reference)


def join_location(url: str, location: str) -> str:
    """The URL that a Location header of the answer at *url* names, as a browser reads the header.

    Raises ValueError if it is no URL.
    """
    text = re.sub(r"[\t\r\n]", "", location.strip(CONTROLS))
    path, mark, rest = text.partition("?")
    path = _DOTS.sub(lambda found: "." * found[0].lower().replace("%2e", ".").count("."), path.replace("\\", "/"))
    return re.sub(r'[<>"]', _percent, encode_url(_without_dots(join_url(url, path + mark + rest))))


def _without_dots(url: str) -> str:
    """An absolute *url* with the segments `.` and `..` of its path resolved."""
    path, mark, rest = url.partition("?")
    if _DOTS.search(path) is None or "//" not in path:
        return url
    start = path.find("/", path.index("//") + 2)
    return urljoin(path[:start], f"/.{path[start:]}") + mark + rest


@lru_cache(1024)
def encode_url(url: str) -> str:
    """An absolute *url* as it is sent: its host in ASCII, its path and query encoded by `percent_encode`, no fragment.

    Raises ValueError for a host or a port that can't be read.
    """
    url = url.partition("#")[0]
    found = re.compile(r"[/?]").search(url, url.find("//") + 2)
    if found is None:
        return as_written(url)
    return as_written(url[: found.start()]) + percent_encode(url[found.start() :])


_DOTS = re.compile(r"(?i)(?:(?<=/)|\A)(?:\.|%2e){1,2}(?=/|\Z)")
"""Segments of a path that mean this folder or the one above it, in each of their spellings."""
_PRINTABLE = re.compile(r"[!-~]*")
_ENCODED = re.compile(r"[^!-~]+")


def _percent(found: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in found[0].encode("utf-8", "surrogateescape"))


def _ascii(host: str) -> str:
    if host.isascii():
        return host
    from yarl import URL  # imported late: few hosts need it

    return URL.build(scheme="http", host=host).raw_host or host


def cache_busting(url: str) -> str:
    """*url* with a random query parameter, so that page caches treat it as a new page."""
    parts = urlsplit(url)
    query = "&".join(filter(None, [parts.query, urlencode({"cb": secrets.token_hex(6)})]))
    return urlunsplit(parts._replace(query=query))
