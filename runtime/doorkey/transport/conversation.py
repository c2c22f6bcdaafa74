"""The cookies that the answers of one call have set."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Self, TypedDict

from multidict import CIMultiDictProxy

from doorkey.clock import Clock
from doorkey.model.cookie_jar import CookieJar
from doorkey.model.cookies import Change, Identity
from doorkey.model.set_cookie import parse_date


@dataclass(slots=True)
class Conversation:
    """Changes that one call's answers make to the session's cookies. They are thrown away at its end, or handed to the
    request that follows a redirect.

    Sites have put a whole conversation into a cookie of the answer: on a shared jar two callers read each other's text.
    Only `sliding` cookies, which the site's settings name, belong to everybody: `slid` are those not yet taken over.
    """

    clock: Clock
    by_identity: dict[Identity, Change] = field(default_factory=dict)
    slid: list[Change] = field(default_factory=list)

    @classmethod
    def beginning_with(cls, changes: Iterable[Change], clock: Clock) -> Self:
        """A conversation whose first request carries *changes*."""
        return cls(clock, {change.identity: change for change in changes})

    @property
    def changes(self) -> tuple[Change, ...]:
        return tuple(self.by_identity.values())

    def over(self, held: CookieJar) -> CookieJar:
        """The cookies *held* by the session, as this call's answers left them."""
        return held.changed(self.by_identity.values()) if self.by_identity else held

    def keep(
        self, url: str, headers: CIMultiDictProxy[str], held: CookieJar, sliding: tuple[str, ...]
    ) -> tuple[Change, ...]:
        """Take the cookies that the answer at *url* sets; return the *sliding* ones among them.

        *held* are the session's cookies, as the request carried them.
        """
        date = parse_date(headers.get("date", ""))
        lines = headers.getall("set-cookie", ())
        return self.take(self.over(held).answered(lines, url, self.clock.wall(), date=date), sliding)

    def take(self, changes: Iterable[Change], sliding: tuple[str, ...]) -> tuple[Change, ...]:
        """As `keep`, of changes that are known already."""
        slid = []
        for change in changes:
            if change.name in sliding:
                self.by_identity.pop(change.identity, None)
                slid.append(change)
            else:
                self.by_identity[change.identity] = change
        self.slid += slid
        return tuple(slid)

    def taken(self) -> tuple[Change, ...]:
        """The session's own changes since this was asked last."""
        slid, self.slid = tuple(self.slid), []
        return slid


class OpenOptions(TypedDict, total=False):
    """What the `open` of each transport takes beside the request, as `Direct.open` says."""

    conversation: Conversation | None
    sliding: tuple[str, ...]
    total: float
