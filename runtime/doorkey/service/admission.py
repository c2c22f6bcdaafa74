"""Checks that every request passes before it is routed: its Host, its Origin and the service's key."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import TypeAlias
from urllib.parse import urlsplit

from aiohttp import web

from doorkey.service.access import KeyRing
from doorkey.service.dashboard.page import show_how_to_come_in, wants_page
from doorkey.service.dashboard.viewers import Viewers, is_inner
from doorkey.service.failure import Refusal
from doorkey.service.key import is_loopback

Check: TypeAlias = Callable[[web.Request], web.Response | None]
"""Returns a response when no handler is needed, else None. Raises Refusal."""

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


def check_host(hosts: Sequence[str]) -> Check:
    """Accept only loopback names and *hosts*: a web page can point any name of its own at this machine."""
    known = {host.lower().strip("[]") for host in hosts}

    @lru_cache(64)
    def is_known(header: str) -> bool:
        name = host_name(header)
        return is_loopback(name) or name in known

    def check(request: web.Request) -> web.Response | None:
        given: Sequence[str] = request.headers.getall("Host", ())
        if not request.raw_path.startswith("/") and "://" in request.raw_path:
            given = [urlsplit(request.raw_path).netloc]  # a whole URL counts, not the Host (RFC 9112, section 3.2.2)
        if (len(given) == 1 and is_known(given[0])) or request.path == HEALTH:
            return None
        if len(given) != 1:
            raise Refusal(400, "invalid_host", f"one Host header was expected, {len(given)} came")
        name = host_name(given[0])
        shown = name[:100] if re.fullmatch(r"[a-z0-9._:-]+", name) else "that name"
        raise Refusal(
            403,
            "host_not_allowed",
            f'this service is not known as {shown}. If it should be, add it: [service] hosts = ["{shown}"]',
        )

    return check


def host_name(header: str) -> str:
    """Return the name in a Host header in lower case, without its port; an IPv6 address without brackets."""
    bracketed = re.fullmatch(r"\[([^\]]*)\](?::\d*)?", header)
    return (bracketed[1] if bracketed else re.sub(r":\d*$", "", header)).lower()


def check_origin(origins: Sequence[str]) -> Check:
    """Refuse requests of web pages, except those of *origins* and of this service: a page must not use sessions."""
    known = {origin.rstrip("/").lower() for origin in origins}

    def check(request: web.Request) -> web.Response | None:
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
        if origin.lower() not in known:
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

    return check


def check_key(keys: KeyRing | None, viewers: Viewers) -> Check:
    """Ask for one of *keys* in the headers that `read_keys` reads. None asks for no key.

    On the dashboard's paths, one of *viewers* is let in by its cookie. Others get a page that says how to come in.
    """

    def check(request: web.Request) -> web.Response | None:
        path = request.raw_path.partition("?")[0]  # not decoded: what is written in another way needs a key
        if keys is None or path == HEALTH or (is_inner(path) and viewers.admit(request, path)):
            return None
        shown = read_keys(request.headers)
        if not keys.admit(request, shown):
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
        return None

    return check


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
