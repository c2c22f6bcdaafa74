"""Tells whether what a browser shows and sends can be read on its way."""

from __future__ import annotations

from aiohttp import web

from doorkey.service.failure import Refusal
from doorkey.service.key import is_loopback


def require_private(request: web.Request) -> None:
    """Raise Refusal where passwords would cross a network in clear text.

    A proxy that a request came through says by X-Forwarded-Proto whether its client spoke HTTPS.
    """
    forwarded = request.headers.get("X-Forwarded-Proto", "").split(",")[0].strip().lower()
    peer = request.transport.get_extra_info("peername") if request.transport is not None else None
    local = not isinstance(peer, tuple) or is_loopback(str(peer[0]))
    through_proxy = "X-Forwarded-For" in request.headers or "Forwarded" in request.headers or bool(forwarded)
    if request.secure or (local and (not through_proxy or forwarded == "https")):
        return
    raise Refusal(
        403,
        "https_required",
        "people type passwords here, so this works by HTTPS only, but on the machine itself: set "
        "service.certificate, use `ssh -L`, or let the proxy set X-Forwarded-Proto",
    )
