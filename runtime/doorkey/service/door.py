"""`ANY /site/{name}/{path}`: the door, a reverse proxy into a configured site that adds the site's session."""

from __future__ import annotations

import logging
import math
from dataclasses import replace
from typing import TYPE_CHECKING

from aiohttp import web
from multidict import CIMultiDict

from doorkey.engine.answer import Answer, origin_headers
from doorkey.errors import DoorkeyError
from doorkey.model.request import SAFE_METHODS, Request, insists_on, is_json
from doorkey.model.upload import KEPT, Upload
from doorkey.model.verdict import OK
from doorkey.service.body import read_whole
from doorkey.service.client_writer import ClientWriter, cut
from doorkey.service.door_headers import destination, passed_in, passed_out, readable_codings
from doorkey.service.door_websocket import asks_websocket, pass_messages, read_subprotocols
from doorkey.service.failure import Refusal
from doorkey.service.middleware import BASE_PATH, BEGUN, ID, UNTYPED, Begun

if TYPE_CHECKING:
    from doorkey.model.site import Site
    from doorkey.runtime import Runtime

log = logging.getLogger(__name__)

AT_ONCE = 64 * 1024
"""Bytes of a body that are read before it is sent on."""
FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")


def door_routes(runtime: Runtime, unread: float) -> list[web.RouteDef]:
    async def enter(request: web.Request) -> web.StreamResponse:
        name, path = destination(request.raw_path)
        if request.method in ("TRACE", "CONNECT"):
            # TRACE would show the session's cookies.
            raise Refusal(405, "method_not_allowed", f"{request.method} does not go through the door")
        if "Upgrade" in request.headers and asks_websocket(request):
            return await _connect(request, name, path)
        body = await _read_body(request) if request.body_exists else None
        try:
            # No limit on the whole: an answer or an upload of any size may take its time, as long as it moves.
            answer = await runtime.send(name, _make_request(request, path, body), timeout=math.inf)
            return await _deliver(request, runtime.sites[name], answer, unread)
        except DoorkeyError:
            if isinstance(body, Upload) and body.failure is not None:
                raise body.failure from None  # the client's own fault: what the site got was not the whole request
            raise
        finally:
            if isinstance(body, Upload):
                await body.aclose()

    async def _connect(request: web.Request, name: str, path: str) -> web.StreamResponse:
        """Open a WebSocket at the site. If it still refuses after a renewal, the client gets its answer."""
        asked = replace(_make_request(request, path, None), websocket=read_subprotocols(request), repeatable=True)
        answer = await runtime.send(name, asked, timeout=math.inf)
        async with answer:
            if answer.websocket is not None:
                return await pass_messages(request, answer.websocket, origin_headers(answer), unread)
            return await _deliver(request, runtime.sites[name], answer, unread)

    return [web.route("*", "/site/{tail:.*}", enter)]


def _make_request(request: web.Request, path: str, body: bytes | Upload | None) -> Request:
    headers = request.headers
    return Request(
        url=path,
        method=request.method,
        what=f"{request.method} through the door",
        headers=passed_in(headers),
        accept=headers.get("accept", "*/*"),
        expects=insists_on(headers.get("accept", "")),
        body=body,
        repeatable=request.method in SAFE_METHODS,
        encodings=readable_codings(headers.get("accept-encoding", "")),
    )


async def _read_body(request: web.Request) -> bytes | Upload:
    """Return a short body, or one that may need a token, whole; any other as it comes."""
    length = request.content_length
    # A provider may put a token into a form or JSON. Those are read whole, up to what is kept of any body.
    may_change = request.content_type in FORMS or is_json(request.content_type)
    if length is not None and length <= (KEPT if may_change else AT_ONCE):
        return await read_whole(request)
    return Upload(request.content.iter_any(), length)


async def _deliver(request: web.Request, site: Site, answer: Answer[bytes], unread: float) -> web.StreamResponse:
    """Pass the site's answer on: whole if all of it has come already, else as it comes."""
    passed = passed_out(answer.head, site, request.app[BASE_PATH])
    headers = CIMultiDict([*passed, *origin_headers(answer).items()])
    if answer.verdict is not OK and not answer.verdict:
        headers["x-doorkey-verdict"] = answer.verdict.kind.value
    if "content-type" not in headers:
        request[UNTYPED] = True
    body = answer.body
    if body is not None:
        return web.Response(status=answer.head.status, headers=headers, body=body)
    response = web.StreamResponse(status=answer.head.status, headers=headers)
    async with answer:
        await _stream(ClientWriter(request, unread), response, answer)
    return response


async def _stream(writer: ClientWriter, response: web.StreamResponse, answer: Answer[bytes]) -> None:
    request = writer.request
    await response.prepare(request)
    request[BEGUN] = Begun(response, None)
    try:
        async for piece in answer.pieces():
            await writer.write(response, piece)
    except DoorkeyError as error:
        # The status is out: an answer that was cut at the site has to look cut to the client.
        log.info("%s %s: %s", request[ID], error.code, error)
        cut(request)
        return
    await writer.end(response)
