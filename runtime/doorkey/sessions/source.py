"""What the keeper asks for sessions: where those of one key come from, and why one is needed now."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from doorkey.model.session import Key, Session


@dataclass(frozen=True, slots=True)
class RenewalReason:
    """Why a session is made. `previous` is the last one of the key, None for the first.

    `refused` is the session that the site refuses; None where the last one only grew old. `named`: the site refused it
    by a verdict with a name, so that a result equal to it is no result. `fresh`: the refused session never worked.
    """

    previous: Session | None = None
    refused: Session | None = None
    named: bool = False
    fresh: bool = False


class Journal(Protocol):
    """Keeps what a site gives in the middle of a renewal, so that a failure loses none of it."""

    async def write(self, session: Session) -> None:
        """Make *session* what the next renewal begins with, here and for all who share the store."""
        ...


class Source(Protocol):
    """Makes the sessions of one key."""

    async def make(self, reason: RenewalReason, journal: Journal) -> Session:
        """A new session, without a generation yet. Raises DoorkeyError."""
        ...

    def fits(self, session: Session) -> bool:
        """Whether *session*, from the store, still serves: settings may have changed since it was made."""
        ...


class Target(Protocol):
    """Whose session is wanted, and what makes it."""

    @property
    def key(self) -> Key: ...

    @property
    def source(self) -> Source: ...
