"""The service's middleware: request ids, admission, failures in one shape, and one log line for each request."""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from time import monotonic
from typing import Any

from aiohttp import web
from aiohttp.http import HttpVersion10, HttpVersion11, RawRequestMessage
from aiohttp.typedefs import Handler, Middleware
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from doorkey.errors import DoorkeyError
from doorkey.model.request import MiB
from doorkey.rate.limiter import CALLER
from doorkey.service.access import ACCESS
from doorkey.service.admission import CORS, Rules
from doorkey.service.client_writer import cut
from doorkey.service.dashboard.history import History
from doorkey.service.failure import BROKEN_BODY, STOPPED, UNEXPECTED, Failure, Refusal, failure_of, failure_of_http
from doorkey.service.log_format import FIELDS, write_path
from doorkey.service.metrics import ServiceMetrics
from doorkey.service.running import RunningRequests

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Begun:
    """An answer whose head is out, so that its status can't change.

    `tell` makes the last event of a stream that fails. None: the connection is cut instead.
    """

    response: web.StreamResponse
    tell: Callable[[Failure], bytes] | None


BEGUN = web.RequestKey("BEGUN", Begun)
"""Set as soon as the head of a streamed answer is out."""
ID = web.RequestKey("ID", str)
"""The request's id. It stands on the answer and in each line of the log."""
PLAIN = 1
"""How many RequestKeys a request has of which only the ID is set. aiohttp looks for one that is not set by an
exception, so its cost is saved where the number says that there is none."""
ONCE = web.RequestKey("ONCE", bool)
"""Whether a client must not repeat the request by itself: an image that failed may have been drawn all the same."""
EXPECT = web.RequestKey("EXPECT", str)
"""The `Expect` header of a request whose client waits before it sends the body."""
UNKNOWN_VERSION = web.RequestKey("UNKNOWN_VERSION", bool)
"""Set for a version of HTTP that this service doesn't speak."""
UNKNOWN_CODING = web.RequestKey("UNKNOWN_CODING", bool)
"""Set for a Transfer-Encoding other than chunked: nobody would undo it."""
VERSIONS = (HttpVersion10, HttpVersion11)
BASE_PATH = web.AppKey("BASE_PATH", str)
"""The path under which a proxy offers the service; empty for none."""
UNTYPED = web.RequestKey("UNTYPED", bool)
"""Set where the answer has no Content-Type and must not get one."""
BODY_LIMIT = 8 * MiB
NEVER_QUEUED = ("/healthz", "/readyz", "/metrics")
"""Paths that tell how the service is, above all when it is busy."""


def guard(rules: Rules, running: RunningRequests, metrics: ServiceMetrics, history: History) -> Middleware:
    """Return the service's only middleware: each one more would cost every request."""

    @web.middleware
    async def guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
        began, status, site = monotonic(), 0, ""
        identify(request)
        task = request.task
        full = running.add(task)
        history.begin(request[ID])
        try:
            try:
                if len(request) > PLAIN:
                    _refuse_unknown(request)
                response: web.StreamResponse | None = rules.admit(request)
                if response is None:
                    if full and request.path not in NEVER_QUEUED:
                        await running.wait_turn()
                    if len(request) > PLAIN and EXPECT in request:
                        await _ask_for_body(request)
                    response = await handler(request)
            except asyncio.CancelledError:
                if not running.stopped or _has_left(request):
                    raise
                task.uncancel()
                response = await _tell(request, STOPPED)
            except Exception as error:  # noqa: BLE001 - the outermost handler of a request: logged, and told in the error shape
                response = await _tell(request, _failure(request, error))
                if _has_left(request):
                    return response
            status, site = response.status, response.headers.get("x-doorkey-site", "")
            return response
        finally:
            took = monotonic() - began
            running.remove(task, took)
            # The template, not the path: what a caller types into an address that is no site's may be a secret.
            resource = request.match_info.route.resource
            route = resource.canonical if resource is not None else "-"
            metrics.count(route, site, status, took)
            key = request[ACCESS].name if len(request) > PLAIN and ACCESS in request else ""
            history.end(request[ID], method=request.method, route=route, status=status, site=site, took=took, key=key)
            if log.isEnabledFor(logging.INFO):
                fields = {"method": request.method, "route": route, "status": status, "site": site, "took": took}
                path = write_path(request.match_info.get("tail", "")) if site else ""
                if path:
                    fields["path"] = path
                if key:
                    fields["key"] = key
                where = f"/site/{path}" if path else f"{route} {site}".rstrip()
                told = (request[ID], request.method, where, status or "left", took)
                log.info("%s %s %s %s %.3f s", *told, extra={FIELDS: fields})

    return guarded


def _refuse_unknown(request: web.Request) -> None:
    if UNKNOWN_VERSION in request:
        raise Refusal(505, "http_version_not_supported", "HTTP/1.1 or HTTP/1.0 was expected, another version came")
    if UNKNOWN_CODING in request:
        message = "no Transfer-Encoding but chunked is known here: compress by Content-Encoding"
        raise Refusal(501, "unsupported_transfer_encoding", message)


def identify(request: web.Request) -> None:
    """Give the request an id: the client's own `x-request-id` if it is a plain one."""
    given = request.headers.get("x-request-id")
    if not given or not re.fullmatch(r"[A-Za-z0-9._-]{1,64}", given):
        given = f"{_start()}{next(_numbers):016x}"  # new_id, which every request would call
    request[ID] = given
    CALLER.set(given)


@cache
def _start() -> str:
    """Return what the ids of this process begin with. Workers are forked before they need one: each has its own."""
    return os.urandom(8).hex()


_numbers = itertools.count()


def new_id() -> str:
    """Return an id that no other request has, in this process or another."""
    return f"{_start()}{next(_numbers):016x}"


async def sign(request: web.Request, response: web.StreamResponse) -> None:
    """Add the headers that every answer carries (aiohttp's `on_response_prepare`)."""
    response.headers["x-request-id"] = request[ID]
    if len(request) == PLAIN:
        return
    if UNTYPED in request:
        response.headers.popall("Content-Type", None)
    if CORS in request:
        response.headers.update(request[CORS])
        add_vary(response, "Origin")


def add_vary(response: web.StreamResponse, name: str) -> None:
    """Append *name* to the answer's Vary, which may have names already (RFC 9110, section 12.5.5)."""
    named = [part.strip() for value in response.headers.getall("Vary", ()) for part in value.split(",") if part.strip()]
    if "*" not in named and name.lower() not in (each.lower() for each in named):
        response.headers["Vary"] = ", ".join([*named, name])


def normalize(
    message: RawRequestMessage, base_path: str = ""
) -> tuple[RawRequestMessage, dict[web.RequestKey[Any], Any]]:
    """Take out of *message* what aiohttp would act on before the guard; return it as keys for the request.

    aiohttp sends `100 Continue` before the key is checked, and answers HTTP/7.3 in HTTP/7.3. *base_path* is taken off
    the path, if the path has it.
    """
    kept: dict[web.RequestKey[Any], Any] = {}
    if base_path and re.match(rf"{re.escape(base_path)}(?=[/?]|$)", message.path):
        path = message.path.removeprefix(base_path)
        path = path if path.startswith("/") else f"/{path}"
        plain = URL.build(path=path.partition("?")[0], query_string=path.partition("?")[2], encoded=True)
        message = message._replace(path=path, url=plain)
    if message.version not in VERSIONS:
        message, kept[UNKNOWN_VERSION] = message._replace(version=HttpVersion11, should_close=True), True
    if message.chunked:
        codings = ",".join(message.headers.getall("Transfer-Encoding", ())).lower().split(",")
        if [coding.strip() for coding in codings if coding.strip()] != ["chunked"]:
            message, kept[UNKNOWN_CODING] = message._replace(should_close=True), True
    expect = message.headers.get("Expect")
    if expect is not None:
        headers = CIMultiDict(message.headers)
        del headers["Expect"]
        message, kept[EXPECT] = message._replace(headers=CIMultiDictProxy(headers)), expect
    return message, kept


async def _ask_for_body(request: web.Request) -> None:
    """Send `100 Continue` to a client that waits for it (RFC 9110, section 10.1.1)."""
    if request.version != HttpVersion11 or request.match_info.http_exception is not None:
        return
    if request[EXPECT].strip().lower() != "100-continue":
        raise Refusal(417, "expectation_failed", "Expect: 100-continue was expected, something else came")
    await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    request.writer.output_size = 0  # the answer itself has not begun
    del request[EXPECT]


def _failure(request: web.Request, error: Exception) -> Failure:
    """Return what the client is told about *error*."""
    match error:
        case Refusal():
            return error.failure
        case DoorkeyError():
            log.info("%s %s: %s", request[ID], error.code, error)
            return failure_of(error, repeatable=ONCE not in request)
        case web.RequestPayloadError():
            return BROKEN_BODY
        case web.HTTPException():
            return failure_of_http(error, request.path, BODY_LIMIT)
        case ConnectionResetError() if _has_left(request):
            log.debug("%s the client has left", request[ID])
        case _:
            log.error("%s failed", request[ID], exc_info=error)
    return UNEXPECTED


async def _tell(request: web.Request, failure: Failure) -> web.StreamResponse:
    """Return *failure* in the error shape. A stream that has begun ends with it as its last event, or is cut."""
    begun: Begun | None = request.get(BEGUN)
    if begun is None:
        response = failure.response(request.path)
        if EXPECT in request:
            response.force_close()  # whether the body still comes is not known
        return response
    if _has_left(request):
        return begun.response
    if begun.tell is None:
        cut(request)
    else:
        await begun.response.write(begun.tell(failure))
        # Without the end of the chunks: a client that takes no notice of the event sees a stream that broke off.
        if request.transport is not None:
            request.transport.close()
    return begun.response


def _has_left(request: web.Request) -> bool:
    return request.transport is None or request.transport.is_closing()
