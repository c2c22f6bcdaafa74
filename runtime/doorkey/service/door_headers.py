"""What passes the door, and what stays on its side: paths, headers in, headers out."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from functools import lru_cache
from urllib.parse import unquote_to_bytes, urljoin, urlsplit

from doorkey.model.request import Head, is_reserved
from doorkey.model.site import Site
from doorkey.model.urls import origin_of
from doorkey.service.failure import Refusal
from doorkey.transport.compression import readable

PLAIN = re.compile(r"/site/([a-z0-9_-]+)((?:/[\w~!$&'()*+,;=:@-][\w.~!$&'()*+,;=:@-]*)*/?(?:\?[!\"$-~]*)?)", re.A)
"""A target that can be read in one way only, as nearly all are: nothing in it to be looked at twice."""
DOOR = re.compile(r"/site/([^/?]+)(/[^?]*)?(\?.*)?", re.S)
HOP_BY_HOP = {
    "connection", "keep-alive", "proxy-connection", "proxy-authenticate", "proxy-authorization", "te", "trailer",
    "transfer-encoding", "upgrade", "http2-settings",
}  # fmt: skip
OURS_IN = {
    "authorization",
    "x-api-key",
    "content-length",
    "expect",
    "referer",
    "forwarded",
    "via",
    "x-real-ip",
    "accept",
}
"""doorkey's key, what is said of the way to the door, and what the request says in words of its own."""
OURS_OUT = {"set-cookie", "set-cookie2", "alt-svc", "clear-site-data", "strict-transport-security", "x-request-id"}
"""The session's, and what speaks of the site's own host or connection."""
MOVED = ("location", "content-location")


def destination(target: str) -> tuple[str, str]:
    """The site's name, and what is requested of it, byte for byte as it came (other than ASCII in per cent).

    *target* is the raw request target. Raises Refusal for one that could be read as leading elsewhere.
    """
    plain = PLAIN.fullmatch(target)
    if plain is not None:
        name, rest = plain.groups()
        return name, rest if rest.startswith("/") else f"/{rest}"
    found = DOOR.fullmatch(target)
    if found is None:
        raise Refusal(400, "invalid_path", "a path like /site/NAME/path was expected, without a host before it")
    name, path, query = found[1], found[2] or "/", found[3] or ""
    decoded = unquote_to_bytes(path.encode("utf-8", "surrogateescape"))
    if path.startswith("//") or "\\" in path or re.search(rb"[\x00-\x1f\x7f]", decoded):
        raise Refusal(400, "invalid_path", "the path has to be one of the site's own: no `//` first, no backslash")
    if any(part in (b".", b"..") for part in re.split(rb"[/\\]", decoded)):
        raise Refusal(400, "invalid_path", "the path holds `.` or `..` as a part: write where it leads to instead")
    if re.search(r"[\x00-\x20\x7f#]", path + query):
        raise Refusal(400, "invalid_path", "the path or the query holds a blank, a control character or `#`")
    return name, re.sub(r"[^\x00-\x7f]+", _in_percent, path + query)


def _in_percent(found: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in found[0].encode("utf-8", "surrogateescape"))


def passed_in(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers that go on to the site. Raises Refusal for one that is no text."""
    gone = dropped(headers)
    passed: dict[str, str] = {}
    for name, value in headers.items():
        lower = _entering(name)
        if lower is None or lower in gone:
            continue
        if not value.isascii() and re.search("[\udc80-\udcff]", value):
            raise Refusal(400, "invalid_header", f"the header {lower[:60]} is no UTF-8")
        passed[lower] = f"{passed[lower]}, {value}" if lower in passed else value
    return passed


@lru_cache(1024)
def _entering(name: str) -> str | None:
    """The header's name in lower case; None for one that stays outside."""
    lower = name.lower()
    ours = lower in OURS_IN or lower in HOP_BY_HOP or is_reserved(lower)
    return None if ours or lower.startswith(("x-forwarded-", "x-doorkey-")) else lower


@lru_cache(1024)
def _leaving(name: str) -> str | None:
    lower = name.lower()
    ours = lower in OURS_OUT or lower in HOP_BY_HOP
    return None if ours or lower.startswith(("access-control-", "x-doorkey-")) else lower


def accepted(headers: Mapping[str, str]) -> str:
    """The compressions that the client undoes and we can judge through."""
    return _readable(headers.get("accept-encoding", ""))


_readable = lru_cache(256)(readable)


def passed_out(head: Head, site: Site) -> list[tuple[str, str]]:
    """The answer's headers as the client gets them: places at the *site*'s origin become places behind the door."""
    gone = dropped(head.headers)
    # A page of the site's that a browser shows here must not act as a page of ours.
    out = [("Content-Security-Policy", "sandbox")]
    for header, value in head.headers.items():
        lower = _leaving(header)
        if lower is not None and lower not in gone:
            out.append((header, moved(value, head.url, site.name, site.origin) if lower in MOVED else value))
    return out


def moved(location: str, url: str, name: str, origin: str) -> str:
    """*location*, told by the answer at *url*, as seen from outside the door; another host's stays as it is."""
    try:
        parts = urlsplit(urljoin(url, location))
        if origin_of(parts.geturl()) != origin:
            return location
    except ValueError:
        return location
    rest = parts._replace(scheme="", netloc="").geturl()
    return f"/site/{name}/{rest.lstrip('/')}"


def dropped(headers: Mapping[str, str]) -> Collection[str]:
    """The headers, in lower case, that `Connection` names as its own."""
    named = headers.get("connection")
    return () if named is None else {part.strip().lower() for part in named.split(",")}
