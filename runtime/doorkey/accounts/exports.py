"""A session in the forms that other programs read: curl, a cookies.txt, Playwright's storage state, Python."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Mapping
from typing import Any

from doorkey.model.cookie_jar import CookieJar
from doorkey.model.session import Session
from doorkey.model.urls import origin_of

NETSCAPE = "# Netscape HTTP Cookie File"
"""The first line of a cookies.txt. Readers refuse a file without it."""
CARRIED = ("user-agent", "accept-language")
"""The browser's headers that a site may tie a session to."""


def build_storage_state(session: Session) -> dict[str, Any]:
    """Playwright's storage state: cookies, and the site's local storage, session storage and IndexedDB.

    Playwright itself reads and writes no session storage there; `sessionStorage` has the form of `localStorage`.
    """
    jar = CookieJar(session.cookies)
    stored: dict[str, Any] = {"localStorage": _list(session.local)}
    seeded = dict(session.tab) or session.seeds.get("sessionStorage")
    if isinstance(seeded, dict) and seeded:
        stored["sessionStorage"] = _list(seeded)
    if session.seeds.get("indexedDB"):
        stored["indexedDB"] = session.seeds["indexedDB"]
    origins = [{"origin": origin_of(session.key.url), **stored}] if any(stored.values()) else []
    return {"cookies": jar.to_playwright(), "origins": origins}


def write_storage_state(session: Session, wall: float) -> str:
    return json.dumps(build_storage_state(session), indent=2, ensure_ascii=False)


def write_cookies_txt(session: Session, wall: float) -> str:
    """Netscape's format, as curl -b, wget and yt-dlp read it. Cookies that it can't hold are left out."""
    lines = [NETSCAPE]
    for cookie in session.cookies:
        if not cookie.storable or "\t" in cookie.name + cookie.value + cookie.path:
            continue
        domain = cookie.domain if cookie.host_only else "." + cookie.domain
        expires = 0 if cookie.expires is None else int(cookie.expires)
        fields = (domain, _flag(not cookie.host_only), cookie.path, _flag(cookie.secure), str(expires))
        mark = "#HttpOnly_" if cookie.http_only else ""
        lines.append(mark + "\t".join([*fields, cookie.name, cookie.value]))
    return "\n".join(lines)


def write_curl(session: Session, wall: float) -> str:
    """A curl command that fetches the site's page."""
    words = ["curl", session.key.url]
    for name, value in _headers(session, wall).items():
        words += ["-H", f"{name}: {value}"]
    return shlex.join(words)


def write_python(session: Session, wall: float) -> str:
    """A program that fetches the site's page with requests."""
    lines = ["import requests", "", "session = requests.Session()", "session.headers.update({"]
    lines += [f"    {name!r}: {value!r}," for name, value in _browser_headers(session).items()]
    lines.append("})")
    for cookie in session.cookies:
        place = cookie.domain if cookie.host_only else "." + cookie.domain
        lines.append(
            f"session.cookies.set({cookie.name!r}, {cookie.value!r}, domain={place!r}, path={cookie.path!r}, "
            f"secure={cookie.secure!r})"
        )
    lines.append(f"print(session.get({session.key.url!r}).status_code)")
    return "\n".join(lines)


FORMS: dict[str, Callable[[Session, float], str]] = {
    "storage-state": write_storage_state,
    "cookies.txt": write_cookies_txt,
    "curl": write_curl,
    "python": write_python,
}
"""Writers by the name of their form. Each takes a session and now, in seconds since the epoch."""


def _headers(session: Session, wall: float) -> dict[str, str]:
    """The headers of a request for the site's page."""
    sent = CookieJar(session.cookies).for_url(session.key.url, wall)
    cookies = {"cookie": "; ".join(cookie.pair for cookie in sent)} if sent else {}
    return {**_browser_headers(session), **cookies}


def _browser_headers(session: Session) -> dict[str, str]:
    return {name: session.headers[name] for name in CARRIED if name in session.headers}


def _list(items: Mapping[str, Any]) -> list[dict[str, str]]:
    return [{"name": name, "value": str(value)} for name, value in items.items()]


def _flag(value: bool) -> str:
    return "TRUE" if value else "FALSE"
