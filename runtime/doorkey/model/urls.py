"""URLs: their origin as browsers compare and write it, and a query that no cache has seen."""

from __future__ import annotations

import secrets
from urllib.parse import urlencode, urlsplit, urlunsplit

PORTS = {"http": 80, "https": 443}
"""Ports that go without saying."""


def origin_of(url: str) -> str:
    """Scheme and host of *url* (RFC 6454), in lower case and ASCII, with the port where it is not the scheme's own."""
    parts = urlsplit(url)
    try:
        host, port = _ascii(parts.hostname or ""), parts.port
    except ValueError:  # none that anything listens on: the same as nothing else
        return f"{parts.scheme}://{parts.netloc}"
    shown = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{shown}" + ("" if port in (None, PORTS.get(parts.scheme)) else f":{port}")


def as_written(url: str) -> str:
    """An http(s) *url* as browsers write it, its path and query as they are; another one stays as it is.

    Raises ValueError for a host or a port that can't be read.
    """
    parts = urlsplit(url)
    host, _ = _ascii(parts.hostname or ""), parts.port
    if parts.scheme not in PORTS or not host or "@" in parts.netloc:
        return url
    return origin_of(url) + url[url.index("//") + 2 + len(parts.netloc) :]


def _ascii(host: str) -> str:
    if host.isascii():
        return host
    from yarl import URL  # late: few need it

    return URL.build(scheme="http", host=host).raw_host or host


def cache_busting(url: str) -> str:
    """*url* with a query that nobody has used: page caches take it for another page."""
    parts = urlsplit(url)
    query = "&".join(filter(None, [parts.query, urlencode({"cb": secrets.token_hex(6)})]))
    return urlunsplit(parts._replace(query=query))
