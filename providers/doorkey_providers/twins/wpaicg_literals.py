"""The answers of AI Power, byte for byte, by generation and mode, with what each means.

Observed on real WordPress with 1.7.14, 1.8.79, 1.9.18 and 2.4.71; the rows of 2.x in mode "json" follow its source.
Pure data: the twins send these rows, the plugin of the real WordPress sends them, and the provider has to read them.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from doorkey import Kind

JSON = "application/json; charset=UTF-8"
STREAM = "text/event-stream"
HTML = "text/html; charset=UTF-8"
ANSWER = "Grüße 😀, one two"
"""The text of every successful answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One answer. `mode`: what the page says will come, "json" or "stream". `step`: the request it answers.

    Steps: "message" (all but a 2.x stream), and of a 2.x stream "cache" (the POST) and "stream" (the GET after it).
    `text` is what a caller may have been given when the verdict is known; an error's own words are never in it.
    """

    case: str
    generation: str
    mode: str
    step: str = "message"
    status: int = 200
    content_type: str = JSON
    body: bytes = field(repr=False)
    kind: Kind
    text: str = ""

    @property
    def name(self) -> str:
        return " ".join((self.case, self.generation, self.mode, *([self.step] if self.step != "message" else [])))


SUCCESS = '{"status":"success","msg":"Something went wrong","data":"Grüße 😀, one two","log":0}'.encode()
DIED = (
    b'<!DOCTYPE html>\n<html lang="en-US">\n<head>\n'
    b'<meta http-equiv="Content-Type" content="text/html; charset=UTF-8" />\n'
    b'<meta name="viewport" content="width=device-width">\n'
    b"<meta name='robots' content='max-image-preview:large, noindex, follow' />\n"
    b"<title>Something went wrong.</title>\n</head>\n"
    b'<body id="error-page">\n\t<div class="wp-die-message">The link you followed has expired.</div></body>\n</html>\n'
)
DIED_BARE = b"The link you followed has expired."
"""What WordPress' admin-ajax.php sends a script instead of that page."""
DIED_LATE = DIED.replace(b"</title>\n", b"</title>\n<style>" + b"x" * 8000 + b"</style>\n")
INVALID = b'{"status":"error","msg":"Invalid nonce. This action has been blocked for security reasons."}'
UNVERIFIED = b'{"status":"error","msg":"Nonce verification failed"}'
BACKEND = b'{"status":"error","msg":"The server had an error while processing your request. Sorry about that!"}'
LIMIT = b'{"msg":"You have reached your token limit.","tokenLimitReached":true}'
BANNED = b'{"status":"error","msg":"You are not allowed to use this chat.","ipBanned":true}'
NOTHING = b'{"status":"error","msg":"It appears that nothing was inputted."}'
CHUNKS = (
    'data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1700000000,"model":"gpt-4o",'
    '"choices":[{"index":0,"delta":{"role":"assistant","content":"Grüße 😀,"},"finish_reason":null}]}\n\n'
    'data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1700000000,"model":"gpt-4o",'
    '"choices":[{"index":0,"delta":{"content":" one two"},"finish_reason":null}]}\n\n'
).encode()
END = (
    b'data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1700000000,"model":"gpt-4o",'
    b'"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
    b"data: [DONE]\n\n"
)
BACKEND_FRAME = (
    b'event: message\ndata: {"choices":[{"index":0,"delta":{"content":"The server had an error while processing your '
    b'request. Sorry about that!"},"finish_reason":null}]}\n\n'
)
BACKEND_FRAMES = BACKEND_FRAME * 2 + b'event: message\ndata: {"choices":[{"finish_reason":"stop"}]}\n\n'
EMPTY_TRAILER = b'{"status":"success","msg":"Something went wrong","data":"","log":0}\n'

CACHED = b'{"success":true,"data":{"cache_key":"aipkit_sse_0123456789abcdef"}}'
NONCE_2 = (
    b'{"success":false,"data":{"message":"Your session has expired or the request is invalid. Please refresh the page '
    b'and try again.","code":"nonce_failure_cache_sse"}}'
)
INSECURE_2 = b'{"success":false,"data":{"message":"Security check failed. Please refresh the page and try again."}}'
EMPTY_2 = (
    b'{"success":false,"data":{"message":"Data to cache (message or image) cannot be empty.",'
    b'"code":"empty_data_to_cache"}}'
)
PADDING = b": " + b" " * 2048 + b"\n\n"
START_2 = PADDING + b'event: message_start\ndata: {"message_id":"aipkit-msg-1"}\n\n'
DELTAS_2 = (
    START_2
    + b'event: status\ndata: {"status":"thinking"}\n\ndata: {"delta":""}\n\n'
    + 'data: {"delta":"Grüße 😀,"}\n\ndata: {"delta":" one two"}\n\n'.encode()
)
DONE_2 = b'event: done\ndata: {"finished":true}\n\n'
REPLY_2 = '{"success":true,"data":{"reply":"Grüße 😀, one two","message_id":"aipkit-msg-1"}}'.encode()
QUOTA_NOTICE = b'"quota_notice":{"title":"Limit reached","message":"You have reached your token limit.","actions":[]}'


def error_2(rest: bytes) -> bytes:
    """Return an error event of 2.x."""
    return b"event: error\nid: err-1700000000\ndata: {" + rest + b"}\n\n"


FIRST = (("1.7", "json"), ("1.8", "json"), ("1.8", "stream"), ("1.9", "json"), ("1.9", "stream"))
"""The generations and modes of 1.x."""
EVERY = (*FIRST, ("2.x", "json"), ("2.x", "stream"))
STREAMS = (("1.8", "stream"), ("1.9", "stream"))


def first(case: str, body: bytes, kind: Kind) -> tuple[Row, ...]:
    """Return rows for the same object as JSON and as one frame of a stream."""
    frame = b"data: " + body + b"\n\n"
    return tuple(
        Row(case=case, generation=generation, mode=mode, kind=kind, body=body if mode == "json" else frame,
            content_type=JSON if mode == "json" else STREAM)
        for generation, mode in FIRST
    )  # fmt: skip


GOOD = (
    *(Row(case="answer", generation=g, mode="json", kind=Kind.OK, text=ANSWER, body=SUCCESS)
      for g in ("1.7", "1.8", "1.9")),
    Row(case="answer", generation="1.8", mode="stream", content_type=STREAM, kind=Kind.OK, text=ANSWER,
        body=CHUNKS + END + SUCCESS + b"\n"),
    Row(case="answer", generation="1.9", mode="stream", content_type=STREAM, kind=Kind.OK, text=ANSWER,
        body=CHUNKS + END),
    Row(case="answer", generation="2.x", mode="json", kind=Kind.OK, text=ANSWER, body=REPLY_2),
    Row(case="answer", generation="2.x", mode="stream", step="cache", kind=Kind.OK, body=CACHED),
    Row(case="answer", generation="2.x", mode="stream", step="stream", content_type=STREAM, kind=Kind.OK, text=ANSWER,
        body=DELTAS_2 + DONE_2),
)  # fmt: skip
NONCE = (
    Row(case="nonce", generation="1.7", mode="json", kind=Kind.STALE, body=INVALID),
    *(Row(case="nonce", generation="1.8", mode=m, kind=Kind.STALE, body=UNVERIFIED) for m in ("json", "stream")),
    *(Row(case="nonce", generation="1.9", mode=m, status=403, content_type=HTML, kind=Kind.STALE, body=DIED)
      for m in ("json", "stream")),
    Row(case="nonce", generation="2.x", mode="json", status=403, kind=Kind.STALE, body=INSECURE_2),
    Row(case="nonce", generation="2.x", mode="stream", step="cache", status=403, kind=Kind.STALE, body=NONCE_2),
    Row(case="nonce", generation="2.x", mode="stream", step="stream", content_type=STREAM, kind=Kind.STALE,
        body=PADDING + error_2(b'"error":"Security check failed. Please refresh the page and try again."') + DONE_2),
)  # fmt: skip
FAILED = (
    *(Row(case="bare nonce", generation="1.9", mode=m, status=403, content_type=HTML, kind=Kind.STALE, body=DIED_BARE)
      for m in ("json", "stream")),
    *(Row(case="late nonce", generation="1.9", mode=m, status=403, content_type=HTML, kind=Kind.STALE, body=DIED_LATE)
      for m in ("json", "stream")),
    *(Row(case="backend", generation=g, mode="json", kind=Kind.SITE_DOWN, body=BACKEND) for g in ("1.7", "1.8", "1.9")),
    Row(case="backend", generation="1.8", mode="stream", content_type=STREAM, kind=Kind.SITE_DOWN,
        body=BACKEND_FRAMES + EMPTY_TRAILER),
    Row(case="backend", generation="1.9", mode="stream", content_type=STREAM, kind=Kind.SITE_DOWN, body=BACKEND_FRAMES),
    *(Row(case="backend midway", generation=g, mode=m, content_type=STREAM, kind=Kind.SITE_DOWN, text=ANSWER,
          body=CHUNKS + BACKEND_FRAMES) for g, m in STREAMS),
    Row(case="backend", generation="2.x", mode="json", status=500, kind=Kind.SITE_DOWN,
        body=b'{"success":false,"data":{"message":"The server had an error while processing your request."}}'),
    Row(case="backend", generation="2.x", mode="stream", step="stream", content_type=STREAM, kind=Kind.SITE_DOWN,
        body=START_2 + error_2(b'"error":"The server had an error while processing your request."')),
    Row(case="backend midway", generation="2.x", mode="stream", step="stream", content_type=STREAM, kind=Kind.SITE_DOWN,
        text=ANSWER, body=DELTAS_2 + error_2(b'"error":"The server had an error while processing your request."')),
    *first("quota", LIMIT, Kind.QUOTA),
    *(Row(case="quota marked", generation=g, mode=m, content_type=STREAM, kind=Kind.QUOTA,
          body=b"data: " + LIMIT + b"\n\ndata: [LIMITED]\n\n") for g, m in STREAMS),
    *(Row(case="quota mark alone", generation=g, mode=m, content_type=STREAM, kind=Kind.QUOTA,
          body=b"data: [LIMITED]\n\n") for g, m in STREAMS),
    Row(case="quota", generation="2.x", mode="json", status=429, kind=Kind.QUOTA,
        body=b'{"success":false,"data":{"message":"You have reached your token limit.",' + QUOTA_NOTICE + b"}}"),
    Row(case="quota", generation="2.x", mode="stream", step="stream", content_type=STREAM, kind=Kind.QUOTA,
        body=PADDING + error_2(b'"error":"You have reached your token limit.",' + QUOTA_NOTICE) + DONE_2),
    *first("banned", BANNED, Kind.BLOCKED),
    *(Row(case="empty", generation=g, mode=m, kind=Kind.BLOCKED, body=NOTHING) for g, m in FIRST),
    Row(case="empty", generation="2.x", mode="stream", step="cache", status=400, kind=Kind.BLOCKED, body=EMPTY_2),
    *(Row(case="unknown action", generation=g, mode=m, status=400, content_type=HTML, kind=Kind.CHANGED, body=b"0",
          step="cache" if (g, m) == ("2.x", "stream") else "message") for g, m in EVERY),
    *(Row(case="other plugin", generation=g, mode=m, status=403, content_type=HTML, kind=Kind.BLOCKED, body=b"-1",
          step="cache" if (g, m) == ("2.x", "stream") else "message") for g, m in EVERY),
    *(Row(case="no end mark", generation=g, mode=m, content_type=STREAM, kind=Kind.CUT, text=ANSWER, body=CHUNKS)
      for g, m in STREAMS),
    Row(case="no end mark", generation="2.x", mode="stream", step="stream", content_type=STREAM, kind=Kind.CUT,
        text=ANSWER, body=DELTAS_2),
    *(Row(case="half", generation=g, mode="json", kind=Kind.CHANGED, body=SUCCESS[:60]) for g in ("1.7", "1.8", "1.9")),
    Row(case="half", generation="2.x", mode="json", kind=Kind.CHANGED, body=REPLY_2[:40]),
)  # fmt: skip
ROWS = (*GOOD, *NONCE, *FAILED)


def row(case: str, generation: str, mode: str, step: str = "message") -> Row:
    """Return the row of these four. Raises LookupError if that generation has no such answer in this mode."""
    found = [r for r in ROWS if (r.case, r.generation, r.mode, r.step) == (case, generation, mode, step)]
    if not found:
        raise LookupError(f"AI Power {generation} ({mode}) has no answer for {case!r} at step {step!r}")
    return found[0]
