"""Tells values that a site makes up (tokens) from values that people and programs type."""

from __future__ import annotations

import hashlib
import json
import re
from base64 import b64encode
from collections.abc import Iterable
from urllib.parse import quote, unquote, urlsplit

TOKEN_NAME = re.compile(r"csrf|xsrf|token|nonce|sesskey|authenticity|sectok|formkey|verification|crumb", re.IGNORECASE)
PASSWORD_NAME = re.compile(
    r"passw|passphrase|passcode|kennwort|pwd|user_?pass|(?:^|[^a-z])(?:pass|pw|pin)(?:[^a-z]|$)", re.IGNORECASE
)
"""Names of fields for passwords."""
SECRET_NAME = re.compile(
    rf"{PASSWORD_NAME.pattern}|secret|credential|one_?time|(?:^|[^a-z])t?otp(?:[^a-z]|$)", re.IGNORECASE
)
"""Names of fields whose values must not be repeated anywhere."""
JWT = re.compile(r"ey[\w-]{8,}\.[\w-]{8,}\.[\w-]*")
DATE = re.compile(r"\d{4}-\d\d-\d\d|\d{1,2}:\d\d|\d{1,2}/\d{1,2}/\d{2,4}")
SEALED = re.compile(r"/(?=.*\d)(?=.*[A-Z])(?=.*[a-z])[\w+/=-]{31,}")
"""Bytes in base64 that begin like a path, such as the state of a form."""
OF_NOTHING = frozenset(hashlib.new(name, usedforsecurity=False).hexdigest() for name in ("md5", "sha1", "sha256"))
"""Hashes of an empty text, as forms carry them: the same for everybody."""
SHORTEST, LONGEST = 6, 8192
SHORTEST_SECRET = 4
"""Characters of a secret that is looked for in a text: a shorter one may stand there by chance."""


def is_random(value: str, name: str = "") -> bool:
    """Whether *value* looks made up by a machine. *name* is that of its field; one like `csrf_token` helps."""
    if not _may_be_token(value):
        return False
    if JWT.fullmatch(value) or TOKEN_NAME.search(name):
        return True
    letters, digits = sum(char.isalpha() for char in value), sum(char.isdigit() for char in value)
    mixed = any(char.isupper() for char in value) and any(char.islower() for char in value)
    if value.isdigit():
        return len(value) >= 16
    return (len(value) >= 10 and digits >= 2 and letters >= 2) or (len(value) >= 20 and mixed)


def may_differ(value: str, other: str) -> bool:
    """Whether two values at one place in two sessions are those of a token, and not two times or two counts."""
    if value == other or not (_may_be_token(value) and _may_be_token(other)):
        return False
    return not (value.isdigit() and len(value) <= 13)


def _may_be_token(value: str) -> bool:
    if not SHORTEST <= len(value) <= LONGEST or not value.isascii() or any(char.isspace() for char in value):
        return False
    if value.lower() in OF_NOTHING:
        return False
    if value.startswith("/") and not SEALED.fullmatch(value):
        return False
    return not (urlsplit(value).scheme in ("http", "https") or DATE.match(value))


def same(value: str, other: str) -> bool:
    """Whether the values are the same, also where one is percent-encoded."""
    return value == other or unquote(value) == unquote(other)


def holds_secret(text: str, secrets: Iterable[str]) -> bool:
    """Whether *text* holds one of the *secrets*, also percent-encoded, escaped as JSON, or in base64."""
    for secret in secrets:
        if len(secret) < SHORTEST_SECRET:
            continue
        forms = {secret, quote(secret, safe=""), json.dumps(secret)[1:-1]}
        coded = b64encode(secret.encode()).decode()
        if any(form in text for form in (*forms, coded.rstrip("=")[:-1])):
            return True
    return False


def make_name(text: str) -> str:
    """Return a token's name in the settings, from the name of its field: `csrf` for what is called so."""
    if re.search(r"csrf|xsrf|authenticity|requestverification", text, re.IGNORECASE):
        return "csrf"
    words = re.sub(r"(?<=[a-z])(?=[A-Z])|[^A-Za-z0-9]+", "_", text).strip("_").lower()
    return words[:30] if words and words[0].isalpha() else f"token_{words}"[:30].rstrip("_")
