"""Passes: signed cookies that only a page's script can make, as it joins two halves in the browser.

The page holds a seed and a key; a fetch from the page returns a ticket signed for that seed; the script mixes key and
ticket and writes both into the cookie. A client that only parses the page has no ticket; one that only fetches has no
key. No state is kept: any number of passes are valid at once, until their life ends or the epoch changes.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets

FNV_PRIME = 0x01000193
OFFSETS = (0x811C9DC5, 0x9747B28C)


def mix(text: str) -> str:
    """FNV-1a twice, as `mix` in page.js.

    Plain arithmetic: a page that is not a secure context has no SubtleCrypto.
    """
    words = []
    for word in OFFSETS:
        for byte in text.encode("ascii"):
            word = ((word ^ byte) * FNV_PRIME) & 0xFFFFFFFF
        words.append(f"{word:08x}")
    return "".join(words)


class Passes:
    """Issues and verifies passes. `wall` is the time of the twin's clock, in seconds."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        self._epoch = 0

    def expire(self) -> None:
        """Invalidate every pass and signature issued so far."""
        self._epoch += 1

    def seed(self) -> str:
        return secrets.token_hex(8)

    def key(self, seed: str) -> str:
        """Return the page's half."""
        return self._mac("page", seed)[:16]

    def ticket(self, seed: str, wall: float, agent: str = "") -> str:
        """Return the fetched half."""
        issued = f"{wall:.3f}".replace(".", "_")
        return f"{seed}.{issued}.{self.sign('ticket', seed, issued, agent)}"

    def sign(self, *parts: str) -> str:
        return self._mac(str(self._epoch), *parts)[:32]

    def signed(self, signature: str, *parts: str) -> bool:
        return hmac.compare_digest(signature.encode(), self.sign(*parts).encode())

    def valid(self, value: str, wall: float, life: float, agent: str = "") -> bool:
        """Whether *value* is a pass of this epoch, not older than *life*, made from both halves."""
        ticket, _, mixed = value.rpartition(".")
        match ticket.split("."):
            case [seed, issued, signature] if value.isascii():
                pass
            case _:
                return False
        if not self.signed(signature, "ticket", seed, issued, agent):
            return False
        return mixed == mix(f"{self.key(seed)}:{ticket}") and wall - float(issued.replace("_", ".")) < life

    def _mac(self, *parts: str) -> str:
        return hmac.new(self._secret, "|".join(parts).encode(), hashlib.sha256).hexdigest()
