"""Builds the headers of requests. They are kept for each session and path, as every request needs them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TypeAlias

from multidict import CIMultiDict

from doorkey.clock import Clock
from doorkey.model.cookie_jar import CookieJar
from doorkey.model.cookies import Change, Cookie, Deletion
from doorkey.model.request import Request
from doorkey.model.session import Key, Session
from doorkey.model.site import Site
from doorkey.model.urls import origin_of

FETCH = {"sec-fetch-site": "same-origin", "sec-fetch-mode": "cors", "sec-fetch-dest": "empty"}
PAGE_LOAD = {
    "sec-fetch-site": "none",
    "sec-fetch-mode": "navigate",
    "sec-fetch-dest": "document",
    "upgrade-insecure-requests": "1",
}


HeaderKey: TypeAlias = tuple[str, str, str, tuple[str, ...], str | None, bool, bool]


@dataclass(slots=True)
class _Computed:
    gen: int
    jar: CookieJar
    by_target: dict[HeaderKey, tuple[float, CIMultiDict[str]]] = field(default_factory=dict)


class SessionHeaders:
    """Keeps headers for each session and target. Sliding cookies that answers set are kept until the next session."""

    def __init__(self, clock: Clock, *, most: int = 1024) -> None:
        self._clock = clock
        self._most = most
        self._computed: OrderedDict[Key, _Computed] = OrderedDict()

    def for_request(self, request: Request, session: Session, url: str, site: Site) -> CIMultiDict[str]:
        """The headers that doorkey adds to *request*: the browser's, those of its kind, and *url*'s cookies."""
        computed = self._computed.get(session.key)
        if computed is None or computed.gen != session.gen or session.gen <= 0:
            computed = self._of(session)
        kind = request.anonymous, request.websocket is not None
        target = (request.method, url.partition("?")[0], request.accept, request.expects, request.referer, *kind)
        found = computed.by_target.get(target)
        wall = self._clock.wall()
        if found is None or wall >= found[0]:
            cookies = () if request.anonymous else computed.jar.for_url(url, wall)
            until, pairs = float("inf"), []
            for cookie in cookies:
                pairs.append(cookie.pair)
                if cookie.expires is not None:
                    until = min(until, cookie.expires)
            if len(computed.by_target) >= self._most:
                computed.by_target.clear()
            found = computed.by_target[target] = (until, _built(request, session, url, site))
            if pairs:
                found[1]["cookie"] = "; ".join(pairs)
        return found[1].copy()

    def jar(self, session: Session) -> CookieJar:
        """The session's cookies, with what answers have changed in them."""
        computed = self._computed.get(session.key)
        known = computed is not None and computed.gen == session.gen > 0
        return computed.jar if computed is not None and known else self._of(session).jar

    def slide(self, session: Session, changes: Iterable[Change], carried: CookieJar) -> None:
        """Apply an answer's *changes* to the session's sliding cookies. The last answer wins.

        A deletion applies only to the value that the request *carried*. A value that was set since then stays.
        """
        computed = self._of(session)
        changes = tuple(changes)
        names = {change.name for change in changes}
        held, sent = ({c.identity: c.value for c in jar if c.name in names} for jar in (computed.jar, carried))
        meant = [c for c in changes if isinstance(c, Cookie) or held.get(c.identity) == sent.get(c.identity)]
        # Kept headers hold until a cookie expires, so a longer expiry needs no new ones.
        if any(held.get(c.identity) != (None if isinstance(c, Deletion) else c.value) for c in meant):
            computed.by_target.clear()
        computed.jar = computed.jar.changed(meant)

    def replace_cookies(self, session: Session) -> None:
        """A visit has brought newer cookies of *session*: the next requests carry them."""
        computed = self._computed.get(session.key)
        if computed is not None and computed.gen == session.gen:
            computed.jar = CookieJar(session.cookies)
            computed.by_target.clear()

    def _of(self, session: Session) -> _Computed:
        if session.gen <= 0:  # not published yet: there may be several at once
            return _Computed(session.gen, CookieJar(session.cookies))
        computed = self._computed.get(session.key)
        if computed is None or computed.gen < session.gen:
            computed = self._computed[session.key] = _Computed(session.gen, CookieJar(session.cookies))
            if len(self._computed) > self._most:
                self._computed.popitem(last=False)
        # A request of an older generation gets headers of its own.
        return computed if computed.gen == session.gen else _Computed(session.gen, CookieJar(session.cookies))


def _built(request: Request, session: Session, url: str, site: Site) -> CIMultiDict[str]:
    if request.websocket is not None:
        # What Chromium sends with an upgrade, besides the headers of the WebSocket itself.
        shown = {name: value for name, value in session.headers.items() if not name.startswith("sec-")}
        return CIMultiDict({**shown, "origin": site.origin, "cache-control": "no-cache", "pragma": "no-cache"})
    page_load = "text/html" in request.expects
    same_origin = origin_of(url) == site.origin
    headers = CIMultiDict({**session.headers, "accept": request.accept, **(PAGE_LOAD if page_load else FETCH)})
    if not same_origin:
        headers["sec-fetch-site"] = "cross-site"
    if request.method not in ("GET", "HEAD"):
        headers["origin"] = site.origin
    if request.referer:
        headers["referer"] = request.referer
    elif not page_load:
        headers["referer"] = session.url if same_origin else site.origin + "/"
    return headers
