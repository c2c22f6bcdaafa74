"""A request's body as bytes, for a page: it takes none that is still to be read."""

from __future__ import annotations

from doorkey.errors import TooLarge
from doorkey.request import MiB, Request
from doorkey.transport.direct import encoded
from doorkey.upload import Upload

MOST = 64 * MiB
"""Bytes that a page can be given to send."""


async def whole_body(request: Request) -> tuple[bytes | None, str | None]:
    """The body, and its media type where that is ours to say. Raises TooLarge and RequestError."""
    if isinstance(request.body, Upload):
        body = bytearray()
        async for piece in request.body:
            body += piece
            _check(request, len(body))
        return bytes(body), None
    if request.form is None and request.parts is None:
        if isinstance(request.body, bytes):
            _check(request, len(request.body))
            return request.body, None
        if request.json is None:
            return None, None
    payload, kind = encoded(request)
    if isinstance(payload, bytes):
        return payload, kind
    data = payload.read() if hasattr(payload, "read") else await payload.as_bytes()
    _check(request, len(data))
    return data, kind or payload.content_type


def _check(request: Request, size: int) -> None:
    if size > MOST:
        raise TooLarge(
            f"{request.what}: its body is over {MOST} bytes, which is what the site's transport (page) can carry"
        )
