"""WordPress nonces, by the real formula and a clock that is passed in.

`wp_create_nonce` and `wp_verify_nonce` of WordPress' `pluggable.php`: a nonce lives in its own tick and in the next.
"""

from __future__ import annotations

import hashlib
import hmac
import math

DAY = 86_400.0


def tick(wall: float, life: float = DAY) -> int:
    return math.ceil(wall / (life / 2))


def nonce_at(key: str, action: str, at: int, uid: int = 0, token: str = "") -> str:
    """Return the nonce of one tick. *key* is `NONCE_KEY` followed by `NONCE_SALT`."""
    text = f"{at}|{action}|{uid}|{token}"
    return hmac.new(key.encode(), text.encode(), hashlib.md5).hexdigest()[-12:-2]


class Nonces:
    """The nonces of one WordPress. `life` is its filter `nonce_life`, in seconds; a change invalidates all nonces."""

    def __init__(self, key: str, life: float = DAY) -> None:
        self._key = key
        self._turn = 0
        self.life = life

    def rotate(self) -> None:
        """Invalidate every earlier nonce, as when a site's owner changes its salts."""
        self._turn += 1

    def make(self, action: str, wall: float, uid: int = 0, token: str = "") -> str:
        return nonce_at(self._salted, action, tick(wall, self.life), uid, token)

    def valid(self, nonce: str, action: str, wall: float, uid: int = 0, token: str = "") -> bool:
        now = tick(wall, self.life)
        return nonce != "" and nonce in (nonce_at(self._salted, action, at, uid, token) for at in (now, now - 1))

    @property
    def _salted(self) -> str:
        return f"{self._key}{self._turn or ''}"
