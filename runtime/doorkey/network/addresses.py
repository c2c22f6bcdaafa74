"""Reads IP addresses as browsers do, and tells public ones from private ones."""

from __future__ import annotations

import asyncio
import ipaddress
import re
import socket
from collections.abc import Awaitable, Callable
from typing import TypeAlias
from urllib.parse import unquote

Address: TypeAlias = "ipaddress.IPv4Address | ipaddress.IPv6Address"
Resolve: TypeAlias = Callable[[str], Awaitable[tuple[str, ...]]]

NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


def as_address(host: str) -> Address | None:
    """*host* as an IP address as browsers read it (so 2130706433, 0x7f.1 and 0177.0.0.1 are 127.0.0.1); else None."""
    host = unquote(host).strip("[]").partition("%")[0].rstrip(".")
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        pass  # not in the usual notation: try the older ones
    if not re.fullmatch(r"(0x[0-9a-f]*|[0-9]+)(\.(0x[0-9a-f]*|[0-9]+)){0,3}", host, re.IGNORECASE):
        return None
    try:
        return ipaddress.IPv4Address(socket.inet_aton(host))
    except OSError:
        return ipaddress.IPv4Address(0)  # a number that is no address: refused, as by browsers


def is_public(address: Address) -> bool:
    """Whether *address* is public. An IPv6 address that holds an IPv4 one (mapped, 6to4, NAT64) is judged by that."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if address in NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(inner)
    return address.is_global and not address.is_multicast


def plain(host: str) -> str:
    """*host* in the spelling that is used for comparing hosts."""
    address = as_address(host)
    return str(address) if address is not None else host.lower().rstrip(".")


def is_local_name(host: str) -> bool:
    """Whether the last label of *host* says that it belongs to this machine or network."""
    return plain(unquote(host)).rsplit(".", 1)[-1] in ("localhost", "local", "internal", "localdomain")


async def system_resolve(host: str) -> tuple[str, ...]:
    """The addresses of *host* in the system's order; empty if it has none."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return ()
    return tuple(dict.fromkeys(str(entry[4][0]) for entry in found))
