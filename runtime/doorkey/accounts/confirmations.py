"""What agents want of a person: requests that wait for a decision, in a folder that all of a user's processes share.

Each is a file, ID.json. Whoever decides takes it by renaming it, so that it is decided once; the decision is written
beside it, for the process that waits.
"""

from __future__ import annotations

import json
import os
import re
import secrets
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

from doorkey.clock import Clock
from doorkey.errors import ConfigurationError, RequestError

POLL = 0.5
"""Seconds between two looks for a decision."""
LAST_MOMENT = 5.0
"""Seconds that a decision taken in the last moment may need to be written."""
ID = re.compile(r"[0-9a-f]{8}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """Something that waits for a person: a request that changes something ("write"), or a call for help ("help").

    `title` is the request's method and path, or what the agent says. `body` is all that would be sent. `asked` and
    `until` are wall times.
    """

    id: str
    kind: Literal["write", "help"]
    site: str
    title: str
    asked: float
    until: float
    content_type: str = ""
    body: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Decision:
    """What the person decided, and what they want to tell the agent."""

    allowed: bool
    note: str = ""


class Confirmations:
    """The queue in *folder*. All of it is private to the user: bodies may be."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self._folder = folder
        self._clock = clock

    async def ask(
        self,
        kind: Literal["write", "help"],
        site: str,
        title: str,
        *,
        patience: float,
        body: str = "",
        content_type: str = "",
    ) -> Decision | None:
        """Wait for a person to decide, for *patience* seconds. None: nobody did, and nobody can any more."""
        asked = self._clock.wall()
        pending = Pending(
            id=secrets.token_hex(4),
            kind=kind,
            site=site,
            title=title,
            asked=asked,
            until=asked + patience,
            content_type=content_type,
            body=body,
        )
        self._write(self._path(pending.id, "json"), asdict(pending))
        try:
            return await self._wait(pending.id, self._clock.now() + patience)
        finally:
            for kind_ in ("json", "taken", "decision"):
                self._path(pending.id, kind_).unlink(missing_ok=True)

    async def _wait(self, id_: str, end: float) -> Decision | None:
        while True:
            decision = self._read_decision(id_)
            if decision is not None:
                return decision
            now = self._clock.now()
            if now >= end + LAST_MOMENT or (now >= end and self._take(id_)):
                return None
            await self._clock.sleep(POLL)

    def waiting(self) -> tuple[Pending, ...]:
        """Everything that waits, the oldest first. What a process left behind that ended is removed."""
        found = []
        for path in self._folder.glob("*.json"):
            pending = _read_pending(path)
            if pending is None:
                continue
            if pending.until + LAST_MOMENT < self._clock.wall():
                path.unlink(missing_ok=True)
            else:
                found.append(pending)
        return tuple(sorted(found, key=lambda pending: (pending.asked, pending.id)))

    def find(self, id_: str) -> Pending:
        """Return what waits under *id_*. Raises RequestError if nothing does."""
        for pending in self.waiting():
            if pending.id == id_:
                return pending
        raise RequestError("nothing waits under this id: it was decided already, or its time is over", param="id")

    def decide(self, id_: str, *, allowed: bool, note: str = "") -> Pending:
        """Decide what waits under *id_*, once. Raises RequestError if nothing does."""
        pending = self.find(id_)
        if not self._take(id_):
            raise RequestError("it was decided already, or its time is over", param="id")
        self._write(self._path(id_, "decision"), asdict(Decision(allowed, note)))
        return pending

    def _take(self, id_: str) -> bool:
        """Take what waits under *id_*. Only one can."""
        try:
            self._path(id_, "json").rename(self._path(id_, "taken"))
        except FileNotFoundError:
            return False
        return True

    def _read_decision(self, id_: str) -> Decision | None:
        try:
            data = json.loads(self._path(id_, "decision").read_text("utf-8"))
        except FileNotFoundError:
            return None
        return Decision(allowed=data["allowed"] is True, note=str(data["note"]))

    def _path(self, id_: str, kind: str) -> Path:
        assert ID.fullmatch(id_)
        return self._folder / f"{id_}.{kind}"

    def _write(self, path: Path, data: object) -> None:
        """Write *data* so that it appears whole, and only the user can read it. Raises ConfigurationError."""
        draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
                json.dump(data, file)
            draft.replace(path)
        except OSError as error:
            raise ConfigurationError(f"{self._folder} can't be written: {error.strerror}") from error


def _read_pending(path: Path) -> Pending | None:
    """Return what the file *path* holds; None if it was taken meanwhile, or is no file of this queue."""
    try:
        pending = Pending(**json.loads(path.read_text("utf-8")))
    except (OSError, ValueError, TypeError):
        return None
    return pending if ID.fullmatch(pending.id) and path.stem == pending.id else None
