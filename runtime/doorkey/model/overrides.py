"""What a caller brings along, whose session that makes it, by which way out."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from doorkey.model.cookies import Cookie, host_of
from doorkey.model.session import Key
from doorkey.model.site import Site
from doorkey.model.urls import as_written


@dataclass(frozen=True, slots=True, kw_only=True)
class CallerOverrides:
    """What a caller brings along in place of the site's configuration."""

    url: str | None = None
    proxy: str | None = field(default=None, repr=False)
    cookies: Mapping[str, str] | None = field(default=None, repr=False)
    user_agent: str | None = None

    def __post_init__(self) -> None:
        with suppress(ValueError):  # what is no URL is told by whoever is to open it
            object.__setattr__(self, "url", self.url and as_written(self.url))

    def jar(self, url: str) -> tuple[Cookie, ...]:
        """The cookies brought along, as those of the host of *url*."""
        host = host_of(url)
        return tuple(Cookie(name, value, host) for name, value in (self.cookies or {}).items())


NO_OVERRIDES = CallerOverrides()


def key_of(site: Site, overrides: CallerOverrides = NO_OVERRIDES) -> Key:
    """The key of *site*'s sessions for a caller with *overrides*. Secrets enter as digests only."""
    brought = (
        ""
        if overrides.cookies is None
        else _digest(json.dumps([sorted(overrides.cookies.items()), overrides.user_agent]))
    )
    egress = "direct" if site.proxy is None else _digest(site.proxy)
    return Key(
        site.name,
        site.url,
        site.profile,
        egress,
        brought or (overrides.user_agent and _digest(overrides.user_agent)) or "",
    )


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
