"""Reads a request's body, within limits of size and time."""

from __future__ import annotations

import asyncio
import json
import re
import zlib
from collections.abc import Mapping
from typing import Any, NoReturn

from aiohttp import web

from doorkey.errors import RequestError
from doorkey.model.chat import kind_of
from doorkey.service.failure import Refusal, too_large
from doorkey.service.middleware import BODY_LIMIT

PIECE = web.AppKey("PIECE", float)
"""Seconds a client may take for the next piece of a body that is read whole: `PIECE_LIMIT`, unless the app says."""
PIECE_LIMIT = 30.0
WHOLE = 300.0
"""Seconds a client may take for all of such a body."""
LONE_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS


async def read_object(request: web.Request) -> Mapping[str, Any]:
    """Return the request's body, a JSON object.

    Raises Refusal 415 for another type or an unknown compression, 413 for a body past 8 MiB, RequestError for what is
    no JSON object.
    """
    if request.content_type != "application/json":
        came = request.headers.get("Content-Type", "none")[:80]
        raise Refusal(415, "unsupported_media_type", f"Content-Type: application/json was expected, {came} came")
    body = await read_whole(request)
    if "Content-Encoding" in request.headers:
        body = _unpack(body, request.headers["Content-Encoding"].strip().lower())
    try:
        data = json.loads(body, parse_constant=_refuse_constant)
        if LONE_SURROGATE.search(body):
            json.dumps(data, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise RequestError("the body holds half of a surrogate pair (\\ud800 to \\udfff): that is no text") from error
    except RecursionError as error:
        raise RequestError("the body is nested too deeply") from error
    except ValueError as error:
        where = f" (line {error.lineno}, column {error.colno})" if isinstance(error, json.JSONDecodeError) else ""
        raise RequestError(f"the body was expected to be JSON in UTF-8, and is not{where}") from error
    if not isinstance(data, dict):
        raise RequestError(f"the body must be an object, not {kind_of(data)}")
    return data


async def read_whole(request: web.Request) -> bytes:
    """Return the whole body. Raises Refusal 413 past 8 MiB, 408 when it comes too slowly."""
    content = request.content
    if content.is_eof() and not content.at_eof():
        whole = await request.read()
        if len(whole) > BODY_LIMIT:
            _refuse_too_large()
        return whole
    if (request.content_length or 0) > BODY_LIMIT:
        _refuse_too_large()
    body, piece = bytearray(), request.app.get(PIECE, PIECE_LIMIT)
    try:
        async with asyncio.timeout(WHOLE):
            while not content.at_eof():
                async with asyncio.timeout(piece):
                    body += await content.readany()
                if len(body) > BODY_LIMIT:
                    _refuse_too_large()
    except TimeoutError:
        message = f"the body came too slowly: a piece within {piece:g} s and all of it within {WHOLE:g} s were expected"
        raise Refusal(408, "request_timeout", message, headers={"Connection": "close"}) from None
    return bytes(body)


def _refuse_too_large() -> NoReturn:
    raise Refusal(413, "too_large", too_large(BODY_LIMIT).message)


def _unpack(body: bytes, coding: str) -> bytes:
    """Return *body* without its compression. What it grows to counts for the limit, too."""
    if coding in ("", "identity"):
        return body
    if coding not in ("gzip", "x-gzip", "deflate"):
        message = "a body without Content-Encoding, or in gzip or deflate, was expected; it came in another"
        raise Refusal(415, "unsupported_content_encoding", message, headers={"Accept-Encoding": "gzip, deflate"})
    unpacker = zlib.decompressobj(GZIP_OR_ZLIB)
    try:
        plain = unpacker.decompress(body, BODY_LIMIT + 1)
    except zlib.error as error:
        raise RequestError(f"Content-Encoding says {coding}, but the body can't be unpacked as that") from error
    if not unpacker.eof and len(plain) <= BODY_LIMIT:
        raise RequestError(f"Content-Encoding says {coding}, and the body ends before its end")
    if len(plain) > BODY_LIMIT:
        _refuse_too_large()
    return plain


def _refuse_constant(name: str) -> None:
    """Refuse NaN and the infinities, which Python's reader takes and JSON doesn't know."""
    raise ValueError(name)
