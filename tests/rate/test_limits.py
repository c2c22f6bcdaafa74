"""Whose limits hold where: defaults, a site's own, loopback."""

from __future__ import annotations

import pytest

from doorkey.config.settings import Settings
from doorkey.model.session import Key
from doorkey.rate.limits import RateLimiters, RateLimits, rate_limits_of
from stepped_clock import SteppedClock

PUBLIC = "https://wiki.example/page"


def settings(**site: object) -> Settings:
    return Settings.model_validate({"manners": {"rate": 5}, "sites": {"wiki": {"url": PUBLIC, **site}}})


def test_a_site_has_the_defaults_unless_it_has_its_own() -> None:
    assert rate_limits_of(settings(), Key("wiki", PUBLIC)) == RateLimits(rate=5.0)
    overrides = settings(manners={"at_once": 7})
    assert rate_limits_of(overrides, Key("wiki", PUBLIC)) == RateLimits(rate=5.0, at_once=7)
    assert rate_limits_of(Settings(sites={"wiki": {}}), Key("wiki", PUBLIC)) == RateLimits()  # type: ignore[dict-item]  # as a file has it


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8090/", "http://localhost/", "http://[::1]:1/", "http://a.localhost/"]
)
def test_loopback_is_exempt_unless_the_site_names_a_limit(url: str) -> None:
    assert rate_limits_of(settings(), Key("wiki", url)) is None
    assert rate_limits_of(settings(manners={"at_once": 7}), Key("wiki", url)) == RateLimits(rate=5.0, at_once=7)


@pytest.mark.parametrize("url", ["http://10.0.0.1/", "https://localhost.example/", "http://127.0.0.1.example/"])
def test_what_only_looks_like_loopback_is_not_exempt(url: str) -> None:
    assert rate_limits_of(settings(), Key("wiki", url)) is not None


def test_all_keys_of_a_site_at_one_origin_share_its_pace(clock: SteppedClock) -> None:
    limiters = RateLimiters(lambda key: RateLimits(), clock)
    pace = limiters.of(Key("wiki", PUBLIC))
    others = [
        Key("wiki", PUBLIC, egress="proxy"),
        Key("wiki", "https://wiki.example/other"),
        Key("wiki", PUBLIC, caller="me"),
    ]
    assert all(limiters.of(key) is pace for key in others)
    assert limiters.of(Key("wiki", "https://other.example/")) is not pace
    assert limiters.of(Key("wiki2", PUBLIC)) is not pace


def test_paces_nobody_uses_are_forgotten_when_they_are_many(clock: SteppedClock) -> None:
    limiters = RateLimiters(lambda key: RateLimits(), clock)
    first = limiters.of(Key("wiki", "https://wiki0.example/"))
    for number in range(1, 1002):
        limiters.of(Key("wiki", f"https://wiki{number}.example/"))
    assert limiters.of(Key("wiki", "https://wiki0.example/")) is not first
