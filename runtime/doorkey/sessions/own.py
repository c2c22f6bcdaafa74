"""What a caller brings along, and whose session that makes it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from doorkey.provider import Site
from doorkey.session import Key


@dataclass(frozen=True, slots=True, kw_only=True)
class Own:
    """What a caller brings along in place of the site's configuration."""

    url: str | None = None
    proxy: str | None = field(default=None, repr=False)
    cookies: Mapping[str, str] | None = field(default=None, repr=False)
    user_agent: str | None = None


NOTHING = Own()


def key_of(site: Site, own: Own = NOTHING) -> Key:
    """The key of *site*'s sessions for a caller with *own* circumstances. Secrets enter as digests only."""
    brought = "" if own.cookies is None else _digest(json.dumps([sorted(own.cookies.items()), own.user_agent]))
    egress = "direct" if site.proxy is None else _digest(site.proxy)
    return Key(site.name, site.url, site.profile, egress, brought or (own.user_agent and _digest(own.user_agent)) or "")


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
