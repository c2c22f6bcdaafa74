"""Which transport carries a site's requests: `direct`, or the live page where only the browser itself is let in."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, Unpack

from doorkey.clock import Clock
from doorkey.model.request import Request
from doorkey.model.session import Key, Session
from doorkey.model.site import Site
from doorkey.shared_notes import SharedNotes, SharedTexts
from doorkey.transport.conversation import OpenOptions
from doorkey.transport.page.page_transport import LoneRequests, PageTransport
from doorkey.transport.stream import Stream

if TYPE_CHECKING:
    from doorkey.browser import LivePage

log = logging.getLogger("doorkey.transport")
EXPIRY = 3600.0
"""Seconds after which plain HTTP is tried again: sites change what they insist on."""


class Transport(Protocol):
    """Carries a request: see `Direct.open` for what that promises, whatever carries it."""

    async def open(self, request: Request, session: Session, site: Site, **options: Unpack[OpenOptions]) -> Stream: ...


@dataclass(frozen=True, slots=True)
class Move:
    """Requests go by the live page until `until` (wall seconds)."""

    until: float = 0.0


class MoveText:
    """How a `Move` lies in the store. One that lasts longer than *longest* was written by a wrong clock."""

    empty = Move()

    def __init__(self, longest: float) -> None:
        self._longest = longest

    def write(self, value: Move) -> str:
        return json.dumps(value.until)

    def read(self, text: str, wall: float) -> Move:
        try:
            return Move(min(float(json.loads(text)), wall + self._longest))
        except (ValueError, TypeError):
            return self.empty


class TransportSelector:
    """`direct` first. A site moves to `page`, for *expiry* seconds, when only the browser itself can reach it: it
    challenges what a browser has just passed, or speaks HTTP that plain clients don't. Without *page* everything goes
    by `direct`. *texts*: where the processes of a store share which sites have moved.
    """

    def __init__(
        self,
        direct: Transport,
        page: PageTransport | None = None,
        *,
        clock: Clock,
        expiry: float = EXPIRY,
        texts: SharedTexts | None = None,
    ) -> None:
        self.direct, self._page, self._expiry = direct, page, expiry
        self._alone = None if page is None else LoneRequests(page)
        self._notes: SharedNotes[Move] = SharedNotes("transport", MoveText(expiry), clock, texts)
        self.shared = page is not None and self._notes.shared
        """Whether other processes may know of more moves."""
        self.moved: Mapping[Key, Move] = self._notes.held
        """The keys that have moved. While there are none, only sites with transport = "page" do not go by `direct`."""

    async def refresh(self, key: Key) -> None:
        """Take over whether another process has moved the requests of *key*."""
        if self._page is not None:
            await self._notes.refresh(key)

    async def close(self) -> None:
        await self._notes.close()

    def name(self, site: Site, key: Key) -> Literal["direct", "page"]:
        """What carries the requests of *key* now."""
        if self._page is None or site.transport == "direct" or key.caller:
            return "direct"  # cookies that a caller brought along are in no browser of ours
        if site.transport == "page" or (self.moved and self._notes.get(key).until > self._notes.time):
            return "page"
        return "direct"

    def of(self, request: Request, site: Site, key: Key) -> Transport:
        """What carries *request*. Requests to other hosts go by `direct` in any case."""
        may = request.own_host and (site.transport == "page" or bool(self.moved))
        return self._page if may and self._page is not None and self.name(site, key) == "page" else self.direct

    def for_page(self, site: Site, key: Key) -> Transport:
        """What carries a load of the site's page for *key*, beside the calls under way."""
        return self._alone if self._alone is not None and self.name(site, key) == "page" else self.direct

    def can_move(self, site: Site, key: Key) -> bool:
        """Whether the requests of *key* can move to `page`, and have not."""
        return self._page is not None and site.transport == "auto" and not key.caller and self.name(site, key) != "page"

    def move(self, site: Site, key: Key, why: str = "challenges what its browser passed") -> None:
        """Move to `page`, because the site does *why*. Nothing changes where that can't be, or is so already."""
        if not self.can_move(site, key):
            return
        self._notes.change(key, lambda value, wall: Move(max(value.until, wall + self._expiry)))
        log.info("%s: %s: requests go by the live page for %.0f s", site.name, why, self._expiry)

    def carries(self, session: Session, site: Site) -> bool:
        """Whether requests can go with *session* now: the live page needs the context it came from."""
        if self._page is None or (site.transport != "page" and not self.moved):
            return True
        return self.name(site, session.key) == "direct" or self._page.live(session)

    def keep(self, session: Session, live_page: LivePage, exits: AsyncExitStack) -> None:
        """Keep the context that *session* came from, for its requests."""
        assert self._page is not None
        self._page.keep(session, live_page, exits)
