"""The body of a request in the form that aiohttp sends."""

from __future__ import annotations

import io
import json
from typing import Any

import aiohttp

from doorkey.errors import RequestError
from doorkey.model.request import MiB, Request

COMPACT = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


def encode_body(request: Request) -> tuple[Any, str | None]:
    """Return the body of *request* in a form that aiohttp sends, and its media type if *request* implies one.

    Raises RequestError for text that can't be encoded.
    """
    try:
        return _encode(request)
    except UnicodeEncodeError as error:
        raise RequestError(f"{request.what} holds a lone surrogate: text has to be encodable as UTF-8") from error


def _encode(request: Request) -> tuple[Any, str | None]:
    if request.form is not None:
        form = aiohttp.FormData(list(request.form.items()))
        return form(), "application/x-www-form-urlencoded"
    if request.parts is not None:
        # Not by aiohttp's FormData, which makes a file of every field of bytes.
        several = aiohttp.MultipartWriter("form-data")
        for part in request.parts:
            piece = aiohttp.get_payload(_split(part.data), content_type=part.media_type)
            if part.filename is None:
                piece.set_content_disposition("form-data", name=part.name)
            else:
                piece.set_content_disposition("form-data", name=part.name, filename=part.filename)
            several.append_payload(piece)
            piece.headers.popall("content-length", None)
        return several, several.content_type
    if request.json is not None:
        return _split(COMPACT.encode(request.json).encode()), "application/json"
    return _split(request.body) if isinstance(request.body, bytes) else request.body, None


def _split(body: bytes) -> bytes | io.BytesIO:
    # Written in pieces: one large write would block all other requests.
    return body if len(body) <= MiB else io.BytesIO(body)
