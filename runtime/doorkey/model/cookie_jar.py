"""The cookies of one visitor, in the order in which they were created."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from doorkey.model.cookies import Change, Cookie, Deletion, Identity, on_path, trustworthy
from doorkey.model.set_cookie import parse_set_cookie


@dataclass(frozen=True, slots=True)
class CookieJar:
    """Frozen: every change makes another jar. There is one cookie of each identity, and the oldest comes first."""

    cookies: tuple[Cookie, ...] = field(default=(), repr=False)

    def __iter__(self) -> Iterator[Cookie]:
        return iter(self.cookies)

    def __bool__(self) -> bool:
        return bool(self.cookies)

    def changed(self, changes: Iterable[Change]) -> CookieJar:
        """The jar after *changes*. A cookie that gets another value is created anew, as in Chromium."""
        held = {cookie.identity: cookie for cookie in self.cookies}
        for change in changes:
            old = held.get(change.identity)
            if isinstance(change, Deletion) or (old is not None and old.value != change.value):
                held.pop(change.identity, None)
            if isinstance(change, Cookie):
                held[change.identity] = change
        return CookieJar(tuple(held.values()))

    def answered(self, lines: Iterable[str], url: str, wall: float, *, date: float | None = None) -> tuple[Change, ...]:
        """What the Set-Cookie *lines* of the answer at *url* change in this jar.

        A plain http answer changes no cookie that only https may carry (RFC 6265bis, section 5.7). *date*: see
        `parse_set_cookie`.
        """
        found = (parse_set_cookie(line, url, wall, date=date) for line in lines)
        changes = tuple(self._placed(change, url) for change in found if change is not None)
        if trustworthy(url) or not any(cookie.secure for cookie in self.cookies):
            return changes
        return tuple(change for change in changes if not self._covers(change.identity))

    def merged(self, newer: Iterable[Cookie]) -> CookieJar:
        """This jar with *newer* cookies in place of those of the same identity."""
        return self.changed(newer)

    def without(self, identities: Iterable[Identity]) -> CookieJar:
        return self.changed(map(Deletion, identities))

    def alive(self, wall: float) -> CookieJar:
        """The jar without the cookies that have expired."""
        return CookieJar(tuple([cookie for cookie in self.cookies if not cookie.expired(wall)]))

    def get(self, identity: Identity) -> Cookie | None:
        return next((cookie for cookie in self.cookies if cookie.identity == identity), None)

    def for_url(self, url: str, wall: float) -> tuple[Cookie, ...]:
        """What a browser sends with the site's own request to *url*, in its order: longer paths first, then older."""
        if not self.cookies:
            return ()
        sent = [cookie for cookie in self.cookies if cookie.goes_to(url, wall)]
        return tuple(sorted(sent, key=lambda cookie: -len(cookie.path))) if len(sent) > 1 else tuple(sent)

    def header_for(self, url: str, wall: float) -> str | None:
        """The Cookie header for *url*; None when no cookie goes there."""
        return "; ".join(cookie.pair for cookie in self.for_url(url, wall)) or None

    def values_at(self, url: str, wall: float) -> dict[str, str]:
        """Values by name at *url*. Of several cookies of one name, servers read the first that is sent."""
        values = {}
        for cookie in reversed(self.for_url(url, wall)):
            values[cookie.name] = cookie.value
        return values

    def same_at(self, other: CookieJar, url: str, wall: float) -> bool:
        """Whether both jars send the same cookies to *url*, in whatever order."""
        ours, theirs = self.for_url(url, wall), other.for_url(url, wall)
        return sorted(cookie.pair for cookie in ours) == sorted(cookie.pair for cookie in theirs)

    def to_json(self) -> list[dict[str, object]]:
        return [cookie.to_json() for cookie in self.cookies]

    @classmethod
    def from_json(cls, rows: Iterable[Mapping[str, object]]) -> CookieJar:
        """The reverse of `to_json`, and of the rows that earlier releases stored. Raises TypeError for others."""
        return cls().changed(map(Cookie.from_json, rows))

    @classmethod
    def from_playwright(cls, found: Iterable[Mapping[str, object]]) -> CookieJar:
        return cls().changed(map(Cookie.from_playwright, found))

    def to_playwright(self) -> list[dict[str, object]]:
        """What a browser can be given. Those that it would refuse are left out: one of them fails the whole call."""
        return [cookie.to_playwright() for cookie in self.cookies if cookie.storable]

    def _placed(self, change: Change, url: str) -> Change:
        """*change* in the partition of *url*'s site, as the browser named it: the parser knows only the host."""
        if not change.identity.partition:
            return change
        same_site = (cookie.partition for cookie in self.cookies if cookie.partition and cookie.goes_to_host(url))
        partition = next(same_site, change.identity.partition)
        if isinstance(change, Cookie):
            return replace(change, partition=partition)
        return Deletion(change.identity._replace(partition=partition))

    def _covers(self, new: Identity) -> bool:
        """Whether a Secure cookie here has *new*'s name, for hosts and paths that *new* lies within."""
        return any(
            cookie.secure
            and cookie.name == new.name
            and (
                cookie.domain == new.domain
                or cookie.domain.endswith("." + new.domain)
                or new.domain.endswith("." + cookie.domain)
            )
            and on_path(cookie.path, new.path)
            for cookie in self.cookies
        )
