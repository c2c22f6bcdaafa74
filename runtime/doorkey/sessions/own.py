"""What a caller brings along, whose session that makes it, by which way out."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from doorkey.origin import as_written
from doorkey.provider import Provider, Site
from doorkey.session import Cookie, Key

if TYPE_CHECKING:
    from doorkey.browser import Egress


@dataclass(frozen=True, slots=True, kw_only=True)
class Own:
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
        host = urlsplit(url).hostname or ""
        return tuple(Cookie(name, value, host) for name, value in (self.cookies or {}).items())


NOTHING = Own()


def key_of(site: Site, own: Own = NOTHING) -> Key:
    """The key of *site*'s sessions for a caller with *own* circumstances. Secrets enter as digests only."""
    brought = "" if own.cookies is None else _digest(json.dumps([sorted(own.cookies.items()), own.user_agent]))
    egress = "direct" if site.proxy is None else _digest(site.proxy)
    return Key(site.name, site.url, site.profile, egress, brought or (own.user_agent and _digest(own.user_agent)) or "")


def egress_for(provider: Provider) -> Egress:
    """The way out of the provider's site: its proxy, and the hosts that its settings or login steps name."""
    from doorkey.browser import egress_of

    opened = (step.target for step in provider.steps if step.action == "open" and "://" in step.target)
    return egress_of(provider.site.proxy, (*provider.site.reach, *(urlsplit(url).netloc for url in opened)))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
