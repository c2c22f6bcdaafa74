"""The way through a SOCKS proxy, for aiohttp, which knows HTTP proxies only."""

from __future__ import annotations

import aiohttp
import aiohttp_socks

from doorkey.browser import parse_proxy
from doorkey.errors import SiteDown

REFUSED = aiohttp_socks.ProxyError
UNREACHED = (aiohttp_socks.ProxyConnectionError, aiohttp_socks.ProxyTimeoutError)


def is_socks(proxy: str) -> bool:
    """Whether the URL *proxy* is one of a SOCKS proxy."""
    return proxy[:5].lower() == "socks"


def socks_connector(proxy: str, *, keepalive: float) -> aiohttp.TCPConnector:
    """Connections through the SOCKS5 proxy at the URL *proxy*, which resolves names. Raises ConfigurationError."""
    found = parse_proxy(proxy)
    host, port = found.place
    return aiohttp_socks.ProxyConnector(
        host,
        port,
        aiohttp_socks.ProxyType.SOCKS5,
        username=found.username,
        password=found.password if found.username is None else found.password or "",
        rdns=True,
        limit=0,
        keepalive_timeout=keepalive,
    )


def socks_failure(error: Exception) -> SiteDown | None:
    """What a SOCKS proxy's *error* means; None for one that is not a SOCKS proxy's."""
    if isinstance(error, UNREACHED):
        return SiteDown("the proxy can't be reached; see the site's `proxy` setting", arrived=False)
    if isinstance(error, REFUSED):
        return SiteDown("the proxy refused the way to the site (SOCKS); see its `proxy` setting", arrived=False)
    return None
