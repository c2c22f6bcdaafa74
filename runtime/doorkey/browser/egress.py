"""Where a page may send requests: a guard by request routing, and the proxy it goes through."""

from __future__ import annotations

import asyncio
import ipaddress
import re
import socket
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias
from urllib.parse import unquote, urlsplit

from doorkey.clock import Clock
from doorkey.errors import ConfigurationError

if TYPE_CHECKING:
    from playwright.async_api import BrowserContext, Route, WebSocketRoute

Address: TypeAlias = "ipaddress.IPv4Address | ipaddress.IPv6Address"
Resolve: TypeAlias = Callable[[str], Awaitable[tuple[str, ...]]]

WEB = ("http", "https", "ws", "wss")
INLINE = ("about", "data", "blob")
"""Schemes of things inside a page: they cause no request."""
CACHED = 30.0
"""Seconds that a name's addresses are kept."""


@dataclass(frozen=True, slots=True)
class Proxy:
    """An http(s) proxy. `server` holds neither user nor password."""

    server: str
    username: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)


def parse_proxy(url: str) -> Proxy:
    """The proxy at *url*. Raises ConfigurationError, without repeating a password, when it is none we can use."""
    try:
        parts = urlsplit(url)
        scheme, host, port = parts.scheme.lower(), parts.hostname, parts.port
    except ValueError as error:
        raise ConfigurationError("proxy: expected http://[user:password@]host:port") from error
    if scheme.startswith("socks"):
        raise ConfigurationError(f"proxy: {scheme} is not supported yet; use an http or https proxy")
    if scheme not in ("http", "https") or not host:
        raise ConfigurationError("proxy: expected http://[user:password@]host:port or the same with https")
    shown = f"[{host}]" if ":" in host else host
    return Proxy(
        server=f"{scheme}://{shown}" + (f":{port}" if port else ""),
        username=unquote(parts.username) if parts.username is not None else None,
        password=unquote(parts.password) if parts.password is not None else None,
    )


def refusal(url: str, site_url: str, addresses: Iterable[str] = ()) -> str | None:
    """Why a request to *url* is refused, in words for a person; None when it may go.

    *addresses* are those the host's name resolves to (empty: unknown, as behind a proxy). Private, loopback and
    link-local addresses are refused unless *site_url* names the very same host.
    """
    if any(ord(char) <= 32 or ord(char) == 127 for char in url) or "\\" in url:
        return "the address holds a space, a control character or a backslash"
    try:
        parts = urlsplit(url)
        host, _ = (parts.hostname or "").lower(), parts.port
    except ValueError:
        return "the address can't be read"
    if parts.scheme.lower() not in WEB:
        return f"the scheme {parts.scheme.lower()[:20]!r} is not http or https"
    if not host:
        return "the address names no host"
    own = (urlsplit(site_url).hostname or "").lower()
    if _plain(host) == _plain(own):
        return None
    if _is_local_name(host):
        return f"{host} is this machine"
    literal = as_address(host)
    for address in [literal] if literal is not None else [as_address(text) for text in addresses]:
        if address is None or not is_public(address):
            return f"{host} has a private address ({address}), and the site is not configured there"
    return None


def as_address(host: str) -> Address | None:
    """*host* as an IP address as browsers read it (so 2130706433, 0x7f.1 and 0177.0.0.1 are 127.0.0.1); else None."""
    host = unquote(host).strip("[]").partition("%")[0].rstrip(".")
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        pass  # not in the canonical notation; older ones follow
    if not re.fullmatch(r"(0x[0-9a-f]*|[0-9]+)(\.(0x[0-9a-f]*|[0-9]+)){0,3}", host, re.IGNORECASE):
        return None
    try:
        return ipaddress.IPv4Address(socket.inet_aton(host))
    except OSError:
        return ipaddress.IPv4Address(0)  # a number that is no address: browsers refuse it, and so do we


def is_public(address: Address) -> bool:
    """Whether *address* is one of the public internet, also when it hides an IPv4 address (mapped, 6to4, NAT64)."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if address in ipaddress.IPv6Network("64:ff9b::/96"):
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(inner)
    return address.is_global and not address.is_multicast


def _plain(host: str) -> str:
    address = as_address(host)
    return str(address) if address is not None else host.rstrip(".")


def _is_local_name(host: str) -> bool:
    return unquote(host).rstrip(".").rsplit(".", 1)[-1] in ("localhost", "local", "internal", "localdomain")


async def system_resolve(host: str) -> tuple[str, ...]:
    """The addresses of *host*; none when it has none: the browser will say so itself."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return ()
    return tuple(dict.fromkeys(str(entry[4][0]) for entry in found))


class Guard:
    """Refuses what a page may not request. One for each context.

    Only hosts other than the site's pass through Python: for the site's own, Playwright's driver matches the pattern
    and lets the request go. Redirects are not routed again (Playwright), so a landing elsewhere is checked after.
    """

    def __init__(
        self, site_url: str, *, proxied: bool, clock: Clock, say: Callable[[str], None], resolve: Resolve | None = None
    ) -> None:
        self.site_url = site_url
        self._proxied = proxied
        self._clock = clock
        self._say = say
        self._resolve = resolve or system_resolve
        self._known: dict[str, tuple[float, tuple[str, ...]]] = {}

    async def refuses(self, url: str) -> str | None:
        """Why *url* may not be requested; None when it may. Resolves its name, but behind a proxy."""
        why = refusal(url, self.site_url)
        host = urlsplit(url).hostname if why is None else None
        if host is None or self._proxied or as_address(host) is not None or self._own(host):
            return why
        return refusal(url, self.site_url, await self._addresses(host))

    async def attach(self, context: BrowserContext) -> None:
        host = re.escape(self._host())
        foreign = re.compile(rf"^(?!(?:https?|wss?)://{host}(?::[0-9]+)?(?:[/?#]|$))")
        await asyncio.gather(context.route(foreign, self._route), context.route_web_socket(foreign, self._socket))

    def _host(self) -> str:
        host = (urlsplit(self.site_url).hostname or "").lower()
        return f"[{host}]" if ":" in host else host

    def _own(self, host: str) -> bool:
        return _plain(host) == _plain((urlsplit(self.site_url).hostname or "").lower())

    async def _route(self, route: Route) -> None:
        url = route.request.url
        inline = url.partition(":")[0].lower() in INLINE and not route.request.is_navigation_request()
        why = None if inline or url == "about:blank" else await self.refuses(url)
        if why is None:
            await route.continue_()
            return
        self._say(f"the page's request was refused: {why}")
        await route.abort("blockedbyclient")

    async def _socket(self, socket_route: WebSocketRoute) -> None:
        why = await self.refuses(socket_route.url)
        if why is None:
            socket_route.connect_to_server()
            return
        self._say(f"the page's WebSocket was refused: {why}")
        await socket_route.close(code=1008, reason="refused")

    async def _addresses(self, host: str) -> tuple[str, ...]:
        at, found = self._known.get(host, (float("-inf"), ()))
        if self._clock.now() - at > CACHED:
            found = await self._resolve(host)
            self._known[host] = (self._clock.now(), found)
        return found
