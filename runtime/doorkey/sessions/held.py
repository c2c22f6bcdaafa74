"""What a renewal begins with, and what the site has given since: the newest cookies and storage of one identity."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from doorkey.model.cookies import Cookie
from doorkey.model.session import Session
from doorkey.sessions.source import Journal


class HeldSession:
    """`session` has the newest cookies and storage; each rung begins with it. `journal` is None for an identity that
    does not last: each of its visits begins as a stranger's.
    """

    def __init__(self, session: Session, journal: Journal | None) -> None:
        self.session = session
        self._journal = journal

    @property
    def lasts(self) -> bool:
        return self._journal is not None

    async def update(self, cookies: tuple[Cookie, ...], local: Mapping[str, str] | None = None) -> None:
        """Keep what the site gave. It is in the store when this returns: only then may it be shown to the site."""
        changed = replace(self.session, cookies=cookies, local=self.session.local if local is None else dict(local))
        if self._journal is not None and changed != self.session:
            self.session = changed
            await self._journal.write(changed)
