"""Where a URL belongs: its origin, as browsers compare them."""

from __future__ import annotations

from urllib.parse import urlsplit

PORTS = {"http": 80, "https": 443}
"""Ports that go without saying."""


def origin_of(url: str) -> str:
    """Scheme and host of *url* (RFC 6454), in lower case, with the port where it is not the scheme's own."""
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError:  # none that anything listens on: the same as nothing else
        return f"{parts.scheme}://{parts.netloc}"
    host = parts.hostname or ""
    shown = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{shown}" + ("" if port in (None, PORTS.get(parts.scheme)) else f":{port}")
