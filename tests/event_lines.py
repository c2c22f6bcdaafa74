"""Events as tests read them: the lines for people, in a list."""

from __future__ import annotations

from collections.abc import Callable

from doorkey.clock import SystemClock
from doorkey.model.events import Event, Events, SiteEvents, VisitEvent


def into(lines: list[str]) -> Callable[[Event], None]:
    """A hook that appends the line of each step to *lines*."""

    def hook(event: Event) -> None:
        if isinstance(event, VisitEvent):
            lines.append(event.detail)

    return hook


def site_events(lines: list[str] | None = None, site: str = "shop") -> SiteEvents:
    """The events of a site, whose lines go into *lines*."""
    return Events(SystemClock(), [] if lines is None else [into(lines)]).of(site)
