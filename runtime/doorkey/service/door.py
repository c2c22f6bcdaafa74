"""`ANY /site/{name}/{path}`: the door, a reverse proxy into a configured site that adds the session."""

from __future__ import annotations

import logging
import math
from typing import TYPE_CHECKING

from aiohttp import web
from multidict import CIMultiDict

from doorkey.errors import DoorkeyError
from doorkey.model.request import Request, insists_on, is_json
from doorkey.model.upload import KEPT, Upload
from doorkey.service.chat import origin_headers
from doorkey.service.client_writer import ClientWriter
from doorkey.service.door_headers import accepted, destination, passed_in, passed_out
from doorkey.service.failure import Refusal
from doorkey.service.request_keys import ID

if TYPE_CHECKING:
    from doorkey.engine.answer import Answer
    from doorkey.model.site import Site
    from doorkey.runtime import Runtime

log = logging.getLogger(__name__)

HARMLESS = ("GET", "HEAD", "OPTIONS")
"""Methods that may be sent twice even when the first may have arrived (RFC 9110, section 9.2.1)."""
AT_ONCE = 64 * 1024
"""Bytes of a body that are read before it is sent on."""
FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")


def door_routes(runtime: Runtime, unread: float) -> list[web.RouteDef]:
    async def enter(request: web.Request) -> web.StreamResponse:
        name, path = destination(request.raw_path)
        if request.method in ("TRACE", "CONNECT"):
            # TRACE would show the session's cookies.
            raise Refusal(405, "method_not_allowed", f"{request.method} does not go through the door")
        body = await _body(request) if request.body_exists else None
        try:
            # No limit on the whole: an answer or an upload of any size may take its time, as long as it moves.
            answer = await runtime.send(name, _asked(request, path, body), timeout=math.inf)
            whole = _whole(runtime.sites[name], answer)
            if whole is not None:
                return whole
            async with answer:
                return await _streamed(ClientWriter(request, unread), runtime.sites[name], answer)
        finally:
            if isinstance(body, Upload):
                await body.aclose()

    return [web.route("*", "/site/{tail:.*}", enter)]


def _asked(request: web.Request, path: str, body: bytes | Upload | None) -> Request:
    headers = request.headers
    return Request(
        url=path,
        method=request.method,
        what=f"{request.method} through the door",
        headers=passed_in(headers),
        accept=headers.get("accept", "*/*"),
        expects=insists_on(headers.get("accept", "")),
        body=body,
        repeatable=request.method in HARMLESS,
        encodings=accepted(headers),
    )


async def _body(request: web.Request) -> bytes | Upload:
    length = request.content_length
    # Forms and JSON are read whole, up to what is kept of any body: a provider may put a token into them.
    may_change = request.content_type in FORMS or is_json(request.content_type)
    if length is not None and length <= (KEPT if may_change else AT_ONCE):
        return await request.read()
    return Upload(request.content.iter_any(), length)


def _whole(site: Site, answer: Answer[bytes]) -> web.Response | None:
    """The site's answer, where all of it has come already."""
    body = answer.body
    return None if body is None else web.Response(status=answer.head.status, headers=_headers(site, answer), body=body)


async def _streamed(reader: ClientWriter, site: Site, answer: Answer[bytes]) -> web.StreamResponse:
    """The site's answer, given on as it comes."""
    response = web.StreamResponse(status=answer.head.status, headers=_headers(site, answer))
    await response.prepare(reader.request)
    try:
        async for piece in answer.pieces():
            await reader.give(response, piece)
    except DoorkeyError as error:
        # The status is out: what is cut here has to look cut there.
        log.info("%s %s: %s", reader.request[ID], error.code, error)
        if reader.request.transport is not None:
            reader.request.transport.close()
        return response
    await reader.end(response)
    return response


def _headers(site: Site, answer: Answer[bytes]) -> CIMultiDict[str]:
    headers = CIMultiDict([*passed_out(answer.head, site), *origin_headers(answer).items()])
    if not answer.verdict:
        headers["x-doorkey-verdict"] = answer.verdict.kind.value
    return headers
