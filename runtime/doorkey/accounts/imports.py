"""A login brought along from another browser: Playwright's storage state, Netscape's cookies.txt, or a HAR."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import parsedate_to_datetime
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import urlsplit

from doorkey.errors import RequestError
from doorkey.model.cookies import Cookie
from doorkey.model.urls import origin_of

HEADERS = ("user-agent", "accept-language")
EXPECTED = "expected Playwright's storage state (JSON), a cookies.txt (Netscape) or a HAR"
HTTP_ONLY = "#HttpOnly_"


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What a file holds for one site. `expired` are the names of cookies that had ended, `foreign` other hosts."""

    kind: str
    cookies: tuple[Cookie, ...] = field(repr=False)
    local: Mapping[str, str] = field(default_factory=dict, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict)
    expired: tuple[str, ...] = ()
    foreign: tuple[str, ...] = ()


def read_login(text: str, site_url: str, wall: float) -> Imported:
    """What *text* holds for the site at *site_url*; *wall* is now, in seconds since the epoch.

    Cookies of other hosts are left out. Raises RequestError when it is none of the three, or holds no cookie that the
    site could know one by.
    """
    kind, cookies, local, headers = _read(text.lstrip("\ufeff"), site_url)
    host = (urlsplit(site_url).hostname or "").lower()
    ours = [cookie for cookie in cookies if _reaches(cookie, host)]
    expired = [cookie.name for cookie in ours if cookie.expires is not None and cookie.expires <= wall]
    alive = [cookie for cookie in ours if cookie.expires is None or cookie.expires > wall]
    foreign = sorted({cookie.domain for cookie in cookies if not _reaches(cookie, host)})
    if not alive and not local:
        if expired:
            found = f"only cookies that have expired: {', '.join(expired)}"
        else:
            found = f"cookies of other hosts only: {_some(foreign)}" if foreign else "no cookie at all"
            if kind == "HAR" and not foreign:
                found += ' (browsers leave them out of a HAR, unless it is saved "with sensitive data")'
        raise RequestError(f"the {kind} holds nothing for {host}: {found}", param="from")
    return Imported(
        kind=kind, cookies=tuple(alive), local=local, headers=headers, expired=tuple(expired), foreign=tuple(foreign)
    )


def _some(names: list[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def _reaches(cookie: Cookie, host: str) -> bool:
    return host == cookie.domain or (not cookie.host_only and host.endswith("." + cookie.domain))


def _read(text: str, site_url: str) -> tuple[str, list[Cookie], dict[str, str], dict[str, str]]:
    if not text.lstrip().startswith(("{", "[")):
        return "cookies.txt", _netscape(text), {}, {}
    try:
        data = json.loads(text)
        if isinstance(data, dict) and isinstance(data.get("log"), dict):
            cookies, headers = _har(data["log"]["entries"], site_url)
            return "HAR", cookies, {}, headers
        if isinstance(data, dict) and "cookies" in data:
            return "storage state", [_stored(one) for one in data["cookies"]], _local(data, site_url), {}
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        # Not chained: these hold pieces of the file.
        raise RequestError(f"{EXPECTED}: it begins like one and can't be read", param="from") from None
    raise RequestError(f"{EXPECTED}: this is another kind of JSON", param="from")


def _cookie(
    name: str, value: str, domain: str, *, path: str = "/", host_only: bool, expires: float | None = None, **more: Any
) -> Cookie:
    if not name or not isinstance(value, str) or any(ord(c) < 32 or c in ";\x7f" for c in name + value):
        raise ValueError("no cookie")
    return Cookie(name, value, domain.lstrip(".").lower(), path or "/", host_only, expires=expires, **more)


def _stored(one: Mapping[str, Any]) -> Cookie:
    expires = float(one.get("expires", -1))
    return _cookie(
        one["name"],
        one["value"],
        one["domain"],
        path=one.get("path", "/"),
        host_only=not one["domain"].startswith("."),
        secure=bool(one.get("secure")),
        http_only=bool(one.get("httpOnly")),
        same_site=str(one.get("sameSite", "")),
        expires=None if expires < 0 else expires,
    )


def _local(data: Mapping[str, Any], site_url: str) -> dict[str, str]:
    return {
        str(item["name"]): str(item["value"])
        for origin in data.get("origins", ())
        if origin_of(origin["origin"]) == origin_of(site_url)
        for item in origin.get("localStorage", ())
    }


def _netscape(text: str) -> list[Cookie]:
    """Seven fields in a line, set apart by tabs: domain, whether subdomains too, path, secure, expiry, name, value."""
    found: list[Cookie] = []
    for number, line in enumerate(text.splitlines(), 1):
        http_only = line.startswith(HTTP_ONLY)
        line = line.removeprefix(HTTP_ONLY)
        if not line.strip() or line.startswith("#"):
            continue
        fields = line.split("\t")
        try:
            domain, subdomains, path, secure, expires, name, value = (*fields, "") if len(fields) == 6 else fields
            end = float(expires)
            cookie = _cookie(
                name,
                value,
                domain,
                path=path,
                host_only=subdomains.upper() != "TRUE",
                secure=secure.upper() == "TRUE",
                http_only=http_only,
                expires=end if end > 0 else None,
            )
        except ValueError:
            raise RequestError(
                f"{EXPECTED}: line {number} has not the seven fields of a cookies.txt, set apart by tabs", param="from"
            ) from None
        found.append(cookie)
    return found


def _har(entries: Iterable[Mapping[str, Any]], site_url: str) -> tuple[list[Cookie], dict[str, str]]:
    """What the last requests to each host carried, with what answers said of it; the site's own headers, too."""
    jar: dict[tuple[str, str], Cookie] = {}
    headers: dict[str, str] = {}
    for entry in entries:
        asked = entry["request"]
        host = (urlsplit(asked["url"]).hostname or "").lower()
        sent = {item["name"].lower(): item["value"] for item in asked["headers"]}
        if origin_of(asked["url"]) == origin_of(site_url):
            headers |= {n: value for n, value in sent.items() if n in HEADERS or n.startswith("sec-ch-ua")}
        for name, value in _pairs(sent.get("cookie", "")):
            known = next((c for c in jar.values() if c.name == name and _reaches(c, host)), None)
            if known is None or known.value != value:
                domain = known.domain if known else host
                jar[domain, name] = _cookie(name, value, domain, host_only=known.host_only if known else True)
        for item in entry["response"]["headers"]:
            if item["name"].lower() == "set-cookie":
                for line in item["value"].split("\n"):
                    for cookie in _set(line, host, str(entry.get("startedDateTime", ""))):
                        jar[cookie.domain, cookie.name] = cookie
    return list(jar.values()), headers


def _pairs(header: str) -> list[tuple[str, str]]:
    pairs = (part.strip().partition("=") for part in header.split(";") if "=" in part)
    return [(name, value) for name, _, value in pairs]


def _set(line: str, host: str, at: str) -> list[Cookie]:
    try:
        parsed: SimpleCookie = SimpleCookie(line)
    except CookieError:
        return []
    found = []
    for name, morsel in parsed.items():
        expires: float | None = None
        if str(morsel["max-age"]).lstrip("-").isdigit():
            expires = _time(at) + float(morsel["max-age"])
        elif morsel["expires"]:
            try:
                expires = parsedate_to_datetime(str(morsel["expires"]).replace("-", " ")).timestamp()
            except ValueError:
                expires = None
        domain = morsel["domain"].lstrip(".").lower()
        found.append(
            _cookie(
                name,
                morsel.value,
                domain or host,
                path=morsel["path"],
                host_only=not domain,
                secure=bool(morsel["secure"]),
                http_only=bool(morsel["httponly"]),
                same_site=morsel["samesite"],
                expires=expires,
            )
        )
    return found


def _time(at: str) -> float:
    try:
        return datetime.fromisoformat(at).timestamp()
    except ValueError:
        return 0.0
