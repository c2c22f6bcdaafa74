"""Who may come in: known hosts, no foreign web pages, and whoever has the key."""

from __future__ import annotations

import itertools
import logging
import os
import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from time import monotonic
from typing import TypeAlias

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from doorkey.errors import DoorkeyError
from doorkey.model.request import MiB
from doorkey.rate.limiter import CALLER
from doorkey.service.failure import UNEXPECTED, Failure, Refusal, failure_of, failure_of_http
from doorkey.service.key import is_loopback, matches
from doorkey.service.request_keys import BEGUN, CORS, ID, ONCE

log = logging.getLogger(__name__)

Check: TypeAlias = Callable[[web.Request], web.Response | None]
"""Returns an answer where no handler is needed; raises Refusal."""

BODY_LIMIT = 8 * MiB
METHODS = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"
OPEN_PATHS = ("/healthz",)
EXPOSED = (
    "retry-after, x-doorkey-renewed, x-doorkey-site, x-doorkey-transport, x-doorkey-verdict, x-doorkey-waited, "
    "x-request-id, x-should-retry"
)


FOREIGN = ("cross-site", "same-site")
"""What `Sec-Fetch-Site` says of a request that another origin's page caused (W3C, Fetch Metadata Request Headers)."""


def guard(*, hosts: Sequence[str], origins: Sequence[str], key: str | None) -> Middleware:
    """The service's middleware, one for all, as each costs each request: a request passes it before its path is
    looked at."""
    checks = (known_hosts(hosts), known_origins(origins), asks_key(key))

    @web.middleware
    async def guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
        began, status = monotonic(), 0
        identify(request)
        try:
            try:
                response = _unhandled(request, checks) or await handler(request)
            except Exception as error:  # noqa: BLE001 - the rim of a request: logged, and told in the error shape
                response = await _told(request, _failure(request, error))
                if _has_left(request):
                    return response
            status = response.status
            return response
        finally:
            if log.isEnabledFor(logging.INFO):
                # The template, not the path: what a caller types into an address may be a secret.
                route = request.match_info.route.resource.canonical if request.match_info.route.resource else "-"
                took = monotonic() - began
                log.info("%s %s %s %s %.3f s", request[ID], request.method, route, status or "left", took)

    return guarded


def identify(request: web.Request) -> None:
    """Give the request an id: the client's own `x-request-id` where it is a plain one."""
    own = request.headers.get("x-request-id")
    id_ = request[ID] = own if own and re.fullmatch(r"[A-Za-z0-9._-]{1,64}", own) else new_id()
    CALLER.set(id_)


_START = os.urandom(8).hex()
_numbers = itertools.count()


def new_id() -> str:
    """An id that no other request has, of this process or another."""
    return f"{_START}{next(_numbers):016x}"


async def sign(request: web.Request, response: web.StreamResponse) -> None:
    """Put onto each answer what all answers carry (aiohttp's `on_response_prepare`)."""
    try:
        response.headers["x-request-id"] = request[ID]
    except KeyError:  # aiohttp's own answer to what is no request
        response.headers["x-request-id"] = new_id()
    if "Origin" in request.headers and CORS in request:
        response.headers.update(request[CORS])


def _unhandled(request: web.Request, checks: Sequence[Check]) -> web.Response | None:
    for check in checks:
        response = check(request)
        if response is not None:
            return response
    return None


def _failure(request: web.Request, error: Exception) -> Failure:
    """What the client is told of whatever went wrong."""
    match error:
        case Refusal():
            return error.failure
        case DoorkeyError():
            log.info("%s %s: %s", request[ID], error.code, error)
            return failure_of(error, repeatable=ONCE not in request)
        case web.HTTPException():
            return failure_of_http(error, request.path, BODY_LIMIT)
        case ConnectionResetError() if _has_left(request):
            log.debug("%s the client has left", request[ID])
        case _:
            log.error("%s failed", request[ID], exc_info=error)
    return UNEXPECTED


async def _told(request: web.Request, failure: Failure) -> web.StreamResponse:
    """*failure* in the error shape; a stream that has begun ends with it as its last event."""
    if BEGUN not in request:
        return failure.response()
    begun = request[BEGUN]
    if not _has_left(request):
        await begun.write(failure.event())
        await begun.write_eof()
    return begun


def _has_left(request: web.Request) -> bool:
    return request.transport is None or request.transport.is_closing()


def known_hosts(hosts: Sequence[str]) -> Check:
    """Take only requests to a loopback name or one of *hosts*: a web page can point any name of its own at us."""
    known = {host.lower().strip("[]") for host in hosts}

    @lru_cache(64)
    def is_known(header: str) -> bool:
        name = host_name(header)
        return is_loopback(name) or name in known

    def check(request: web.Request) -> web.Response | None:
        given = request.headers.getall("Host", [])
        if len(given) != 1:
            raise Refusal(400, "invalid_host", f"one Host header was expected, {len(given)} came")
        if not is_known(given[0]):
            name = host_name(given[0])
            shown = name[:100] if re.fullmatch(r"[a-z0-9._:-]+", name) else "that name"
            raise Refusal(
                403,
                "host_not_allowed",
                f'this service is not known as {shown}. If it should be, add it: [service] hosts = ["{shown}"]',
            )
        return None

    return check


def host_name(header: str) -> str:
    """The name in a Host header, without its port, in lower case, an IPv6 address without brackets."""
    bracketed = re.fullmatch(r"\[([^\]]*)\](?::\d*)?", header)
    return (bracketed[1] if bracketed else re.sub(r":\d*$", "", header)).lower()


def known_origins(origins: Sequence[str]) -> Check:
    """Refuse web pages, but those of *origins* and our own: a page must not drive the user's sessions."""
    known = {origin.rstrip("/").lower() for origin in origins}

    def check(request: web.Request) -> web.Response | None:
        origin = request.headers.get("Origin")
        if origin is None:
            # A page's pictures and links come without one. Only browsers say from where; no page can hide it.
            if request.headers.get("Sec-Fetch-Site") in FOREIGN:
                raise Refusal(
                    403,
                    "origin_not_allowed",
                    "a web page of another origin has a link, a picture or the like that leads here: that may not use "
                    "this service. To look at it yourself, type the address into the browser's own line",
                )
            return None
        if origin.lower() == f"http://{request.host.lower()}":
            return None
        if origin.lower() not in known:
            raise Refusal(
                403,
                "origin_not_allowed",
                "a web page of another origin may not use this service. If one should, name its origin in "
                'the settings: [service] origins = ["https://…"]',
            )
        request[CORS] = {
            "Access-Control-Allow-Origin": origin,
            "Access-Control-Expose-Headers": EXPOSED,
            "Vary": "Origin",
        }
        if request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers:
            request[CORS] |= {
                "Access-Control-Allow-Methods": METHODS,
                "Access-Control-Allow-Headers": request.headers.get("Access-Control-Request-Headers", ""),
                "Access-Control-Max-Age": "600",
            }
            return web.Response(status=204)
        return None

    return check


def asks_key(key: str | None) -> Check:
    """Ask for *key*, as `Authorization: Bearer` or `x-api-key`; None asks for nothing."""

    def check(request: web.Request) -> web.Response | None:
        if key is None:
            return None
        scheme, _, bearer = request.headers.get("Authorization", "").partition(" ")
        shown = bearer.strip() if scheme.lower() == "bearer" else request.headers.get("x-api-key", "").strip()
        if not matches(shown, key) and request.path not in OPEN_PATHS:
            came = "another came" if shown else "none came"
            raise Refusal(
                401,
                "invalid_api_key",
                f"this service's key was expected in Authorization: Bearer … or x-api-key, {came}. "
                "`doorkey serve` says where the key is kept",
                headers={"WWW-Authenticate": "Bearer"},
            )
        return None

    return check
