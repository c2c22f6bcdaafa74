"""Where a request may go: the site's own origin, and other hosts of the public internet."""

from __future__ import annotations

import re
import socket
from dataclasses import replace
from urllib.parse import urljoin, urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from doorkey.errors import Changed, RequestError
from doorkey.model.request import Request
from doorkey.model.site import Site
from doorkey.model.urls import origin_of
from doorkey.network.addresses import as_address
from doorkey.network.addresses import is_public as is_public_address

PLAIN_PATH = re.compile(r"/(?:[^/\\\x00-\x20\x7f][^\\\x00-\x20\x7f]*)?")
"""A path at the site's origin: it can't lead elsewhere, as `//host` or a backslash could."""
UNSAFE = re.compile(r"[\\\x00-\x20\x7f]|^//")
"""What parsers of URLs read in different ways: line breaks, backslashes, a host without a scheme."""


class PrivateAddress(OSError):
    """A name leads into the network that we stand in; its text says so, and names nothing else."""


class PublicResolver(AbstractResolver):
    """Resolves names to public addresses only: a site must not send us into the network we stand in."""

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
    """Whether an IP address, in any spelling, is one of the public internet. Raises ValueError for a name."""
    found = as_address(address)
    if found is None:
        raise ValueError("a name, and no IP address")
    return is_public_address(found)


def request_url(request: Request, site: Site) -> str:
    """The absolute URL that *request* goes to. Raises RequestError when that is not where it may go."""
    if PLAIN_PATH.fullmatch(request.url):
        return site.origin + request.url
    url = request.url if "://" in request.url else urljoin(site.url, request.url)
    parts = urlsplit(url)
    if UNSAFE.search(request.url) or parts.scheme not in ("http", "https") or not parts.hostname:
        raise RequestError(f"{request.what}: only http and https URLs can be requested", site=site.name)
    if request.own_host and origin_of(url) != site.origin:
        raise RequestError(
            f"{request.what} leads to {parts.hostname}, outside of {site.name} ({site.origin})", site=site.name
        )
    if not request.own_host and not same_host(url, site) and _is_private_literal(parts.hostname, site):
        raise Changed(f"{site.name}: {request.what} leads to a private address: refused", site=site.name)
    return url


def redirected_url(request: Request, url: str, site: Site) -> str:
    try:
        return request_url(replace(request, url=url), site)
    except RequestError as error:
        raise Changed(f"{site.name}: {request.what} was redirected where it may not go", site=site.name) from error


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
    # A site configured on a private address may keep its images on another port or name there.
    return urlsplit(url).hostname == urlsplit(site.url).hostname or _private_site(site)
