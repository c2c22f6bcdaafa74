"""`ANY /site/{name}/{path}`: the door, a reverse proxy into a configured site that adds the session."""

from __future__ import annotations

import logging
import math
from typing import TYPE_CHECKING

from aiohttp import web
from multidict import CIMultiDict

from doorkey.errors import DoorkeyError
from doorkey.request import Request, insists_on
from doorkey.service.chat import origin_headers
from doorkey.service.exchange import ID
from doorkey.service.failure import Refusal
from doorkey.service.threshold import accepted, destination, passed_in, passed_out
from doorkey.upload import KEPT, Upload

if TYPE_CHECKING:
    from doorkey.answer import Answer
    from doorkey.provider import Site
    from doorkey.runtime import Runtime

log = logging.getLogger(__name__)

HARMLESS = ("GET", "HEAD", "OPTIONS")
"""Methods that may be sent twice even when the first may have arrived (RFC 9110, section 9.2.1)."""
AT_ONCE = 64 * 1024
"""Bytes of a body that are read before it is sent on."""
DRESSED = ("application/x-www-form-urlencoded", "application/json")
"""Bodies that a provider may put a token into: read whole, up to what is kept of any body."""


def door_routes(runtime: Runtime) -> list[web.RouteDef]:
    async def enter(request: web.Request) -> web.StreamResponse:
        name, path = destination(request.raw_path)
        if request.method in ("TRACE", "CONNECT"):
            # TRACE would show the session's cookies.
            raise Refusal(405, "method_not_allowed", f"{request.method} does not go through the door")
        asked = await _asked(request, path)
        try:
            # No limit on the whole: an answer or an upload of any size may take its time, as long as it moves.
            async with await runtime.send(name, asked, timeout=math.inf) as answer:
                return await _given(request, runtime.sites[name], answer)
        finally:
            if isinstance(asked.body, Upload):
                await asked.body.aclose()

    return [web.route("*", "/site/{tail:.*}", enter)]


async def _asked(request: web.Request, path: str) -> Request:
    headers = request.headers
    return Request(
        url=path,
        method=request.method,
        what=f"{request.method} through the door",
        headers=passed_in(headers),
        accept=headers.get("accept", "*/*"),
        expects=insists_on(headers.get("accept", "")),
        body=await _body(request),
        repeatable=request.method in HARMLESS,
        encodings=accepted(headers),
    )


async def _body(request: web.Request) -> bytes | Upload | None:
    if not request.body_exists:
        return None
    length = request.content_length
    if length is not None and length <= (KEPT if request.content_type in DRESSED else AT_ONCE):
        return await request.read()
    return Upload(request.content.iter_any(), length)


async def _given(request: web.Request, site: Site, answer: Answer[bytes]) -> web.StreamResponse:
    """The site's answer, given on as it comes."""
    headers = CIMultiDict(passed_out(answer.head, site))
    headers.extend(origin_headers(answer))
    if not answer.verdict:
        headers["x-doorkey-verdict"] = answer.verdict.kind.value
    body = answer.body
    if body is not None:
        return web.Response(status=answer.head.status, headers=headers, body=body)
    response = web.StreamResponse(status=answer.head.status, headers=headers)
    await response.prepare(request)
    try:
        async for piece in answer.pieces():
            await response.write(piece)
    except DoorkeyError as error:
        # The status is out: what is cut here has to look cut there.
        log.info("%s %s: %s", request[ID], error.code, error)
        if request.transport is not None:
            request.transport.close()
        return response
    await response.write_eof()
    return response
