"""A request in the form that a live page can send."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from doorkey.errors import RequestError, TooLarge
from doorkey.model.request import MiB, Request
from doorkey.model.session import Session
from doorkey.model.site import Site
from doorkey.model.upload import Upload
from doorkey.model.urls import origin_of
from doorkey.transport.http_client import encode_body

if TYPE_CHECKING:
    from doorkey.browser import PageRequest

MOST = 64 * MiB
"""Bytes that a page can be given to send."""
UNSETTABLE = frozenset([
    "accept-charset", "accept-encoding", "access-control-request-headers", "access-control-request-method",
    "connection", "content-length", "cookie", "cookie2", "date", "dnt", "expect", "host", "keep-alive", "origin",
    "referer", "te", "trailer", "transfer-encoding", "upgrade", "user-agent", "via",
])  # fmt: skip
"""Headers that only the browser itself sets (Fetch standard, "forbidden request-header")."""
BODILESS = ("GET", "HEAD")
FORBIDDEN_METHODS = ("CONNECT", "TRACE", "TRACK")


async def gather_body(request: Request) -> Request:
    """Return *request* with its whole body read, because a page can't send one that is still being read.

    Raises RequestError for what a page can't send, TooLarge for a body over 64 MiB, and what reading it raises.
    """
    _check_method(request)
    if not isinstance(request.body, Upload):
        return request
    body = bytearray()
    async for piece in request.body:
        body += piece
        _check_size(request, len(body))
    return replace(request, body=bytes(body))


async def make_page_request(request: Request, url: str, session: Session, site: Site) -> PageRequest:
    """Return what a page of *site* is told to send to *url*, the URL of *request*. Raises TooLarge and RequestError."""
    from doorkey.browser import PageRequest

    body, kind = await _body(request)
    referrer = request.referer or ("" if "text/html" in request.expects else session.url)
    return PageRequest(
        url=url,
        method=request.method.upper(),
        headers=_choose_headers(request, kind),
        referrer=referrer if origin_of(referrer) == site.origin else "",
        body=body if request.method.upper() not in BODILESS else None,
        with_cookies=session.gen > 0,
    )


def _choose_headers(request: Request, kind: str | None) -> dict[str, str]:
    """The headers that the page sets itself; *kind* is the media type of the body that *request* implies.

    They are spelled as given, because Chromium sends them so over HTTP/1.1. `*/*` is left to Chromium: it sends the
    Accept of a script that sets none in another place than that of one that does (measured).
    """
    chosen: dict[str, tuple[str, str]] = {}
    for name, value in request.headers.items():
        lower = name.lower()
        if lower not in UNSETTABLE and not lower.startswith("proxy-"):
            chosen[lower] = name, value
    if request.accept != "*/*":
        chosen.setdefault("accept", ("Accept", request.accept))
    if chosen.get("accept", ("", ""))[1] == "*/*":
        del chosen["accept"]
    if kind:
        chosen.setdefault("content-type", ("Content-Type", kind))
    # A script gives each byte of a header as one character.
    return {name: value.encode("utf-8", "surrogateescape").decode("latin-1") for name, value in chosen.values()}


async def _body(request: Request) -> tuple[bytes | None, str | None]:
    """The body, and its media type if *request* implies one."""
    if request.form is None and request.parts is None:
        if isinstance(request.body, bytes):
            _check_size(request, len(request.body))
            return request.body, None
        if request.json is None:
            return None, None
    payload, kind = encode_body(request)
    if isinstance(payload, bytes):
        return payload, kind
    data = payload.read() if hasattr(payload, "read") else await payload.as_bytes()
    _check_size(request, len(data))
    return data, kind


def _check_method(request: Request) -> None:
    method, empty = request.method.upper(), (None, b"")
    if method in FORBIDDEN_METHODS:
        raise RequestError(f"{request.what}: a page can't send {method}, and the site's transport is its page")
    bodies = (request.form, request.json, request.parts) != (None, None, None) or request.body not in empty
    if method in BODILESS and bodies:
        raise RequestError(f"{request.what}: a page sends no body with {method}, and the site's transport is its page")


def _check_size(request: Request, size: int) -> None:
    if size > MOST:
        raise TooLarge(
            f"{request.what}: its body is over {MOST} bytes, which is what the site's transport (page) can carry"
        )
