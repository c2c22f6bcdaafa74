"""What an answer of a site means, and so what happens next."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from urllib.parse import urljoin, urlsplit

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
from doorkey.protections.finding import of_head
from doorkey.protections.signs import Finding, Obstacle
from doorkey.request import Head, Request


class Kind(Enum):
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
    CUT = "cut"  # told: the answer ended before its end


@dataclass(frozen=True, slots=True)
class Verdict:
    """`detail` goes into errors and logs: never a cookie, a token or a prompt. `retry_after` is in seconds.

    `by` names the protection that was recognised (docs/challenges.md), where one was.
    """

    kind: Kind
    detail: str = ""
    retry_after: float | None = None
    by: str = ""

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

KINDS = {
    Obstacle.WAIT: Kind.CHALLENGED,
    Obstacle.PERSON: Kind.CHALLENGED,
    Obstacle.HEADLESS: Kind.CHALLENGED,
    Obstacle.BLOCK: Kind.BLOCKED,
    Obstacle.CONTENT: Kind.BLOCKED,
    Obstacle.RATE: Kind.RATE_LIMITED,
    Obstacle.QUOTA: Kind.QUOTA,
    Obstacle.EXPIRED: Kind.STALE,
    Obstacle.UNEXPECTED: Kind.CHANGED,
}
"""What an answer means that one of the table's protections gave."""

LOGIN = re.compile(
    r"(?:(?<![A-Za-z])|(?<=[a-z])(?=[A-Z]))"
    r"(?i:(?:user|wp)?(?:log|sign)[-_]?(?:in|on)|sso|auth(?:orize|enticate|entication)?)"
    r"(?![a-z]|(?<=[A-Z])[A-Z])"
)
"""A word in the addresses of login pages, by common usage (weak: a redirect there only makes a refusal likely)."""


def default_verdict(request: Request, head: Head) -> Verdict:
    """What an answer means that no provider has named: what the table of protections says comes first.

    401, 403, 419, 440, a redirect to a login page, and HTML where something else was asked, are refusals that a renewed
    session may cure. 5xx are not, whatever their body.
    """
    found = of_head(request, head)
    if found is not None:
        return _named(found, request, head)
    status = head.status
    if status >= 500:
        return Verdict(Kind.SITE_DOWN, f"{request.what} met HTTP {status}", head.retry_after)
    if status in (401, 403, 419, 440):
        return Verdict(Kind.REFUSED, f"{request.what} was refused with HTTP {status} ({head.media_type or 'no type'})")
    if 300 <= status < 400 and status != 304 and _leads_to_login(head):
        return Verdict(Kind.REFUSED, f"{request.what} was redirected to a login page (HTTP {status})")
    if request.expects and head.is_html and not any("html" in kind for kind in request.expects):
        return Verdict(Kind.REFUSED, f"{request.what} got a page where {' or '.join(request.expects)} was expected")
    if status >= 400 and request.expects:
        return Verdict(Kind.CHANGED, f"{request.what} met HTTP {status} ({head.media_type or 'no type'})")
    return OK


def _leads_to_login(head: Head) -> bool:
    try:
        path = urlsplit(urljoin(head.url, head.headers.get("location", ""))).path
    except ValueError:
        return False  # no URL: for the caller to see
    return LOGIN.search(path) is not None


def _named(found: Finding, request: Request, head: Head) -> Verdict:
    todo = f"; {found.protection.todo}" if found.protection.todo else ""
    detail = f"{request.what} met HTTP {head.status}, {found.obstacle.value} ({found.name}){todo}"
    return Verdict(KINDS[found.obstacle], detail, found.retry_after, found.name)
