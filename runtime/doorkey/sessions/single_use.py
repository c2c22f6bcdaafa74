"""Passes single-use tokens on: requests that use one up take turns, each with what the last answer brought."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from doorkey.clock import Clock
from doorkey.errors import TimeLimit
from doorkey.model.request import HEAD_BYTES, Head, MiB, Reply, Request
from doorkey.model.session import Session
from doorkey.provider import Provider
from doorkey.sessions.key_state import KeyState
from doorkey.transport.compression import unpacked
from doorkey.transport.stream import Stream

READ = 8 * MiB
"""How much of an answer is held to look for the next token."""
TEXTS = ("text/", "application/json", "application/xhtml+xml")


@asynccontextmanager
async def hold_token(state: KeyState, deadline: float, clock: Clock) -> AsyncIterator[None]:
    """This caller's turn to use up the session's token. Raises TimeLimit at *deadline* (the clock's `now`)."""
    left = deadline - clock.now()
    state.begin_wait()
    try:
        async with asyncio.timeout(left):
            await state.token_turn.acquire()
    except TimeoutError:
        what = "total, while others used the single-use token"
        raise TimeLimit(what, round(max(left, 0.0), 3), site=state.key.site, setting="limits.total") from None
    finally:
        state.end_wait()
    try:
        yield
    finally:
        state.token_turn.release()


async def take_over_tokens(
    provider: Provider, state: KeyState, request: Request, session: Session, stream: Stream
) -> None:
    """Make what the answer carries for the next request the session's own. Its body can be read as if it was not."""
    answer: Head = stream.head
    if provider.next_in_body and answer.media_type.startswith(TEXTS) and await stream.hold(READ):
        body = stream.body or b""
        if request.encodings is not None:
            body, _ = unpacked(body, answer.headers, READ)
        answer = Reply(status=answer.status, headers=answer.headers, url=answer.url, start=body[:HEAD_BYTES], body=body)
    tokens = provider.next_tokens(request, answer)
    if tokens:
        renews = tokens.keys() >= set(provider.single_use)
        state.replace_tokens(session.gen, tokens, renews_budget=renews)
