"""The end of a login by hand is told before it comes, unless the site extends the login."""

from __future__ import annotations

from dataclasses import replace

import pytest

from doorkey.model.cookies import Cookie
from doorkey.model.session import Key, Session
from doorkey.sessions.login_end import find_end, warn_of_end

DAY = 86400.0
NOW = 1_795_896_000.0
NEEDED = ("sid", "remember")


def session(**ends: float | None) -> Session:
    """A session made NOW, with these cookies and the days until each expires."""
    cookies = tuple(
        Cookie(name=name, value="v", domain="wiki.example", expires=None if days is None else NOW + days * DAY)
        for name, days in ends.items()
    )
    key = Key("wiki", "https://wiki.example/")
    return Session(key=key, gen=1, url=key.url, born=NOW, soft=DAY, hard=DAY, cookies=cookies)


def test_the_first_of_the_needed_cookies_that_expires_is_the_end() -> None:
    end = find_end(session(sid=30, remember=7, theme=1), NEEDED)
    assert str(end) == "2026-12-05 20:00 UTC, when its cookie remember expires"


@pytest.mark.parametrize("ends", [{}, {"sid": None}, {"theme": 3.0}])
def test_cookies_may_tell_no_end(ends: dict[str, float | None]) -> None:
    assert find_end(session(**ends), NEEDED) is None


@pytest.mark.parametrize(
    ("before", "now", "warned"),
    [(1.0, 1.0, True), (1.9, 1.9, True), (2.1, 2.1, False), (0.5, 1.0, False), (None, 1.0, False), (1.0, None, False)],
    ids=["the same", "two days", "later", "extended", "new", "gone"],
)
def test_a_login_that_the_site_does_not_extend_is_warned_of(
    before: float | None, now: float | None, warned: bool
) -> None:
    warning = warn_of_end(session(sid=now), session(sid=before), NEEDED)
    assert bool(warning) == warned
    assert not warned or "doorkey login wiki" in warning


def test_a_login_that_was_just_made_is_not_warned_of() -> None:
    assert warn_of_end(session(sid=1.0), None, NEEDED) == ""
    assert warn_of_end(replace(session(sid=1.0), gen=2), session(), NEEDED) == ""
