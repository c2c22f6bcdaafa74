"""Makes a recording of what a person showed in a window: which pages a stranger saw, and which a session."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from doorkey.learning.login import find_login
from doorkey.learning.origins import list_cookies
from doorkey.learning.ready import LEAVES
from doorkey.learning.recording import Event, Exchange, Recording, Snapshot
from doorkey.model.page import Page
from doorkey.recognition.login_form import find_login_form

FIELD = re.compile(r"""type\s*=\s*["']?password|username""", re.IGNORECASE)
"""What stands in every page with a login form."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shot:
    """A page at one moment: `at` counts the requests before it, `stage` is what the person was doing."""

    url: str
    html: str = field(repr=False)
    local: Mapping[str, str] = field(default_factory=dict, repr=False)
    session: Mapping[str, str] = field(default_factory=dict, repr=False)
    at: int = 0
    stage: str = "use"


def assemble(url: str, exchanges: Sequence[Exchange], shots: Sequence[Shot], events: Sequence[Event]) -> Recording:
    """Return the recording of a use of the site at *url*."""
    snapshots = tuple(_list_snapshots(url, exchanges, shots, _list_typed(events)))
    return Recording(url=url, exchanges=tuple(exchanges), snapshots=snapshots, events=tuple(events))


def _list_typed(events: Sequence[Event]) -> frozenset[str]:
    return frozenset(event.value for event in events if event.secret and event.value)


def _list_snapshots(
    url: str, exchanges: Sequence[Exchange], shots: Sequence[Shot], typed: frozenset[str]
) -> Iterator[Snapshot]:
    found = find_login(exchanges, typed)
    origin = urlsplit(url)[:2]
    out = [at for at, one in enumerate(exchanges) if one.origin == origin and LEAVES.search(one.path)]
    for shot in shots:
        if urlsplit(shot.url)[:2] != origin:
            continue
        page = Page(
            url=shot.url,
            html=shot.html,
            cookies=dict(reversed(list(list_cookies(exchanges[: shot.at])))),
            local=shot.local,
            session=shot.session,
        )
        outside = shot.at <= found.at if found is not None else shot.stage == "login"
        left = found is not None and any(found.at < at < shot.at for at in out)
        asks = FIELD.search(shot.html) is not None and find_login_form(page) is not None
        yield Snapshot(page, "stranger" if outside or left or asks else "first", shot.url, shot.at)
