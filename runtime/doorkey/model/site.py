"""One configured site."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

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
    options: Any = field(default=None, repr=False)
    """The site's settings beyond the common ones: an instance of its provider's `Options`."""

    origin: str = field(init=False, repr=False, compare=False)
    """Of `url`: scheme and host."""

    def __post_init__(self) -> None:
        # Looked up several times for each request.
        object.__setattr__(self, "origin", origin_of(self.url))
