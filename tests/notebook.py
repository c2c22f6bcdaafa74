"""A journal that a test can read."""

from __future__ import annotations

from dataclasses import dataclass, field

from doorkey.model.session import Session


@dataclass
class Notebook:
    """Keeps the contract of doorkey.sessions.source.Journal. `written` are the sessions in their order."""

    written: list[Session] = field(default_factory=list)

    async def write(self, session: Session) -> None:
        self.written.append(session)
