"""Set-Cookie lines, read as Chromium reads them.

Ours, as no maintained parser does it: http.cookies and aiohttp lose quotes, take Priority for a cookie, and drop
cookies beside Partitioned; what else the package index has is unmaintained or a first release.
"""

from __future__ import annotations

import re
from calendar import monthrange, timegm

from doorkey.model.cookies import (
    LARGEST,
    Change,
    Cookie,
    Deletion,
    clean,
    host_of,
    is_address,
    keeps_promise,
    path_of,
    size,
    trustworthy,
)
from doorkey.model.public_suffix import is_public_suffix

LONGEST_ATTRIBUTE = 1024
"""Bytes of an attribute's value; one that is longer is ignored."""
LONGEST_LIFE = 400 * 86400.0
"""Seconds that a browser keeps a cookie at most (RFC 6265bis, section 5.5)."""
BLANK = " \t"
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
SEPARATORS = re.compile(r"[\t !\"#$%&'()*+,\-./;<=>?@\[\\\]^_`{|}~]+")
TIME = re.compile(r"([0-9]+):([0-9]+):([0-9]+)")
SECONDS = re.compile(r"[+-]?[0-9]+")
SAME_SITE = {"strict": "Strict", "lax": "Lax", "none": "None"}


def parse_set_cookie(line: str, url: str, wall: float, *, date: float | None = None) -> Change | None:
    """What the Set-Cookie *line* of the answer at *url* does; None where a browser refuses it.

    *wall* is now, and *date* what the answer said of its time: Expires is meant by the site's clock, as in Chromium.
    """
    first, *rest = line.strip(BLANK).split(";")
    name, equals, value = first.partition("=")
    name, value = (name.strip(BLANK), value.strip(BLANK)) if equals else ("", name.strip(BLANK))
    if not (name or value) or (not name and "=" in value) or size(name) + size(value) > LARGEST:
        return None
    attributes: dict[str, str] = {}
    for part in rest:
        key, _, said = (piece.strip(BLANK) for piece in part.partition("="))
        if not clean(key + said):
            return None
        if size(said) <= LONGEST_ATTRIBUTE:
            attributes[key.lower()] = said
    if not clean(name + value):
        return None
    domain, host_only = _domain(attributes.get("domain", ""), host_of(url))
    secure, http_only = "secure" in attributes, "httponly" in attributes
    same_site = SAME_SITE.get(attributes.get("samesite", "").lower(), "")
    partitioned = "partitioned" in attributes
    if not domain or (secure and not trustworthy(url)) or (not secure and (same_site == "None" or partitioned)):
        return None
    whole_host = attributes.get("path") == "/" and (not attributes.get("domain") or is_address(domain))
    if not keeps_promise(name, value, secure=secure, http_only=http_only, whole_host=whole_host):
        return None
    expires = _expiry(attributes, wall, date)
    cookie = Cookie(
        name=name,
        value=value,
        domain=domain,
        path=_path(attributes.get("path", ""), url),
        host_only=host_only,
        secure=secure,
        http_only=http_only,
        same_site=same_site,
        expires=None if expires is None else min(expires, wall + LONGEST_LIFE),
        partition=f"{url.partition('://')[0].lower()}://{host_of(url)}" if partitioned else "",
    )
    return Deletion(cookie.identity) if cookie.expired(wall) else cookie


def _domain(said: str, host: str) -> tuple[str, bool]:
    """The domain that the attribute names, and whether the cookie is for this host only; empty where it is refused."""
    if not said:
        return host, True
    try:
        named = host_of(f"http://{said.removeprefix('.')}/") if not said.isascii() else said.lower().removeprefix(".")
    except ValueError:
        return "", True
    if is_address(host) or is_public_suffix(host):
        return (host, True) if named == host else ("", True)
    within = host == named or host.endswith("." + named)
    return (named, False) if within and not named.startswith(".") and not is_public_suffix(named) else ("", True)


def _path(said: str, url: str) -> str:
    return said if said.startswith("/") else path_of(url).rpartition("/")[0] or "/"


def _expiry(attributes: dict[str, str], wall: float, date: float | None) -> float | None:
    age = attributes.get("max-age", "")
    if SECONDS.fullmatch(age):
        # Longer than a float's digits: as long, or as short, as can be.
        seconds = int(age) if len(age.lstrip("+-0")) < 20 else (-1 if age.startswith("-") else int(LONGEST_LIFE))
        return wall + seconds if seconds > 0 else 0.0
    expires = parse_date(attributes.get("expires", ""))
    return None if expires is None else expires + (0.0 if date is None else wall - date)


def parse_date(text: str) -> float | None:
    """A date as cookies have it, in whatever order and form (RFC 6265bis, section 5.1.1); None for what is none.

    As in Chromium, a day that the month does not have is none, and a name begins with a month's first three letters.
    """
    day = month = year = None
    time: tuple[int, ...] | None = None
    for token in filter(None, SEPARATORS.split(text)):
        if not ("0" <= token[0] <= "9"):
            if month is None and token[:3].lower() in MONTHS:
                month = MONTHS.index(token[:3].lower()) + 1
        elif ":" in token:
            found = TIME.fullmatch(token)
            time = time or (tuple(map(_number, found.groups())) if found else None)
        elif token.isascii() and token.isdigit():
            if day is None and len(token) <= 2:
                day = int(token)
            elif year is None and len(token) <= 5:
                year = int(token)
    if day is None or month is None or year is None or time is None:
        return None
    year += 1900 if 70 <= year <= 99 else 2000 if year <= 69 else 0
    hour, minute, second = time
    if not (hour < 24 and minute < 60 and second < 60 and 1 <= day <= monthrange(2000 + year % 400, month)[1]):
        return None
    if year < 1601 or year > 9999:
        return 0.0 if year < 1601 else float("inf")
    return float(timegm((year, month, day, hour, minute, second)))


def _number(digits: str) -> int:
    return int(digits[-9:]) if len(digits.lstrip("0")) <= 9 else 99
