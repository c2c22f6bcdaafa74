"""What the keeper asks for sessions: where they come from, and why one is needed now."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from doorkey.session import Key, Session


@dataclass(frozen=True, slots=True)
class Need:
    """Why a visit is made. `refused` is the session that no longer serves; None for a first one, or one grown old.

    `named`: whether the refusal had a name (then a result that equals the refused session is no result).
    `fresh`: whether the refused session never worked.
    """

    previous: Session | None = None
    refused: Session | None = None
    named: bool = False
    fresh: bool = False


class Source(Protocol):
    """Where the sessions of one key come from. `fetch` yields one without a generation, or raises DoorkeyError; `fits`
    tells whether one from the store still serves.
    """

    @property
    def key(self) -> Key: ...

    async def fetch(self, need: Need) -> Session: ...

    def fits(self, session: Session) -> bool: ...
