"""One cookie as another program exports it, in JSON or as a line of a cookies.txt."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from doorkey.model.cookies import Cookie, bracketed, host_of, is_address, related
from doorkey.model.public_suffix import is_public_suffix
from doorkey.model.set_cookie import LONGEST_LIFE, parse_date

UNREADABLE = (ValueError, TypeError, KeyError, AttributeError)
"""What reading something raises that is not what it should be."""
SAME_SITE = {"strict": "Strict", "lax": "Lax", "none": "None", "no_restriction": "None"}
"""The words of browsers, and those that extensions get from a browser's own interface."""
EXPIRY = ("expires", "expirationDate", "expiry")
"""Playwright and FlareSolverr; extensions; Selenium."""
MILLISECONDS, MICROSECONDS, SINCE_1601 = 1e12, 1e15, 1e16
"""From here on a time is in milliseconds, in microseconds, in microseconds since 1601 (Chromium's own files)."""
FROM_1601_TO_1970 = 11_644_473_600
BLANK = " \t"


def read_cookie(one: Mapping[str, Any], site_url: str, wall: float) -> Cookie:
    """A cookie of Playwright, Puppeteer, Selenium, FlareSolverr or an extension: they differ in a few names.

    One that names no host belongs to the site's. *wall* is now. Raises one of UNREADABLE.
    """
    domain = str(one.get("domain") or one.get("url") or host_of(site_url))
    partition = one.get("partitionKey") or {}
    if isinstance(partition, str):
        partition = {"topLevelSite": partition, "hasCrossSiteAncestor": one.get("_crHasCrossSiteAncestor")}
    name, value, path = read_text(one["name"]), read_text(one["value"]), read_text(one.get("path") or "/")
    if name is None or value is None or path is None:
        raise TypeError("no cookie")
    host, top = _host(domain), str(partition.get("topLevelSite") or "")
    across = partition.get("hasCrossSiteAncestor")
    named_alone = not domain.startswith(".") or _flag(one.get("hostOnly"))
    said = next((one[name] for name in EXPIRY if one.get(name) is not None), None)
    return Cookie(
        name=name.strip(BLANK),
        value=value.strip(BLANK),
        domain=host,
        path=path,
        host_only=_host_only(host, site_url, said=_flag(one["hostOnly"]) if "hostOnly" in one else named_alone),
        secure=_flag(one.get("secure")),
        http_only=_flag(one.get("httpOnly")),
        same_site=SAME_SITE.get(str(one.get("sameSite") or "").lower(), ""),
        expires=None if _flag(one.get("session")) else _expiry(said, wall),
        partition=top,
        embedded=bool(top) and (_flag(across) if across is not None else not related(host_of(top), host)),
    )


def read_netscape(fields: Sequence[str], site_url: str, wall: float, *, http_only: bool) -> Cookie:
    """Seven fields of a cookies.txt: domain, whether subdomains too, path, secure, expiry, name, value.

    The expiry of a session cookie is 0, or empty (Python's http.cookiejar). A cookie without a name has an empty one.
    A value that is missing is empty. Raises one of UNREADABLE.
    """
    domain, subdomains, path, secure, expires, name, value = (*fields, "") if len(fields) == 6 else fields
    host = _host(domain)
    return Cookie(
        name=name.strip(BLANK),
        value=value.strip(BLANK),
        domain=host,
        path=path or "/",
        host_only=_host_only(host, site_url, said=not _flag(subdomains)),
        secure=_flag(secure),
        http_only=http_only,
        expires=_expiry(expires, wall),
    )


def read_text(value: object) -> str | None:
    """*value*, if it is a text or a number that stands for one; else None."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value if isinstance(value, str) else None


def _host(domain: str) -> str:
    """The host that *domain* names: some write a URL, a port or an international name there."""
    if "://" in domain:
        return host_of(domain)
    named = bracketed(domain.strip().lower().removeprefix("."))
    return host_of(f"http://{named}/")


def _host_only(host: str, site_url: str, *, said: bool) -> bool:
    """Whether the cookie is for *host* alone. Browsers know no domain of an address, and none of a public suffix.

    Raises ValueError for a cookie that no browser has.
    """
    if said or is_address(host):
        return True
    if not is_public_suffix(host):
        return False
    if host != host_of(site_url):
        raise ValueError("a public suffix")
    return True


def _flag(said: object) -> bool:
    """Whether *said* is true. Programs write it as a truth value, as a number and as a word."""
    return said.strip().lower() in ("true", "1", "yes") if isinstance(said, str) else bool(said)


def _expiry(said: object, wall: float) -> float | None:
    """Seconds since the epoch, at most as far from *wall* as browsers keep a cookie.

    None for a session cookie, which has no time there, or none above 0.
    """
    text = "" if said is None or isinstance(said, bool) else str(said).strip()
    try:
        expires = _in_seconds(float(text))
    except ValueError:
        moment = _read_moment(text)
        return None if moment is None else min(max(moment, 1.0), wall + LONGEST_LIFE)
    return None if math.isnan(expires) or expires <= 0 else min(expires, wall + LONGEST_LIFE)


def _in_seconds(number: float) -> float:
    if number >= SINCE_1601:
        return number / 1e6 - FROM_1601_TO_1970
    if number >= MICROSECONDS:
        return number / 1e6
    return number / 1000 if number >= MILLISECONDS else number


def _read_moment(text: str) -> float | None:
    """The time of a date, as ISO 8601 or cookies have it; None for another text ("Session")."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return parse_date(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
