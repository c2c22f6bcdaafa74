"""How much of an answer is held back until it is judged, and for how long."""

from __future__ import annotations

from dataclasses import replace

from doorkey.model.request import Head, Request
from doorkey.provider import Provider
from doorkey.transport.compression import unpacked
from doorkey.transport.stream import Stream

MOST = 256 * 1024
"""Bytes of HTML or JSON that are waited for. Of other text the first piece counts, of event streams nothing more."""
SAFE = ("GET", "HEAD", "OPTIONS")
SAFE_SECONDS = 0.25
"""How long the answer to a safe request is held back at most: its caller may want to see it grow."""
UNSAFE_SECONDS = 5.0
"""How long the answer to any other request is held back at most: a refused write that goes unnoticed is lost."""


async def read_to_judge(provider: Provider, request: Request, stream: Stream) -> Head:
    """The head of *stream*, with as much of the body as *provider* needs to judge it.

    What was read stays in *stream* for its caller. `complete` is False for an answer that is longer, or too slow.
    Raises what reading the body raises.
    """
    head = stream.head
    if not provider.looks_into(request, head):
        return head
    if stream.body is None and head.media_type != "text/event-stream":
        most = MOST if head.is_html or head.is_json else 1
        await stream.hold(most, SAFE_SECONDS if request.method.upper() in SAFE else UNSAFE_SECONDS)
    held = stream.held
    if request.encodings is not None:
        held = unpacked(held, head.headers, MOST + 1)
    readable = bool(held) or not stream.held
    return replace(head, held=held[:MOST], complete=stream.body is not None and readable and len(held) <= MOST)
