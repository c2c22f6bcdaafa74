"""Opens TCP connections: to one of a host's addresses, or through a proxy."""

from __future__ import annotations

import asyncio
import base64
import os
import socket
import ssl
from asyncio import StreamReader, StreamWriter
from collections.abc import Sequence
from functools import cache

from doorkey.errors import SiteDown
from doorkey.network.egress import Proxy

CONNECT = 20.0
"""Seconds that opening a connection may take, with all addresses of the host, or with the proxy."""
NEXT_ADDRESS = 0.25
"""Seconds after which the next address is tried as well, if the last one has not answered (RFC 8305)."""
BUFFER = 65536
HTTP = ("http", "https")


async def connect(addresses: Sequence[str], port: int) -> tuple[StreamReader, StreamWriter]:
    """Connect to the first of *addresses* that answers. Raises SiteDown."""
    if not addresses:
        raise SiteDown("the site can't be reached: its name has no address", arrived=False, away=True)
    try:
        async with asyncio.timeout(CONNECT):
            if len(addresses) == 1:
                return await asyncio.open_connection(addresses[0], port, limit=BUFFER)
            return await asyncio.open_connection(sock=await _raced(addresses, port), limit=BUFFER)
    except TimeoutError as error:
        raise SiteDown(
            f"the site can't be reached: no connection within {CONNECT:g} s", arrived=False, away=True
        ) from error
    except OSError as error:
        why = os.strerror(error.errno) if error.errno else "no connection"
        raise SiteDown(f"the site can't be reached: {why}", arrived=False, away=True) from error


async def _raced(addresses: Sequence[str], port: int) -> socket.socket:
    # aiohttp's own library. It takes addresses; asyncio would take a name and resolve it again.
    from aiohappyeyeballs import start_connection

    return await start_connection(
        [_entry(address, port) for address in addresses], happy_eyeballs_delay=NEXT_ADDRESS, interleave=1
    )


def _entry(address: str, port: int) -> tuple[int, int, int, str, tuple[str, int] | tuple[str, int, int, int]]:
    if ":" in address:
        return socket.AF_INET6, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (address, port, 0, 0)
    return socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (address, port)


async def connect_to_proxy(proxy: Proxy) -> tuple[StreamReader, StreamWriter]:
    """Connect to an http(s) proxy that forwards plain requests. Raises SiteDown."""
    host, port = proxy.place
    try:
        async with asyncio.timeout(CONNECT):
            return await asyncio.open_connection(host, port, ssl=await security(proxy), limit=BUFFER)
    except OSError as error:
        raise SiteDown("the proxy can't be reached; see the site's `proxy` setting", arrived=False) from error


async def security(proxy: Proxy) -> ssl.SSLContext | None:
    """The TLS context that checks the certificate of an https proxy; None for other proxies."""
    # Reading the system's certificates takes some 20 ms, which would stop the event loop.
    return await asyncio.to_thread(_certificates) if proxy.scheme == "https" else None


@cache
def _certificates() -> ssl.SSLContext:
    return ssl.create_default_context()


async def tunnel(proxy: Proxy, host: str, port: int) -> tuple[StreamReader, StreamWriter]:
    """Connect to *host* through *proxy*, which resolves the name. Raises SiteDown."""
    from python_socks import ProxyError, ProxyType
    from python_socks.async_.asyncio.v2 import Proxy as Client

    proxy_host, proxy_port = proxy.place
    client = Client(
        ProxyType.HTTP if proxy.scheme in HTTP else ProxyType.SOCKS5,
        proxy_host,
        proxy_port,
        username=proxy.username,
        password=proxy.password if proxy.username is None else proxy.password or "",
        rdns=True,
        proxy_ssl=await security(proxy),
    )
    try:
        stream = await client.connect(host, port, timeout=CONNECT)
    except ProxyError as error:
        kind = "HTTP" if proxy.scheme in HTTP else "SOCKS"
        raise refused(f"{kind} {error.error_code}" if error.error_code else kind) from error
    except OSError as error:
        raise SiteDown("the proxy can't be reached; see the site's `proxy` setting", arrived=False) from error
    return stream.reader, stream.writer


def refused(answer: str) -> SiteDown:
    """The error for a proxy that refused the connection with *answer*."""
    return SiteDown(f"the proxy refused the way to the site ({answer}); see its `proxy` setting", arrived=False)


def authorization(proxy: Proxy) -> str | None:
    """The value of Proxy-Authorization that an http(s) proxy wants; None without a user."""
    if proxy.username is None:
        return None
    return "Basic " + base64.b64encode(f"{proxy.username}:{proxy.password or ''}".encode()).decode()
