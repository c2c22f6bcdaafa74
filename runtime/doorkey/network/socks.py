"""Lets aiohttp, which knows only HTTP proxies, connect through SOCKS proxies.

The library for it is imported only if a site has such a proxy.
"""

from __future__ import annotations

import aiohttp

from doorkey.errors import SiteDown
from doorkey.network.egress import parse_proxy


def is_socks(proxy: str | None) -> bool:
    """Whether *proxy* is the URL of a SOCKS proxy."""
    return proxy is not None and proxy[:5].lower() == "socks"


def socks_connector(proxy: str, *, keepalive: float) -> aiohttp.TCPConnector:
    """Make a connector through the SOCKS5 proxy *proxy*, which resolves names. Raises ConfigurationError."""
    from aiohttp_socks import ProxyConnector, ProxyType

    found = parse_proxy(proxy)
    host, port = found.place
    return ProxyConnector(
        host,
        port,
        ProxyType.SOCKS5,
        username=found.username,
        password=found.password if found.username is None else found.password or "",
        rdns=True,
        limit=0,
        keepalive_timeout=keepalive,
    )


def socks_errors(proxy: str | None) -> tuple[type[Exception], ...]:
    """The exceptions that a connection through *proxy* may raise besides aiohttp's own."""
    if not is_socks(proxy):
        return ()
    from aiohttp_socks import ProxyConnectionError, ProxyError, ProxyTimeoutError

    return ProxyError, ProxyConnectionError, ProxyTimeoutError


def socks_failure(error: Exception) -> SiteDown:
    """Translate one of `socks_errors`. The original text names the proxy, so it is left out."""
    why = "refused the way to the site (SOCKS)" if type(error).__name__ == "ProxyError" else "can't be reached"
    return SiteDown(f"the proxy {why}; see the site's `proxy` setting", arrived=False)
