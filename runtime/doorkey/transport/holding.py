"""The holding rule: how much of an answer is held back until it is judged, and for how long.

It holds for every way in (door, client, fetch, chat) and for both transports.
"""

from __future__ import annotations

from doorkey.model.request import HEAD_BYTES, PAGES, SAFE_METHODS, Head, Request, is_json
from doorkey.provider import Provider
from doorkey.transport.compression import unpacked
from doorkey.transport.stream import Stream

MOST = 256 * 1024
"""Bytes of HTML or JSON that a provider can look into. Of other text it sees the first piece."""
SAFE_SECONDS = 0.25
"""How long the answer to a safe request is held back at most: its caller may want to see it grow."""
UNSAFE_SECONDS = 5.0
"""How long the answer to any other request is held back at most: a refused write that goes unnoticed is lost."""


async def read_to_judge(provider: Provider, request: Request, stream: Stream) -> Head:
    """Read as much of the body of *stream* as judging it needs, and return its head with that.

    What was read stays in *stream* for its caller. `complete` is False for an answer that is longer, or too slow.
    Raises what reading the body raises.
    """
    head = stream.head
    if stream.websocket is not None:
        return head
    looks = provider.looks_into(request, head)
    most = _wanted(head, looks=looks)
    if not looks and len(head.start) >= most:
        return head
    stream.take()
    if most and stream.body is None:
        await stream.hold(most, SAFE_SECONDS if request.method.upper() in SAFE_METHODS else UNSAFE_SECONDS)
    held, whole = stream.held, True
    if request.encodings is not None and "content-encoding" in head.headers:
        held, whole = unpacked(held, head.headers, MOST + 1)
    start, complete = held[:HEAD_BYTES], whole and stream.body is not None and len(held) <= MOST
    stream.head = _with_body(head, start)
    return _with_body(head, start, held[:MOST], complete=complete) if looks else stream.head


def _with_body(head: Head, start: bytes, held: bytes = b"", *, complete: bool = False) -> Head:
    # Not by dataclasses.replace, which would cost every request more than the judging.
    return Head(
        status=head.status,
        headers=head.headers,
        url=head.url,
        received=head.received,
        start=start,
        held=held,
        complete=complete,
    )


def _wanted(head: Head, *, looks: bool) -> int:
    """How many bytes of the body judging an answer with this *head* needs."""
    kind = head.media_type
    if kind == "text/event-stream":
        return 0
    if not looks and kind and head.status < 400:
        return HEAD_BYTES if kind in PAGES else 0  # a page may be a challenge
    # Without a media type only the body tells whether it is a page.
    structured = head.is_html or is_json(kind) or (looks and not kind)
    if looks:
        return MOST if structured else 1
    if head.status >= 400:
        return HEAD_BYTES if structured else 1  # the table of protections knows refusals by their beginning
    return HEAD_BYTES if head.is_html else 1
