"""How long tokens are valid, as far as they say so themselves."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable
from datetime import datetime

from doorkey import Tokens
from doorkey_providers.web.values import JSON, parse_json

EXPIRES_IN = "expires_in"
"""The token that says for how many seconds the others are valid. OAuth puts it beside them (RFC 6749, section 5.1)."""
MOMENT = 1e9
"""A larger number is no span of seconds but a time since 1970, in seconds or milliseconds."""


def read_life(tokens: Tokens, sent: Iterable[str], born: float) -> float | None:
    """Seconds for which the tokens that are *sent* are valid, from *born* (wall time) on; None if they do not say."""
    lives = [_read_span(tokens.get(EXPIRES_IN), born), *(_read_jwt(tokens.get(name), born) for name in sent)]
    return min((life for life in lives if life is not None and life > 0), default=None)


def _read_span(value: JSON, born: float) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            return datetime.fromisoformat(str(value)).timestamp() - born
        except ValueError:
            return None
    if seconds < MOMENT:
        return seconds
    return (seconds / 1000 if seconds > 1000 * MOMENT else seconds) - born


def _read_jwt(value: JSON, born: float) -> float | None:
    """The life of a JWT by its `exp` (RFC 7519). A clock that is wrong makes it no shorter than the site meant."""
    parts = value.split(".") if isinstance(value, str) else []
    if len(parts) != 3:
        return None
    try:
        text = base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)).decode()
    except (binascii.Error, ValueError):
        return None
    claims = parse_json(text)
    ends, began = (claims.get("exp"), claims.get("iat")) if isinstance(claims, dict) else (None, None)
    if isinstance(ends, bool) or not isinstance(ends, int | float):
        return None
    left = ends - born
    if left > 0:
        return left
    return ends - began if isinstance(began, int | float) and ends > began and began > born - 86400 else None
