"""Checks that every request passes before it is routed: its Host, its Origin and the service's key."""

from __future__ import annotations

import base64
import hmac
import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from urllib.parse import urlsplit

from aiohttp import web

from doorkey.service.access import KeyRing, apply_access
from doorkey.service.dashboard.page import show_how_to_come_in, wants_page
from doorkey.service.dashboard.viewers import INNER, PAGE, Viewers
from doorkey.service.failure import Refusal
from doorkey.service.key import as_bytes, is_loopback

CORS = web.RequestKey("CORS", dict[str, str])
"""CORS headers for the answer to a web page that may read it."""
METHODS = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"
HEALTH = "/healthz"
"""The only path that asks for no key and accepts every Host: orchestrators call it by the address of the container."""
EXPOSED = (
    "retry-after, x-doorkey-ignored, x-doorkey-renewed, x-doorkey-site, x-doorkey-transport, x-doorkey-verdict, "
    "x-doorkey-waited, x-request-id, x-should-retry"
)
FOREIGN = ("cross-site", "same-site")
"""Values of `Sec-Fetch-Site` on a request that a page of another origin caused (W3C, Fetch Metadata)."""


class Rules:
    """Who may call: by which names of this service, from which web pages, with which keys or as one of *viewers*."""

    def __init__(self, viewers: Viewers) -> None:
        self.viewers = viewers
        self._keys: KeyRing | None = None
        self._is_known = _known_names(())
        self._origins: set[str] = set()

    def adopt(self, hosts: Sequence[str], origins: Sequence[str], keys: KeyRing | None) -> None:
        """Take over other rules, for requests that come from now on. Without *keys* no key is asked for."""
        self.viewers.adopt(keys)
        self._keys = keys
        self._is_known = _known_names(hosts)
        self._origins = {origin.rstrip("/").lower() for origin in origins}

    def admit(self, request: web.Request) -> web.Response | None:
        """Return the answer to a request that needs no handler, else None. Raises Refusal for one that may not come in.

        On the dashboard's paths a viewer's cookie lets it in; others get a page that says how to come in.
        """
        headers, target = request.headers, request.raw_path
        hosts: Sequence[str] = headers.getall("Host", ())
        if len(hosts) != 1 or not target.startswith("/") or not self._is_known(hosts[0]):
            self._check_host(request, hosts)
        if "Origin" in headers or "Sec-Fetch-Site" in headers:
            response = self._check_origin(request)
            if response is not None:
                return response
        keys, path = self._keys, target.partition("?")[0]  # not decoded: what is written in another way needs a key
        if keys is None or path == HEALTH:
            return None
        if (path == PAGE or path.startswith(INNER)) and self.viewers.admit(request, path):
            return None
        shown, found = read_keys(headers), []
        # Every pair is compared, so that the time tells nothing about which one is near.
        for each in shown:
            given = each.encode() if each.isascii() else as_bytes(each)
            for key, access in keys.entries:
                if hmac.compare_digest(given, key):
                    found.append(access)
        if not found:
            return _ask_for_key(request, shown)
        if found[0] is not None and None not in found:
            apply_access(request, found[0])
        return None

    def _check_host(self, request: web.Request, given: Sequence[str]) -> None:
        """Accept only loopback names and the configured ones: a web page can point any name of its own here."""
        if not request.raw_path.startswith("/") and "://" in request.raw_path:
            given = [urlsplit(request.raw_path).netloc]  # a whole URL counts, not the Host (RFC 9112, section 3.2.2)
        if (len(given) == 1 and self._is_known(given[0])) or request.path == HEALTH:
            return
        if len(given) != 1:
            raise Refusal(400, "invalid_host", f"one Host header was expected, {len(given)} came")
        name = host_name(given[0])
        shown = name[:100] if re.fullmatch(r"[a-z0-9._:-]+", name) else "that name"
        raise Refusal(
            403,
            "host_not_allowed",
            f'this service is not known as {shown}. If it should be, add it: [service] hosts = ["{shown}"]',
        )

    def _check_origin(self, request: web.Request) -> web.Response | None:
        """Refuse requests of web pages, except those of known origins and of this service.

        A page must not use sessions.
        """
        origin = request.headers.get("Origin")
        if origin is None:
            # Pictures and links of a page carry no Origin. Browsers say where they come from, and no page can hide it.
            if request.headers.get("Sec-Fetch-Site") in FOREIGN:
                raise Refusal(
                    403,
                    "origin_not_allowed",
                    "a link, a picture or the like in a web page of another origin leads here, and may not use this "
                    "service. To open it yourself, type the address into the browser's address bar",
                )
            return None
        if origin.lower() == f"{request.scheme}://{request.host.lower()}":
            return None
        if origin.lower() not in self._origins:
            raise Refusal(
                403,
                "origin_not_allowed",
                "a web page of another origin may not use this service. If one should, name its origin in "
                'the settings: [service] origins = ["https://…"]',
            )
        request[CORS] = {"Access-Control-Allow-Origin": origin, "Access-Control-Expose-Headers": EXPOSED}
        if request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers:
            request[CORS] |= {
                "Access-Control-Allow-Methods": METHODS,
                "Access-Control-Allow-Headers": request.headers.get("Access-Control-Request-Headers", ""),
                "Access-Control-Max-Age": "600",
            }
            if request.headers.get("Access-Control-Request-Private-Network") == "true":
                # Chromium asks this before a page of the internet may call an address of this machine.
                request[CORS]["Access-Control-Allow-Private-Network"] = "true"
            return web.Response(status=204)
        return None


def _known_names(hosts: Sequence[str]) -> Callable[[str], bool]:
    """Return a function that says whether a Host header holds a loopback name or one of *hosts*."""
    known = {host.lower().strip("[]") for host in hosts}

    @lru_cache(64)
    def is_known(header: str) -> bool:
        name = host_name(header)
        return is_loopback(name) or name in known

    return is_known


def host_name(header: str) -> str:
    """Return the name in a Host header in lower case, without its port; an IPv6 address without brackets."""
    bracketed = re.fullmatch(r"\[([^\]]*)\](?::\d*)?", header)
    return (bracketed[1] if bracketed else re.sub(r":\d*$", "", header)).lower()


def _ask_for_key(request: web.Request, shown: Sequence[str]) -> web.Response:
    """Return the page that says how to come in, for a browser on the dashboard's. Raises Refusal for others."""
    if wants_page(request):
        return show_how_to_come_in(request)
    came = "another came" if shown else "none came"
    raise Refusal(
        401,
        "invalid_api_key",
        "this service's key was expected in Authorization: Bearer …, in x-api-key, or as the password of "
        f"Authorization: Basic …; {came}. `doorkey serve` says where the key is kept",
        headers={"WWW-Authenticate": _challenge(request)},
    )


def _challenge(request: web.Request) -> str:
    """Let browsers ask a person for the key, on a page that was opened by hand.

    A browser sends such a password with requests of other pages, too. Those are refused by `Sec-Fetch-Site`, so only
    browsers that send it are asked.
    """
    by_hand = request.headers.get("Sec-Fetch-Mode") == "navigate"
    return 'Basic realm="doorkey", charset="UTF-8"' if by_hand else "Bearer"


def read_keys(headers: Mapping[str, str]) -> list[str]:
    """Return each key that a request shows: in `x-api-key`, and in `Authorization` (Bearer, Basic's password, bare).

    A client may send a key of its own in one header and the service's in another. One right key is enough.
    """
    key, given = headers.get("x-api-key", "").strip(), headers.get("Authorization", "").strip()
    keys = [key] if key else []
    if given:
        scheme, _, value = given.partition(" ")
        match scheme.lower():
            case "bearer":
                keys.append(value.strip())
            case "basic":
                keys.append(_read_password(value))
            case _:
                keys.append(given)
    return keys


def _read_password(value: str) -> str:
    """Return the password of Basic credentials (RFC 7617), or nothing where they can't be read."""
    try:
        return base64.b64decode(value.strip(), validate=True).decode("utf-8").partition(":")[2]
    except ValueError:
        return ""
