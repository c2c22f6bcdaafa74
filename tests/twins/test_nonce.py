"""WordPress nonces: values computed outside of our code, and their life by the tick."""

from __future__ import annotations

import pytest

from doorkey_providers.twins.nonce import Nonces, nonce_at, tick

ACTION = "wpaicg-chatbox"


# openssl dgst -md5 -hmac 'key+salt' over "TICK|wpaicg-chatbox|0|", then substr(-12, 10)
@pytest.mark.parametrize(
    ("at", "nonce"), [(39350, "82028697e3"), (39351, "fd2c3305c9"), (39352, "53ec794745"), (39353, "fa8e22f9f0")]
)
def test_a_nonce_is_wordpress_own_formula(at: int, nonce: str) -> None:
    assert nonce_at("key+salt", ACTION, at) == nonce


def test_a_tick_is_half_a_life_rounded_up() -> None:
    assert [tick(wall) for wall in (43_200.0, 43_200.5, 86_400.0, 86_401.0)] == [1, 2, 2, 3]
    assert tick(1_700_000_000.0) == 39352


@pytest.mark.parametrize(("made_at", "last"), [(43_201.0, 129_600.0), (86_400.0, 129_600.0)])
def test_a_nonce_lives_in_its_own_tick_and_the_next(made_at: float, last: float) -> None:
    nonces = Nonces("key")
    nonce = nonces.make(ACTION, made_at)
    assert nonces.valid(nonce, ACTION, last)
    assert not nonces.valid(nonce, ACTION, last + 1)


def test_a_changed_life_or_a_rotation_kills_earlier_nonces_at_once() -> None:
    nonces = Nonces("key")
    nonce = nonces.make(ACTION, 1e9)
    nonces.life = 8.0
    assert not nonces.valid(nonce, ACTION, 1e9)
    nonces.life = 86_400.0
    assert nonces.valid(nonce, ACTION, 1e9)
    nonces.rotate()
    assert not nonces.valid(nonce, ACTION, 1e9)


def test_a_nonce_is_good_for_its_action_visitor_and_token_only() -> None:
    nonces = Nonces("key")
    nonce = nonces.make(ACTION, 1e9)
    assert not nonces.valid(nonce, "another", 1e9)
    assert not nonces.valid(nonce, ACTION, 1e9, uid=1)
    assert not nonces.valid(nonce, ACTION, 1e9, token="login")
    assert not nonces.valid("", ACTION, 1e9)
