"""One configured site."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from doorkey.model.site_access import HttpCredentials, TlsSetup
from doorkey.model.urls import origin_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """One configured site: its name, the page a visit opens, and how the browser appears there."""

    name: str
    url: str
    models: tuple[str, ...] = ()
    profile: str = "desktop"
    proxy: str | None = field(default=None, repr=False)
    reach: tuple[str, ...] = ("*",)
    transport: str = "auto"
    """"direct" or "page" where settings force one; "auto": as the site's answers tell."""
    credentials: HttpCredentials | None = field(default=None, repr=False)
    tls: TlsSetup | None = None
    options: Any = field(default=None, repr=False)
    """The site's settings beyond the common ones: an instance of its provider's `Options`."""

    origin: str = field(init=False, repr=False, compare=False)
    """Of `url`: scheme and host."""

    def moved(self, url: str, proxy: str | None) -> Site:
        """This site at another *url* and behind another *proxy*. Its credentials stay at its own origin."""
        at_home = origin_of(url) == self.origin
        return replace(
            self,
            url=url,
            proxy=proxy,
            credentials=self.credentials if at_home else None,
            tls=self.tls if at_home else None,
        )

    def __post_init__(self) -> None:
        # Looked up several times for each request.
        object.__setattr__(self, "origin", origin_of(self.url))
