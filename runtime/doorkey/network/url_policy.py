"""The URL policy: a request goes to its site's own origin, or to hosts of the public internet."""

from __future__ import annotations

import re
import socket
from urllib.parse import urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from doorkey.errors import Changed, RequestError
from doorkey.model.request import Request
from doorkey.model.site import Site
from doorkey.model.urls import encode_url, join_url, origin_of
from doorkey.network.addresses import as_address
from doorkey.network.addresses import is_public as is_public_address

PLAIN_PATH = re.compile(r"/(?:[!\"$-.0-\[\]-~][!\"$-\[\]-~]*)?")
"""A path at the site's origin that is sent byte for byte: ASCII, and nothing in it can lead to another host."""
UNSAFE = re.compile(r"[\\\x00-\x1f\x7f]|^//")
"""What URL parsers disagree about: control characters, backslashes, a host without a scheme."""


class PrivateAddress(OSError):
    """The address of a host name is not public. The text of this error is safe to show."""


class PublicResolver(AbstractResolver):
    """Resolves names to public addresses only, so that a site can't direct requests into the local network."""

    def __init__(self) -> None:
        self._resolver = aiohttp.ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await self._resolver.resolve(host, port, family)
        for result in found:
            if not is_public(result["host"]):
                raise PrivateAddress(f"{host} has a private address: refused, as the site is not configured on one")
        return found

    async def close(self) -> None:
        await self._resolver.close()


def is_public(address: str) -> bool:
    """Whether an IP address, in any spelling, is public. Raises ValueError for a name."""
    found = as_address(address)
    if found is None:
        raise ValueError("expected an IP address, got a name")
    return is_public_address(found)


def request_url(request: Request, site: Site) -> str:
    """Return the absolute URL that *request* goes to, query included, as a browser writes it.

    Raises RequestError if the request may not go there.
    """
    if PLAIN_PATH.fullmatch(request.url):
        url = site.origin + request.url
        return _with_query(url, request) if request.query else url
    reference = request.url.strip(" ")
    url = reference if "://" in reference.partition("?")[0] else join_url(site.url, reference)
    parts = urlsplit(url)
    if UNSAFE.search(reference) or parts.scheme not in ("http", "https") or not parts.hostname:
        raise RequestError(f"{request.what}: only http and https URLs can be requested", site=site.name)
    if request.own_host and origin_of(url) != site.origin:
        raise RequestError(
            f"{request.what} leads to {parts.hostname}, outside of {site.name} ({site.origin})", site=site.name
        )
    if not request.own_host and not same_host(url, site) and _is_private_literal(parts.hostname, site):
        raise Changed(f"{site.name}: {request.what} leads to a private address: refused", site=site.name)
    try:
        return _with_query(encode_url(url), request) if request.query else encode_url(url)
    except ValueError as error:
        raise RequestError(f"{request.what}: the URL's host or port can't be read", site=site.name) from error


def _with_query(url: str, request: Request) -> str:
    added = URL().extend_query(request.query).raw_query_string
    return url.rstrip("?") + ("&" if "?" in url.rstrip("?") else "?") + added


def _is_private_literal(host: str, site: Site) -> bool:
    try:
        return not is_public(host) and not _private_site(site)
    except ValueError:
        return host.rstrip(".").lower().split(".")[-1] == "localhost" and not _private_site(site)


def _private_site(site: Site) -> bool:
    host = urlsplit(site.url).hostname or ""
    try:
        return not is_public(host)
    except ValueError:
        return host == "localhost"


def same_host(url: str, site: Site) -> bool:
    """Whether *url* is at the host of *site*. All private hosts count as one, as a site on one may use several."""
    return urlsplit(url).hostname == urlsplit(site.url).hostname or _private_site(site)
