"""Tells a client what is wrong with a request that is no HTTP, without repeating any of it."""

from __future__ import annotations

import logging

from aiohttp import web
from aiohttp.http import HttpProcessingError
from aiohttp.http_exceptions import BadHttpMethod, LineTooLong

from doorkey.service.failure import Failure
from doorkey.service.middleware import new_id

log = logging.getLogger(__name__)

KiB = 1024
LINE_LIMIT = 64 * KiB
"""Bytes of a request's URL."""
FIELD_LIMIT = LINE_LIMIT + 256
"""Bytes of a header: a value of 64 KiB, and its name."""

NO_HTTP = "the request is no HTTP that can be read: {}. Requests as RFC 9112 describes them were expected"


def failure_of_protocol(status: int, error: BaseException | None) -> Failure:
    """Return what a client is told about *error*, which the parser raised. Its text is never used."""
    match error:
        case LineTooLong(args=(_, limit, *_)) if limit == LINE_LIMIT:
            return Failure(414, f"the URL is longer than {LINE_LIMIT} bytes", "uri_too_long")
        case LineTooLong():
            return Failure(431, f"a header is longer than {LINE_LIMIT} bytes", "header_too_long")
        case BadHttpMethod():
            return Failure(400, NO_HTTP.format("its first line is none"), "invalid_http")
        case HttpProcessingError():
            return Failure(400, NO_HTTP.format(_describe(error.message)), "invalid_http")
        case None:
            return Failure(status, "the request was not answered in time", "timeout")
        case _:
            log.error("a request failed outside its middleware: %s", type(error).__name__)
            return Failure(500, "doorkey failed unexpectedly; its log says where", "server_error")


FAULTS = {
    "Missing 'Host'": "it has no Host header",
    "Duplicate 'Host'": "it has more than one Host header",
    "Duplicate '": "a header that may stand there once stands there twice",
    "Too many headers": "it has more headers than 128",
    "Invalid HTTP header": "a header holds a character that may not stand there",
    "Content-Length can't be present": "it has both Content-Length and Transfer-Encoding",
    "Transfer-Encoding can't be present": "it has both Content-Length and Transfer-Encoding",
    "Invalid character in Content-Length": "its Content-Length is no number",
    "Content-Length": "its Content-Length can't be right",
    "Transfer-Encoding": "its Transfer-Encoding does not end in chunked",
    "Request has invalid `Transfer-Encoding`": "its Transfer-Encoding does not end in chunked",
    "Invalid character in chunk size": "the size of a chunk is no number",
    "Invalid HTTP version": "its version is not HTTP/1.0 or HTTP/1.1",
}
"""What the parser's messages begin with, and what a client is told for each. Their rest repeats what came."""


def _describe(message: str) -> str:
    starts = (start for start in FAULTS if message.lstrip().startswith(start))
    return FAULTS.get(next(starts, ""), "a line or a header is malformed")


def write_raw(failure: Failure) -> bytes:
    """Return *failure* as a whole answer, for a client whose request has no answer to write to."""
    body = failure.body()
    head = (
        f"HTTP/1.1 {failure.status} {web.Response(status=failure.status).reason}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\nConnection: close\r\n"
        f"x-request-id: {new_id()}\r\n\r\n"
    )
    return head.encode() + body
