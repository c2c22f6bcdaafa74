"""Decides which URLs the pages and requests of a site may reach."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import SplitResult, urlsplit

from doorkey.network.addresses import as_address, is_local_name, is_public, plain
from doorkey.network.egress import ANYWHERE

WEB = ("http", "https", "ws", "wss")
DEFAULT_PORTS = {"http": 80, "ws": 80, "https": 443, "wss": 443}


def refusal(url: str, site_url: str, addresses: Iterable[str] = (), reach: tuple[str, ...] = ANYWHERE) -> str | None:
    """Why a request to *url* is refused, in words for a person; None if it is allowed.

    *addresses* are what the host's name resolves to; empty if unknown, as behind a proxy. Private, loopback and
    link-local addresses are refused unless *site_url* has this host and port (80 and 443 count as one), or *reach*
    names the host. If *reach* has no `*`, all hosts that it does not name are refused.
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
    site = urlsplit(site_url)
    own = plain(host) == plain(site.hostname or "")
    if (own and port_of(parts) in own_ports(site)) or _named(parts, reach):
        return None
    if not own and not _matched(parts, reach):
        return f"{host} is not among the hosts that this site's `reach` names"
    if is_local_name(host):
        return f"{host} is this machine or network, and neither the site nor its `reach` is there"
    literal = as_address(host)
    for address in [literal] if literal is not None else [as_address(text) for text in addresses]:
        if address is None or not is_public(address):
            place = host if host == str(address) else f"{host} ({address})"
            return (
                f"{place} is a private address, and neither the site nor its `reach` is at port {port_of(parts)} there"
            )
    return None


def port_of(parts: SplitResult) -> int:
    """The port of a split URL: its own, or its scheme's default."""
    return parts.port or DEFAULT_PORTS[parts.scheme.lower()]


def own_ports(site: SplitResult) -> tuple[int, ...]:
    """The ports that belong to the site itself. The default ports of http and https count as one."""
    port = port_of(site)
    return (80, 443) if port in (80, 443) else (port,)


def _named(parts: SplitResult, reach: tuple[str, ...]) -> bool:
    """Whether *reach* names this host itself, not by a pattern."""
    return any(
        plain(entry.hostname or "") == plain(parts.hostname or "") and entry.port in (None, port_of(parts))
        for entry in (urlsplit(f"//{text}") for text in reach if not text.startswith("*"))
    )


def _matched(parts: SplitResult, reach: tuple[str, ...]) -> bool:
    host = plain(parts.hostname or "")
    for text in reach:
        if text == "*":
            return True
        entry = urlsplit(f"//{text.removeprefix('*')}")
        inside = text.startswith("*.") and host.endswith((entry.hostname or "").lower())
        if inside and entry.port in (None, port_of(parts)):
            return True
    return False
