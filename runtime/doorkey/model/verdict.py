"""The verdict on an answer: what the answer means, which decides what happens next."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from doorkey.errors import (
    Blocked,
    Changed,
    Cut,
    DoorkeyError,
    NeedsPerson,
    QuotaReached,
    RateLimited,
    SessionRefused,
    SiteDown,
)


class Kind(StrEnum):
    """What an answer means, and so what happens next."""

    OK = "ok"
    STALE = "stale"  # renew, send again
    CHALLENGED = "challenged"  # the browser must pass it; then as stale
    REFUSED = "refused"  # a refusal nobody has named: renewed for once, then blocked
    RATE_LIMITED = "rate limited"  # told; never renewed for, never evaded
    QUOTA = "quota"  # the same
    BLOCKED = "blocked"  # told
    SITE_DOWN = "site down"  # sent again where that is harmless
    CHANGED = "changed"  # told: the provider no longer knows this site
    UNCHECKED = "unchecked"  # delivered, but it may be a dead session's: nobody can tell
    CUT = "cut"  # told: the answer ended before its end


@dataclass(frozen=True, slots=True)
class Verdict:
    """`detail` goes into errors and logs: never a cookie, a token or a prompt. `retry_after` is in seconds.

    `by` names the protection that was recognised (docs/challenges.md), where one was, and `by_hand` tells that only a
    person can pass it. `by_absence`: the answer lacks
    what an accepted one has. That proves nothing about the request itself: one that may not be repeated is not sent
    again for it.
    """

    kind: Kind
    detail: str = ""
    retry_after: float | None = None
    by: str = ""
    by_hand: bool = False
    by_absence: bool = False

    def __bool__(self) -> bool:
        return self.kind is Kind.OK

    def error(self, site: str, status: int | None = None) -> DoorkeyError:
        """The error a caller gets when this verdict is final."""
        message = f"{site}: {self.detail or self.kind.value}"
        match self.kind:
            case Kind.STALE | Kind.REFUSED:
                return SessionRefused(message, site=site, answer_status=status)
            case Kind.CHALLENGED:
                return NeedsPerson(message.replace(" SITE", f" {site}"), site=site)
            case Kind.RATE_LIMITED:
                return RateLimited(message, site=site, retry_after=self.retry_after)
            case Kind.QUOTA:
                return QuotaReached(message, site=site, retry_after=self.retry_after)
            case Kind.BLOCKED:
                return Blocked(message, site=site, answer_status=status, by=self.by)
            case Kind.SITE_DOWN:
                return SiteDown(message, site=site, retry_after=self.retry_after)
            case Kind.CUT:
                return Cut(message, site=site, answer_status=status)
            case _:
                return Changed(message, site=site, answer_status=status)


OK = Verdict(Kind.OK)
