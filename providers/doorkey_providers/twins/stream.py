"""Writes an answer's body: in pieces of odd sizes, held at a gate, or cut off in the middle."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, cycle, islice

from aiohttp import web

SIZES = (1, 2, 3, 5, 1, 8, 13, 4, 31)
BREAKS = ("\n\n", "\r\n\r\n", "\n: still here\n\n", "\n\n")


def split_oddly(body: bytes) -> Iterator[bytes]:
    """Split *body* into pieces of odd sizes, also inside characters and fields, and later into large ones."""
    start = 0
    for size in chain(islice(cycle(SIZES), 54), cycle((1021,))):
        if start >= len(body):
            return
        yield body[start : start + size]
        start += size


def split_words(text: str) -> list[str]:
    """Split *text* as a model sends it: a few split_words at a time, each with the space before it."""
    pieces = text.split(" ")
    many = 1 + len(pieces) // 200
    rows = [pieces[at : at + many] for at in range(0, len(pieces), many)]
    return [(" " if at else "") + " ".join(row) for at, row in enumerate(rows)]


def write_events(data: Sequence[str]) -> list[bytes]:
    """Write each of *data* as a `data:` event. Line ends vary as the standard allows."""
    return [f"data: {item}{ending}".encode() for item, ending in zip(data, cycle(BREAKS), strict=False)]


async def send_events(
    request: web.Request,
    parts: Sequence[bytes],
    *,
    gate: asyncio.Event | None = None,
    cut: str = "",
    in_pieces: bool = True,
    headers: Mapping[str, str] | None = None,
) -> web.StreamResponse:
    """Send *parts* as an event stream: the first at once, the others once *gate* is set.

    ConnectionError when the client has left.
    """
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-cache"})
    response.headers.update(headers or {})
    await response.prepare(request)
    kept = parts[: max(1, len(parts) // 2)] if cut else parts
    await response.write(kept[0])
    if gate is not None:
        await gate.wait()
    rest = b"".join(kept[1:])
    for piece in split_oddly(rest) if in_pieces else (rest,):
        if piece:
            await response.write(piece)
            # The client must read between two pieces, or the kernel would join them.
            await asyncio.sleep(0)
    if cut == "break":
        hang_up(request)
    return response


async def send_whole(
    request: web.Request, body: bytes, media_type: str, *, cut: str = "", headers: Mapping[str, str] | None = None
) -> web.StreamResponse:
    """Send *body* as one answer of known length. With *cut* only its first half is sent."""
    response = web.StreamResponse(headers={"Content-Type": media_type, **(headers or {})})
    half = body[: len(body) // 2] if cut else body
    response.content_length = len(half) if cut == "end" else len(body)
    await response.prepare(request)
    await response.write(half)
    if cut == "break":
        hang_up(request)
    return response


def hang_up(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.close()
