"""What the keeper asks for sessions: where they come from, and why one is needed now."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Protocol

from doorkey.errors import DoorkeyError, TimeLimit
from doorkey.model.session import Key, Session


@dataclass(frozen=True, slots=True)
class RenewalReason:
    """Why a visit is made. `refused` is the session that no longer serves; None for a first one, or one grown old.

    `named`: whether the refusal had a name (then a result that equals the refused session is no result).
    `fresh`: whether the refused session never worked.
    """

    previous: Session | None = None
    refused: Session | None = None
    named: bool = False
    fresh: bool = False


class Source(Protocol):
    """Where the sessions of one key come from."""

    @property
    def key(self) -> Key: ...

    async def make(self, reason: RenewalReason) -> Session:
        """A new session, without a generation yet. Raises DoorkeyError."""
        ...

    def fits(self, session: Session) -> bool:
        """Whether *session*, from the store, still serves: settings may have changed since it was made."""
        ...


async def make_within(limit: float, source: Source, reason: RenewalReason) -> Session:
    """The session that *source* makes. Raises TimeLimit after *limit* seconds, and what the source raises."""
    try:
        async with asyncio.timeout(limit):
            return await source.make(reason)
    except TimeoutError as error:
        if isinstance(error, DoorkeyError):
            raise
        raise TimeLimit("visit", limit, site=source.key.site, setting="limits.visit") from error
