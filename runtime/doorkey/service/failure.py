"""What a failure looks like to a client: its status, its error object, and whether trying again can help."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from aiohttp import web

from doorkey.errors import (
    Blocked,
    Changed,
    ConfigurationError,
    DoorkeyError,
    EmptyAnswer,
    MayHaveArrived,
    NeedsPerson,
    QuotaReached,
    RateLimited,
    RequestError,
    SessionEnded,
    SessionRefused,
    SiteDown,
)

LONGEST_RETRY = 60
"""Seconds. OpenAI's SDKs wait as long as Retry-After says up to this, and ignore what is longer."""
UNREACHED_RETRY = 5
"""Seconds after which a request that did not reach its site may be sent again."""
ONCE_ONLY = (MayHaveArrived, SessionEnded)
"""Failures of a request that may have done its work: a client that repeats it by itself may do it twice."""
HOPELESS = (
    Blocked,
    Changed,
    ConfigurationError,
    EmptyAnswer,
    NeedsPerson,
    SessionRefused,
)
"""Failures that the same request meets again when it is sent again at once."""
ANTHROPIC_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
}
"""Anthropic's types of errors, by status. Other statuses below 500 are `invalid_request_error`, all others `api_error`.
"""
ANTHROPIC_PATH = re.compile(r"(/v1)?/messages(/|$)")
"""The paths whose clients read errors in Anthropic's shape."""


@dataclass(frozen=True, slots=True)
class Failure:
    """What the client is told. `message` holds no secret; `param` names the field of the request that is at fault."""

    status: int
    message: str
    code: str
    param: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def type(self) -> str:
        kinds = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
        return kinds.get(self.status, "server_error" if self.status >= 500 else "invalid_request_error")

    def body(self) -> bytes:
        """Return the error object as JSON."""
        error = {"message": self.message, "type": self.type, "param": self.param, "code": self.code}
        return json.dumps({"error": error}).encode()

    def anthropic_body(self) -> bytes:
        """Return the error object as Anthropic's clients read it, with OpenAI's fields beside."""
        kind = ANTHROPIC_TYPES.get(self.status, "api_error" if self.status >= 500 else "invalid_request_error")
        error = {"type": kind, "message": self.message, "param": self.param, "code": self.code}
        return json.dumps({"type": "error", "error": error}).encode()

    def response(self, path: str) -> web.Response:
        """Return the answer, in the shape that clients of *path* read."""
        body = self.anthropic_body() if ANTHROPIC_PATH.match(path) else self.body()
        return web.Response(status=self.status, body=body, content_type="application/json", headers=dict(self.headers))

    def event(self) -> bytes:
        """Return the last event of an OpenAI stream that failed on its way. No `[DONE]` follows it."""
        return b"data: " + self.body() + b"\n\n"


class Refusal(Exception):
    """The service itself refuses the request, whatever the sites would say."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        param: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.failure = Failure(status, message, code, param, headers or {})


UNEXPECTED = Failure(
    500,
    "doorkey failed unexpectedly; its log has the traceback, under this answer's x-request-id",
    "server_error",
    headers={"x-should-retry": "false"},
)
STOPPED = Failure(
    503,
    "the service was stopped before the answer was complete; send the request again when it runs",
    "service_stopped",
    headers={"x-should-retry": "false"},
)
BROKEN_BODY = Failure(
    400,
    "the body can't be read: chunks as RFC 9112 describes them, or as many bytes as Content-Length says, were expected",
    "invalid_body",
    headers={"Connection": "close"},
)


def failure_of(error: DoorkeyError, *, repeatable: bool = True) -> Failure:
    """Return what a client is told about *error*. *repeatable*: the request may be sent twice (an image's may not)."""
    param = error.param if isinstance(error, RequestError) else None
    headers = _advice(error) if error.status == 429 or error.status >= 500 else {}
    if not repeatable and error.status >= 429:
        headers["x-should-retry"] = "false"
    if error.site:
        headers["x-doorkey-site"] = error.site
    if isinstance(error, SessionEnded) and error.answer_status is not None:
        headers["x-doorkey-answer-status"] = str(error.answer_status)
    return Failure(error.status, error.message, error.code, param, headers)


def _advice(error: DoorkeyError) -> dict[str, str]:
    if isinstance(error, ONCE_ONLY):
        return {"x-should-retry": "false"}
    after = error.retry_after
    if after is None and isinstance(error, RateLimited):
        after = LONGEST_RETRY  # The site limits its rate without saying for how long.
    if after is None and isinstance(error, SiteDown) and not error.arrived:
        after = UNREACHED_RETRY
    headers = {} if after is None else {"Retry-After": str(max(1, math.ceil(after)))}
    too_long = after is not None and after > LONGEST_RETRY
    if too_long or isinstance(error, HOPELESS) or (after is None and isinstance(error, QuotaReached)):
        headers["x-should-retry"] = "false"
    return headers


def failure_of_http(error: web.HTTPException, path: str, limit: int) -> Failure:
    """Return what a client is told about a refusal of aiohttp's: no such path, a wrong method, a body too large."""
    match error:
        case web.HTTPMethodNotAllowed():
            allowed = ", ".join(sorted(error.allowed_methods))
            message = f"{path[:200]} takes {allowed}, not {error.method[:20]}"
            return Failure(405, message, "method_not_allowed", headers={"Allow": allowed})
        case web.HTTPRequestEntityTooLarge():
            return too_large(limit)
        case web.HTTPNotFound():
            known = (
                "/v1/models, /v1/chat/completions, /v1/completions, /v1/responses, /v1/messages, "
                "/v1/images/generations, /site/NAME/…, /api/sites, /healthz, /readyz, /metrics, /docs, "
                "and the dashboard at /"
            )
            return Failure(404, f"nothing is at {path[:200]}; there is {known}", "not_found")
        case _:
            return Failure(error.status, f"the request was refused: {error.reason}", "invalid_request")


def too_large(limit: int) -> Failure:
    return Failure(413, f"the body is larger than {limit} bytes, the most this service takes", "too_large")
