"""How AI Power 1.x fails, by generation and mode: the exact answers, as observed on real WordPress sites."""

from __future__ import annotations

import html
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

JSON_TYPE = "application/json"
STREAM_TYPE = "text/event-stream"
HTML_TYPE = "text/html"

EXPIRED = "The link you followed has expired."
INVALID_17 = "Invalid nonce. This action has been blocked for security reasons."
FAILED_18 = "Nonce verification failed"
NOTHING = "It appears that nothing was inputted."
LIMIT = "You have reached your token limit."
BANNED = "You are not allowed to use this chat."
BACKEND = "The server had an error while processing your request. Sorry about that!"
ALWAYS = "Something went wrong"
"""The `msg` of every answer, good ones too, unless a failure sets it."""


@dataclass(frozen=True, slots=True)
class Failure:
    status: int
    media_type: str
    body: str = field(repr=False)


def wrong_nonce(generation: str) -> Failure:
    """Wrong, expired or missing nonce: the same in both modes."""
    if generation == "1.9":
        return Failure(403, HTML_TYPE, died(EXPIRED))
    return _as_json({"status": "error", "msg": INVALID_17 if generation == "1.7" else FAILED_18})


def unknown_action() -> Failure:
    """WordPress' own answer where no plugin knows the action."""
    return Failure(400, HTML_TYPE, "0")


def nothing_said() -> Failure:
    return _as_json({"status": "error", "msg": NOTHING})


def limit_reached(stream: bool, limited_mark: bool = False) -> Failure:
    told = {"msg": LIMIT, "tokenLimitReached": True}
    if not stream:
        return _as_json(told)
    return Failure(200, STREAM_TYPE, _frames([json.dumps(told)] + ["[LIMITED]"] * limited_mark))


def banned(stream: bool) -> Failure:
    told = {"status": "error", "msg": BANNED, "ipBanned": True}
    return Failure(200, STREAM_TYPE, _frames([json.dumps(told)])) if stream else _as_json(told)


def backend_failed(generation: str, stream: bool) -> Failure:
    """The site's own AI backend fails. In a stream its words come as content, twice, and no `[DONE]` ends it."""
    if not stream:
        return _as_json({"status": "error", "msg": BACKEND})
    said = {"choices": [{"index": 0, "delta": {"content": BACKEND}, "finish_reason": None}]}
    closing = {"choices": [{"finish_reason": "stop"}]}
    body = _frames([json.dumps(said), json.dumps(said), json.dumps(closing)], event="message")
    return Failure(200, STREAM_TYPE, body + (trailer("") if generation == "1.8" else ""))


def trailer(answer: str) -> str:
    """The bare line of JSON that 1.8 adds after a stream, repeating the whole answer."""
    return success(answer) + "\n"


def success(answer: str) -> str:
    return json.dumps({"status": "success", "msg": ALWAYS, "data": answer, "log": 0}, ensure_ascii=False)


def died(text: str) -> str:
    """`wp_die` with one sentence."""
    return (
        '<!DOCTYPE html>\n<html lang="en-US">\n<head>\n'
        '<meta http-equiv="Content-Type" content="text/html; charset=utf-8" />\n'
        '<meta name="viewport" content="width=device-width">\n'
        "<meta name='robots' content='max-image-preview:large, noindex' />\n"
        "<title>Something went wrong.</title>\n</head>\n"
        f'<body id="error-page">\n\t<div class="wp-die-message">{html.escape(text)}</div></body>\n</html>\n'
    )


def _as_json(told: dict[str, Any]) -> Failure:
    return Failure(200, JSON_TYPE, json.dumps(told))


def _frames(data: Sequence[str], event: str = "") -> str:
    named = f"event: {event}\n" if event else ""
    return "".join(f"{named}data: {item}\n\n" for item in data)
