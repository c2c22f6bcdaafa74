"""A login exported by another browser: a storage state, cookies as JSON or cookies.txt, a HAR, CookieCloud's data."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from doorkey.accounts.cookie_cloud import decrypt
from doorkey.accounts.exported_cookie import UNREADABLE, read_cookie, read_netscape, read_text
from doorkey.errors import RequestError
from doorkey.model.cookie_jar import CookieJar
from doorkey.model.cookies import Cookie, host_of
from doorkey.model.session import JSON
from doorkey.model.urls import origin_of

HEADERS = ("user-agent", "accept-language")
EXPECTED = (
    "expected Playwright's storage state, a JSON list of cookies (of an extension, Selenium or FlareSolverr), a "
    "cookies.txt (Netscape), a HAR or CookieCloud's data"
)
HTTP_ONLY = "#HttpOnly_"


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What a file holds for one site. `local` is the site's local storage; for `seeds` see `Session`.

    Left out are the cookies named in `expired`, those named in `refused`, which no browser takes or nobody can read,
    and those of the hosts in `foreign`. `changed` names the cookies that the site changed as soon as they were tried
    there.
    """

    kind: str
    cookies: tuple[Cookie, ...] = field(repr=False)
    local: Mapping[str, str] = field(default_factory=dict, repr=False)
    seeds: Mapping[str, JSON] = field(default_factory=dict, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict)
    expired: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    foreign: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()

    @property
    def warning(self) -> str:
        """What to tell the user of a login that may belong to one program at a time; empty if it seems to be shared."""
        if not self.changed:
            return ""
        return (
            f"the site has changed {', '.join(self.changed)} with its first answer. If it does so with each answer, "
            "the session is one program's: the other browser and doorkey would log each other out. Then delete the "
            "site's cookies in the other browser (logging out there would end the session)"
        )


@dataclass(frozen=True, slots=True)
class _Read:
    kind: str
    cookies: Iterable[Cookie]
    refused: tuple[str, ...] = ()
    local: Mapping[str, str] = field(default_factory=dict)
    seeds: Mapping[str, JSON] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)


def read_login(text: str, site_url: str, wall: float) -> Imported:
    """What *text* holds for the site at *site_url*; *wall* is now, in seconds since the epoch.

    Cookies of other hosts are left out. Raises RequestError when it is none of the kinds, or holds no cookie that the
    site could know one by.
    """
    read = _read(text.lstrip("\ufeff"), site_url, wall)
    jar = CookieJar().changed(read.cookies)
    ours = [cookie for cookie in jar if cookie.identity.reaches(site_url)]
    found = Imported(
        kind=read.kind,
        cookies=tuple(cookie for cookie in ours if cookie.storable and not cookie.expired(wall)),
        local=read.local,
        seeds=read.seeds,
        headers=read.headers,
        expired=tuple(cookie.name for cookie in ours if cookie.storable and cookie.expired(wall)),
        refused=(*read.refused, *(cookie.name for cookie in ours if not cookie.storable)),
        foreign=tuple(sorted({cookie.domain for cookie in jar if cookie not in ours})),
    )
    if not found.cookies and not found.local and not found.seeds:
        raise RequestError(f"the {found.kind} holds nothing for {host_of(site_url)}: {_instead(found)}", param="from")
    return found


def _instead(found: Imported) -> str:
    """What a file without a login for the site holds."""
    if found.expired:
        return f"only cookies that have expired: {', '.join(found.expired)}"
    if found.refused:
        return f"only cookies that no browser takes: {', '.join(map(ascii, found.refused))}"
    if found.foreign:
        return f"cookies of other hosts only: {_some(found.foreign)}"
    hint = ' (browsers leave them out of a HAR, unless it is saved "with sensitive data")'
    return "no cookie at all" + (hint if found.kind == "HAR" else "")


def _some(names: tuple[str, ...]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def _read(text: str, site_url: str, wall: float) -> _Read:
    if not text.lstrip().startswith(("{", "[")):
        return _Read("cookies.txt", *_netscape(text, site_url, wall))
    try:
        data = json.loads(text)
        if isinstance(data, list) and data:
            return _Read("list of cookies", *_cookies(data, site_url, wall))
        if isinstance(data, dict) and isinstance(data.get("log"), dict):
            return _har(data["log"]["entries"], site_url, wall)
        if isinstance(data, dict) and isinstance(data.get("solution"), dict):
            data = data["solution"]  # FlareSolverr's answer, whole
        if isinstance(data, dict) and "encrypted" in data:
            data = decrypt(data)
        if isinstance(data, dict) and "cookie_data" in data:
            return _cookie_cloud(data, site_url, wall)
        if isinstance(data, dict) and ("cookies" in data or "origins" in data):
            return _browser_state(data, site_url, wall)
    except (*UNREADABLE, RecursionError):
        # Not chained: these hold pieces of the file.
        raise RequestError(f"{EXPECTED}: it begins like one and can't be read", param="from") from None
    raise RequestError(f"{EXPECTED}: this is another kind of JSON", param="from")


def _cookies(rows: Iterable[Any], site_url: str, wall: float) -> tuple[list[Cookie], tuple[str, ...]]:
    """The cookies that *rows* hold, and the names of those that can't be read.

    One that can't be read costs no other. Raises TypeError where nothing among them is a cookie at all.
    """
    found: list[Cookie] = []
    refused: list[str] = []
    for one in rows:
        try:
            found.append(read_cookie(one, site_url, wall))
        except UNREADABLE:
            name = one.get("name") if isinstance(one, dict) else None
            refused.append(name if isinstance(name, str) else "")
    if refused and not found and not any(refused):
        raise TypeError("no cookies")
    return found, tuple(refused)


def _browser_state(data: Mapping[str, Any], site_url: str, wall: float) -> _Read:
    """What FlareSolverr's answer or Playwright's storage state holds."""
    cookies = _cookies(data.get("cookies") or (), site_url, wall)
    if "userAgent" in data:
        return _Read("FlareSolverr's answer", *cookies, headers={"user-agent": str(data["userAgent"])})
    local, session = (_storage(data, site_url, kind) for kind in ("localStorage", "sessionStorage"))
    databases: list[JSON] = [
        dict(one) for origin in _select_origins(data, site_url) for one in origin.get("indexedDB") or ()
    ]
    seeds: dict[str, JSON] = {"sessionStorage": {**session}, "indexedDB": databases}
    return _Read("storage state", *cookies, local, {name: seed for name, seed in seeds.items() if seed})


def _cookie_cloud(data: Mapping[str, Any], site_url: str, wall: float) -> _Read:
    """What CookieCloud's data holds: cookies and local storage, both by host."""
    rows = [one for some in data["cookie_data"].values() for one in some]
    stored = (data.get("local_storage_data") or {}).get(host_of(site_url)) or {}
    return _Read("CookieCloud's data", *_cookies(rows, site_url, wall), _texts(stored.items()))


def _select_origins(data: Mapping[str, Any], site_url: str) -> list[Mapping[str, Any]]:
    """What a storage state holds for the site's origin."""
    return [one for one in data.get("origins") or () if origin_of(one["origin"]) == origin_of(site_url)]


def _storage(data: Mapping[str, Any], site_url: str, kind: str) -> dict[str, str]:
    items = [item for one in _select_origins(data, site_url) for item in one.get(kind) or ()]
    return _texts((item["name"], item["value"]) for item in items)


def _texts(items: Iterable[tuple[object, object]]) -> dict[str, str]:
    """What a storage can hold of *items*: it has texts only."""
    read = ((read_text(name), read_text(value)) for name, value in items)
    return {name: value for name, value in read if name is not None and value is not None}


def _netscape(text: str, site_url: str, wall: float) -> tuple[list[Cookie], tuple[str, ...]]:
    """The cookies of a cookies.txt, and the names of those that no browser takes."""
    found: list[Cookie] = []
    refused: list[str] = []
    for number, line in enumerate(text.split("\n"), 1):
        http_only = line.startswith(HTTP_ONLY)
        line = line.rstrip("\r").removeprefix(HTTP_ONLY)
        if not line.strip() or line.startswith("#"):
            continue
        fields = line.split("\t")
        if len(fields) not in (6, 7):
            raise RequestError(
                f"{EXPECTED}: line {number} has not the seven fields of a cookies.txt, set apart by tabs", param="from"
            )
        try:
            found.append(read_netscape(fields, site_url, wall, http_only=http_only))
        except UNREADABLE:
            refused.append(fields[5])
    return found, tuple(refused)


def _har(entries: Iterable[Mapping[str, Any]], site_url: str, wall: float) -> _Read:
    """What the last requests to each host carried, with what answers said of it; the site's own headers, too.

    Recorders write entries that are no exchange by HTTP (data: URLs, extensions, requests without an answer). They
    hold no cookie.
    """
    jar = CookieJar()
    headers: dict[str, str] = {}
    for entry in entries:
        try:
            asked, at = entry["request"], _time(str(entry.get("startedDateTime", "")), wall)
            url = asked["url"]
            sent = [(item["name"].lower(), item["value"]) for item in asked["headers"]]
            host, ours = host_of(url), origin_of(url) == origin_of(site_url)
        except UNREADABLE:
            continue
        if ours:
            headers |= {n: value for n, value in sent if n in HEADERS or n.startswith("sec-ch-ua")}
        # Over HTTP/2 there may be one Cookie header for each cookie.
        for name, value in _pairs("; ".join(value for name, value in sent if name == "cookie")):
            held = [cookie for cookie in jar.for_url(url, at) if cookie.name == name]
            if all(cookie.value != value for cookie in held):
                new = replace(held[0], value=value) if held else Cookie(name, value, host)
                jar = jar.changed([new])
        answered = (entry.get("response") or {}).get("headers") or ()
        set_cookies = [str(item["value"]) for item in answered if str(item["name"]).lower() == "set-cookie"]
        jar = jar.changed(jar.answered("\n".join(set_cookies).split("\n"), url, at))
    return _Read("HAR", jar, headers=headers)


def _pairs(header: str) -> list[tuple[str, str]]:
    pairs = [part.strip().partition("=") for part in header.split(";") if part.strip()]
    return [(name, value) if equals else ("", name) for name, equals, value in pairs]


def _time(at: str, wall: float) -> float:
    try:
        return datetime.fromisoformat(at).timestamp()
    except ValueError:
        return wall
