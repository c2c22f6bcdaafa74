"""Foresees the end of a login that only a person can repeat, as far as its cookies tell."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime

from doorkey.model.session import Session

NOTICE = 2 * 86400.0
"""Seconds before the end of a login from which each renewal warns of it."""


@dataclass(frozen=True, slots=True)
class LoginEnd:
    """`at` is the wall time at which the login ends at the latest, because the cookie `cookie` expires then."""

    cookie: str
    at: float

    def __str__(self) -> str:
        when = datetime.fromtimestamp(self.at, UTC).strftime("%Y-%m-%d %H:%M UTC")
        return f"{when}, when its cookie {self.cookie} expires"


def find_end(session: Session, needed: Collection[str]) -> LoginEnd | None:
    """Return the end of the login in *session*, whose cookies have the names *needed*; None if they tell none."""
    ends = [
        LoginEnd(cookie.name, cookie.expires)
        for cookie in session.cookies
        if cookie.name in needed and cookie.expires is not None
    ]
    return min(ends, key=lambda end: end.at, default=None)


def warn_of_end(session: Session, previous: Session | None, needed: Collection[str]) -> str:
    """Return a warning where the login in *session* ends within NOTICE, else an empty text.

    A login that the site has extended since *previous* is expected to be extended again.
    """
    end, before = find_end(session, needed), find_end(previous, needed) if previous is not None else None
    if end is None or before is None or end.at > before.at + 1 or end.at > session.born + NOTICE:
        return ""
    return f"the login ends on {end}. Log in again before: doorkey login {session.key.site}"
