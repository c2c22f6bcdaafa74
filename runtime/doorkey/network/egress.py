"""The network way out that a site's page takes: direct or by a proxy, and how far."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from doorkey.errors import ConfigurationError
from doorkey.model.site_access import HttpCredentials, TlsSetup
from doorkey.provider import Provider

SCHEMES = {"http": "http", "https": "https", "socks5": "socks5", "socks5h": "socks5"}
"""What a proxy's URL may begin with, and what it means. The proxy resolves names in any case."""
PORTS = {"http": 80, "https": 443, "socks5": 1080}
EXPECTED = "proxy: expected http://[user:password@]host:port, or the same with https or socks5"
ANYWHERE = ("*",)
"""Every host of the public internet."""


@dataclass(frozen=True, slots=True)
class Proxy:
    """An http, https or socks5 proxy. `server` holds neither user nor password."""

    server: str
    username: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)

    @property
    def scheme(self) -> str:
        return self.server.partition("://")[0]

    @property
    def place(self) -> tuple[str, int]:
        """Its host and port."""
        parts = urlsplit(self.server)
        return parts.hostname or "", parts.port or PORTS[self.scheme]


@dataclass(frozen=True, slots=True)
class Egress:
    """By which proxy, if any, and which hosts besides the site's own: names, `*.name`, either with `:port`, or `*`.

    `credentials` and `tls` are what the site's server asks for before its page.
    """

    proxy: Proxy | None = None
    reach: tuple[str, ...] = ANYWHERE
    credentials: HttpCredentials | None = None
    tls: TlsSetup | None = None


DIRECT = Egress()


def parse_proxy(url: str) -> Proxy:
    """The proxy at *url*. Raises ConfigurationError, without repeating a password, when it is none we can use."""
    try:
        parts = urlsplit(url)
        scheme, host, port = parts.scheme.lower(), parts.hostname, parts.port
    except ValueError as error:
        raise ConfigurationError(EXPECTED) from error
    if scheme not in SCHEMES or not host:
        raise ConfigurationError(f"{EXPECTED}; {scheme[:20]} is not supported" if "://" in url and host else EXPECTED)
    shown = f"[{host}]" if ":" in host else host
    return Proxy(
        server=f"{SCHEMES[scheme]}://{shown}" + (f":{port}" if port else ""),
        username=unquote(parts.username) if parts.username is not None else None,
        password=unquote(parts.password) if parts.password is not None else None,
    )


def egress_of(proxy: str | None, reach: tuple[str, ...] = ANYWHERE) -> Egress:
    """The egress by the proxy at the URL *proxy*. Raises ConfigurationError."""
    return Egress(parse_proxy(proxy) if proxy else None, reach)


def egress_for(provider: Provider) -> Egress:
    """The way out of the provider's site: its proxy, and the hosts that its settings or login steps name."""
    opened = (step.target for step in provider.steps if step.action == "open" and "://" in step.target)
    site = provider.site
    return Egress(
        parse_proxy(site.proxy) if site.proxy else None,
        (*site.reach, *(urlsplit(url).netloc for url in opened)),
        site.credentials,
        site.tls,
    )
