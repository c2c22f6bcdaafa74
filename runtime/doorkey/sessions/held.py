"""What a renewal begins with, and what the site has given since: the newest cookies and storage of one identity."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from doorkey.errors import DoorkeyError
from doorkey.model.cookies import Cookie
from doorkey.model.session import Session, Tokens
from doorkey.sessions.builder import with_tokens
from doorkey.sessions.key_state import KeyState
from doorkey.sessions.source import Journal
from doorkey.sessions.store import Claim, Store
from doorkey.transport.headers import SessionHeaders

log = logging.getLogger("doorkey.keeper")


@dataclass(slots=True)
class HeldSession:
    """`session` has the newest cookies, storage and tokens; each rung begins with it. `journal` is None for an identity
    that does not last: each of its visits begins as a stranger's. `headers` are those of the requests beside the
    renewal. `given` are the tokens that declared requests gave in this renewal, `entered` tells whether one logged in.
    """

    session: Session
    journal: Journal | None
    headers: SessionHeaders | None = None
    given: Tokens = field(default_factory=dict, init=False)
    entered: bool = field(default=False, init=False)

    def as_stranger(self) -> HeldSession:
        """The same without cookies, of which nothing is kept."""
        return HeldSession(replace(self.session, cookies=()), None)

    def with_session(self, session: Session) -> HeldSession:
        """What is kept goes on with *session*, which a visit has made."""
        return HeldSession(session, self.journal, self.headers)

    async def update(self, cookies: tuple[Cookie, ...], local: Mapping[str, str] | None = None) -> None:
        """Keep what the site gave. It is in the store when this returns: only then may it be shown to the site."""
        await self._keep(
            replace(self.session, cookies=cookies, local=self.session.local if local is None else dict(local))
        )

    async def take(self, given: Tokens, kept: Tokens) -> None:
        """Keep tokens that the site gave beside the *kept* ones, as `update` does: one that serves once is not lost."""
        self.given = {**self.given, **given}
        await self._keep(with_tokens(self.session, kept, given))

    async def _keep(self, changed: Session) -> None:
        if self.journal is not None and changed != self.session:
            self.session = changed
            await self.journal.write(changed)
            if self.headers is not None:
                self.headers.replace_cookies(changed)


@dataclass(frozen=True, slots=True)
class StoreJournal:
    """The journal of a visit under *claim*: the session that requests have goes on with what the visit was given."""

    store: Store
    claim: Claim
    state: KeyState

    async def write(self, session: Session) -> None:
        try:
            await self.store.keep(self.claim, session)
        except DoorkeyError as error:  # the visit goes on with what this process holds
            log.warning("%s: what the site gave is not in the store: %s", self.state.key.site, error.message)
        self.state.renew_cookies(
            session.gen, lambda current: replace(current, cookies=session.cookies, local=session.local)
        )
