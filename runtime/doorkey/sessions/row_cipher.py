"""Encrypts what leaves this process for a shared store."""

from __future__ import annotations

import base64
import binascii

from doorkey.errors import ConfigurationError

try:
    from cryptography.fernet import Fernet, InvalidToken, MultiFernet
except ImportError as error:
    raise ConfigurationError(
        'store.url names a Redis server, which needs the extra "redis": pip install "doorkey[redis]"'
    ) from error

PROOF = b"doorkey's store"
"""What `prove` encrypts: a store holds it once, so that a wrong key is found before anything is written."""
HOW = "expected 32 bytes in base64, as `openssl rand -base64 32` prints them"


class RowCipher:
    """Encrypts by Fernet (AES-128-CBC with HMAC-SHA256).

    There may be several keys, apart by blanks: the first one encrypts, and each decrypts.
    """

    def __init__(self, keys: str) -> None:
        each = [_read_key(key) for key in keys.split()] or [_read_key("")]
        self._first, self._fernet = MultiFernet(each[:1]), MultiFernet(each)

    def seal(self, text: str) -> bytes:
        return self._fernet.encrypt(text.encode())

    def open(self, sealed: bytes) -> str | None:
        """The text; None when it was encrypted with another key, or changed."""
        return _decrypt(self._fernet, sealed)

    def prove(self) -> bytes:
        """A proof of the key, to lie in the store."""
        return self._fernet.encrypt(PROOF)

    def accepts(self, proof: bytes) -> bool:
        """Whether the key, or one of them, made *proof*."""
        return self.open(proof) == PROOF.decode()

    def is_current(self, proof: bytes) -> bool:
        """Whether the first key made *proof*."""
        return _decrypt(self._first, proof) == PROOF.decode()


def _decrypt(fernet: MultiFernet, sealed: bytes) -> str | None:
    try:
        return fernet.decrypt(sealed).decode()
    except (InvalidToken, UnicodeDecodeError):
        return None


def _read_key(text: str) -> Fernet:
    try:
        key = base64.b64decode(text.strip().replace("-", "+").replace("_", "/"), validate=True)
    except (binascii.Error, ValueError):
        raise ConfigurationError(f"store.key is no key: {HOW}") from None  # the exception may quote it
    if len(key) != 32:
        raise ConfigurationError(f"store.key is no key: {HOW}; came {len(key)} bytes")
    return Fernet(base64.urlsafe_b64encode(key))
