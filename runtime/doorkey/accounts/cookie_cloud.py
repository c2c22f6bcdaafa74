"""The form in which CookieCloud, an extension that sends a browser's cookies to a server, encrypts them."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from typing import Any

from doorkey.errors import ConfigurationError, RequestError

SALTED = b"Salted__"
"""How data begins that was encrypted with a password in OpenSSL's way, which is CryptoJS's, too."""
BLOCK = 16
FAILED = (
    "CookieCloud's data can't be decrypted: is `uuid` the one of the extension, and `password` its end-to-end password?"
)


def decrypt(data: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what is in *data*, an object with `encrypted`, `uuid` and `password`.

    Knows the extension's older encryption (AES-256, a key from the password and a salt) and its newer one
    (`aes-128-cbc-fixed`). Raises RequestError without repeating anything, ConfigurationError without the library.
    """
    given = [data.get(name) for name in ("encrypted", "uuid", "password")]
    if not all(isinstance(one, str) and one for one in given):
        raise RequestError(
            "CookieCloud's data is encrypted: add `uuid` and `password`, as the extension shows them, to its object",
            param="from",
        )
    encrypted, uuid, password = map(str, given)
    try:
        from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
        from cryptography.hazmat.primitives.padding import PKCS7
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            "CookieCloud's data needs the package cryptography: install doorkey with it, as doorkey[cookiecloud]"
        ) from error
    try:
        key, start, sealed = _split(base64.b64decode(encrypted, validate=True), _make_password(uuid, password))
        opened = Cipher(algorithms.AES(key), modes.CBC(start)).decryptor()
        padding = PKCS7(BLOCK * 8).unpadder()
        text = padding.update(opened.update(sealed) + opened.finalize()) + padding.finalize()
        found = json.loads(text)
    except ValueError:
        # Not chained: it may hold pieces of the data.
        raise RequestError(FAILED, param="from") from None
    if not isinstance(found, dict):
        raise RequestError(FAILED, param="from")
    return found


def _make_password(uuid: str, password: str) -> bytes:
    return hashlib.md5(f"{uuid}-{password}".encode(), usedforsecurity=False).hexdigest()[:16].encode()


def _split(data: bytes, password: bytes) -> tuple[bytes, bytes, bytes]:
    """Return the key, the start vector, and what is encrypted with them."""
    if not data.startswith(SALTED):
        return password, bytes(BLOCK), data
    salt, sealed = data[len(SALTED) : BLOCK], data[BLOCK:]
    # OpenSSL's EVP_BytesToKey with MD5: 32 bytes of key, then 16 of the vector.
    made, last = b"", b""
    while len(made) < 32 + BLOCK:
        last = hashlib.md5(last + password + salt, usedforsecurity=False).digest()
        made += last
    return made[:32], made[32 : 32 + BLOCK], sealed
