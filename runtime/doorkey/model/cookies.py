"""One cookie as a browser stores it: what identifies it, where it is sent, how it is written down."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from functools import lru_cache
from ipaddress import ip_address
from typing import NamedTuple, TypeAlias
from urllib.parse import quote, urlsplit

from doorkey.model.urls import origin_of

LARGEST = 4096
"""Bytes that name and value may have together."""
PREFIXES = ("__host-http-", "__host-", "__secure-", "__http-")
"""Beginnings of names that promise how a cookie was set. Browsers hold sites to them, in upper and lower case."""
IN_PATHS = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"


class Identity(NamedTuple):
    """What tells one cookie from another. A cookie that is set replaces the one of the same identity."""

    name: str
    domain: str
    host_only: bool
    path: str
    partition: str
    embedded: bool

    def reaches(self, url: str) -> bool:
        """Whether the cookie is for *url*'s host, whatever its path."""
        host = host_of(url)
        return host == self.domain or (not self.host_only and host.endswith("." + self.domain))


@dataclass(frozen=True, slots=True)
class Deletion:
    """An answer's order to delete one cookie."""

    identity: Identity

    @property
    def name(self) -> str:
        return self.identity.name


@dataclass(frozen=True, slots=True)
class Cookie:
    """One cookie. `domain` is a host without a leading dot, an IPv6 address in brackets.

    `expires` is in seconds since the epoch, None for a session cookie. `partition` is the top-level site (scheme and
    host) of a partitioned cookie; `embedded` says that it was set in a frame of another site there. `same_site` is
    empty when the site did not say.
    """

    name: str
    value: str = field(repr=False)
    domain: str
    path: str = "/"
    host_only: bool = True
    secure: bool = False
    http_only: bool = False
    same_site: str = ""
    expires: float | None = None
    partition: str = ""
    embedded: bool = False

    @property
    def identity(self) -> Identity:
        return Identity(self.name, self.domain, self.host_only, self.path, self.partition, self.embedded)

    @property
    def pair(self) -> str:
        """The cookie as a Cookie header carries it. A cookie without a name is sent as its value alone."""
        return f"{self.name}={self.value}" if self.name else self.value

    def goes_to(self, url: str, wall: float) -> bool:
        """Whether a browser sends this cookie with the site's own request to *url* (RFC 6265bis, section 5.8.3)."""
        return not self.expired(wall) and self.goes_to_host(url) and on_path(self.path, path_of(url))

    def goes_to_host(self, url: str) -> bool:
        """Whether this cookie is sent to some path of *url*'s host, its expiry left aside."""
        host = host_of(url)
        if host != self.domain and (self.host_only or not host.endswith("." + self.domain)):
            return False
        if self.secure and not trustworthy(url):
            return False
        return not self.partition or self._partitioned_at(urlsplit(url).scheme)

    def expired(self, wall: float) -> bool:
        return self.expires is not None and self.expires <= wall

    def _partitioned_at(self, scheme: str) -> bool:
        """Whether the partition is that of the cookie's own site."""
        own = related(host_of(self.partition), self.domain)
        return own and not self.embedded and self.partition.startswith(scheme + "://")

    def to_json(self) -> dict[str, object]:
        """A plain structure for a store. It holds a secret."""
        return {name: getattr(self, name) for name in NAMES}

    @classmethod
    def from_json(cls, data: Mapping[str, object]) -> Cookie:
        """The reverse of `to_json`. Raises TypeError for a structure of another version."""
        cookie = cls(**data)  # type: ignore[arg-type]  # a store's own rows, checked by the keywords they have
        domain = bracketed(cookie.domain.lstrip(".").lower())
        return cookie if domain == cookie.domain else replace(cookie, domain=domain)

    @classmethod
    def from_playwright(cls, found: Mapping[str, object]) -> Cookie:
        """A cookie as Playwright shows it, and stores it. Raises KeyError or ValueError for what is none."""
        domain, expires = str(found["domain"]).lower(), float(str(found.get("expires", -1)))
        return cls(
            name=str(found["name"]),
            value=str(found["value"]),
            domain=bracketed(domain.removeprefix(".")),
            path=str(found.get("path") or "/"),
            host_only=not domain.startswith("."),
            secure=bool(found.get("secure")),
            http_only=bool(found.get("httpOnly")),
            same_site=str(found.get("sameSite") or ""),
            expires=None if expires < 0 else expires,
            partition=str(found.get("partitionKey") or ""),
            embedded=bool(found.get("partitionKey")) and found.get("_crHasCrossSiteAncestor") is not False,
        )

    def to_playwright(self) -> dict[str, object]:
        """The cookie as Playwright takes it. One that is not `storable` fails the call, for all others in it, too."""
        none = self.same_site == "None" and self.secure
        given: dict[str, object] = {
            "name": self.name,
            "value": self.value,
            "domain": self.domain if self.host_only else "." + self.domain,
            "path": self.path,
            "expires": -1 if self.expires is None else self.expires,
            "httpOnly": self.http_only,
            "secure": self.secure,
            "sameSite": "None" if none else "Strict" if self.same_site == "Strict" else "Lax",
        }
        if self.partition:
            given |= {"partitionKey": self.partition, "_crHasCrossSiteAncestor": self.embedded}
        return given

    @property
    def storable(self) -> bool:
        """Whether a browser takes the cookie: its characters, its length, and what its name promises."""
        text, parts = self.name + self.value, (self.name, self.value, self.path)
        if "=" in self.name or (not self.name and "=" in self.value) or not text or not self.domain:
            return False
        if any(not clean(part) or part != part.strip(" \t") for part in parts) or not self.path.startswith("/"):
            return False
        if not encodable(text + self.path) or size(text) > LARGEST or (self.partition and not self.secure):
            return False
        host = self.host_only and self.path == "/"
        return keeps_promise(self.name, self.value, secure=self.secure, http_only=self.http_only, whole_host=host)


Change: TypeAlias = Cookie | Deletion


NAMES = tuple(one.name for one in fields(Cookie))
"""Its fields."""


def keeps_promise(name: str, value: str, *, secure: bool, http_only: bool, whole_host: bool) -> bool:
    """Whether a cookie is what the prefix of its name says. One without a name may not imitate such a prefix."""
    if not name:
        return not value.lower().startswith(PREFIXES)
    prefix = next((prefix for prefix in PREFIXES if name.lower().startswith(prefix)), "")
    if not prefix:
        return True
    return secure and (http_only or "http-" not in prefix) and (whole_host or not prefix.startswith("__host-"))


def clean(text: str) -> bool:
    """Whether *text* holds neither a control character nor the mark that ends a value."""
    return not any(c < " " or c in ";\x7f" for c in text)


def size(text: str) -> int:
    """Bytes of *text* on the wire, where surrogates stand for bytes that are no UTF-8."""
    if text.isascii():
        return len(text)
    return len(text.encode("utf-8", "surrogatepass")) - 2 * sum("\udc80" <= c <= "\udcff" for c in text)


def encodable(text: str) -> bool:
    """Whether *text* is Unicode, without the bytes that were none."""
    return text.isascii() or not any("\ud800" <= c <= "\udfff" for c in text)


@lru_cache(256)
def host_of(url: str) -> str:
    """The host of *url* in lower case and ASCII, an IPv6 address in brackets and in its shortest form."""
    host = origin_of(url).partition("://")[2]
    return bracketed(host.partition("]")[0]) if host.startswith("[") else host.partition(":")[0]


def bracketed(host: str) -> str:
    """*host*, with brackets where it is an IPv6 address."""
    if ":" not in host:
        return host
    try:
        return f"[{ip_address(host.strip('[]')).compressed}]"
    except ValueError:
        return host


def related(top: str, domain: str) -> bool:
    """Whether the host *top* and a cookie's *domain* are of one site. The list of public suffixes is not needed for it:
    a cookie's domain lies within one site, so two hosts of which one ends with the other are of the same site."""
    return top == domain or top.endswith("." + domain) or domain.endswith("." + top)


def is_address(host: str) -> bool:
    """Whether *host* is an IP address."""
    try:
        ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True


@lru_cache(256)
def path_of(url: str) -> str:
    """The path of *url* as it goes over the wire."""
    path = urlsplit(url).path or "/"
    return path if path.isascii() and " " not in path else quote(path, safe=IN_PATHS, errors="surrogateescape")


def on_path(path: str, asked: str) -> bool:
    """Whether a cookie of *path* is sent with a request for the path *asked* (RFC 6265bis, section 5.1.4)."""
    return asked.startswith(path) and (path == asked or path.endswith("/") or asked[len(path)] == "/")


@lru_cache(256)
def trustworthy(url: str) -> bool:
    """Whether a browser sends and takes Secure cookies there: over https, and on this machine."""
    if urlsplit(url).scheme in ("https", "wss"):
        return True
    host = host_of(url)
    if host == "localhost" or host.endswith(".localhost"):
        return True
    return is_address(host) and ip_address(host.strip("[]")).is_loopback
