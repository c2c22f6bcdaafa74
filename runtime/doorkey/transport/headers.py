"""The headers a session's requests carry: computed once per generation and path, because each request needs them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from email.utils import parsedate_to_datetime
from http.cookies import Morsel, SimpleCookie
from typing import TypeAlias
from urllib.parse import urlsplit

from multidict import CIMultiDict

from doorkey.clock import Clock
from doorkey.model.request import Request
from doorkey.model.session import Cookie, Key, Session
from doorkey.model.site import Site
from doorkey.model.urls import origin_of

FETCH = {"sec-fetch-site": "same-origin", "sec-fetch-mode": "cors", "sec-fetch-dest": "empty"}
PAGE_LOAD = {
    "sec-fetch-site": "none",
    "sec-fetch-mode": "navigate",
    "sec-fetch-dest": "document",
    "upgrade-insecure-requests": "1",
}


Target: TypeAlias = tuple[str, str, str, tuple[str, ...], str | None, bool, bool]


@dataclass(slots=True)
class _Computed:
    gen: int
    sliding: dict[str, str] = field(default_factory=dict)
    by_target: dict[Target, tuple[float, CIMultiDict[str]]] = field(default_factory=dict)


class SessionHeaders:
    """Headers per session and target, with an overlay of sliding cookies that is dropped with the generation."""

    def __init__(self, clock: Clock, *, most: int = 1024) -> None:
        self._clock = clock
        self._most = most
        self._computed: OrderedDict[Key, _Computed] = OrderedDict()

    def for_request(self, request: Request, session: Session, url: str, site: Site) -> CIMultiDict[str]:
        """All headers of *request* but its own: the browser's, those of a fetch or a page load, and *url*'s cookies."""
        computed = self._of(session)
        kind = request.anonymous, request.websocket is not None
        target = (request.method, url.partition("?")[0], request.accept, request.expects, request.referer, *kind)
        found = computed.by_target.get(target)
        wall = self._clock.wall()
        if found is None or wall >= found[0]:
            held = () if request.anonymous else session.cookies
            cookies = [cookie for cookie in held if cookie.goes_to(url, wall)]
            until = min((cookie.expires for cookie in cookies if cookie.expires is not None), default=float("inf"))
            if len(computed.by_target) >= self._most:
                computed.by_target.clear()
            found = computed.by_target[target] = (until, _built(request, session, url, site))
            if cookies:
                found[1]["cookie"] = "; ".join(
                    f"{cookie.name}={computed.sliding.get(cookie.name, cookie.value)}" for cookie in by_path(cookies)
                )
        return found[1].copy()

    def slide(self, session: Session, values: Mapping[str, str]) -> None:
        """New values of the session's sliding cookies; the last writer wins."""
        computed = self._of(session)
        if computed.gen == session.gen and values.items() - computed.sliding.items():
            computed.sliding.update(values)
            computed.by_target.clear()

    def _of(self, session: Session) -> _Computed:
        computed = self._computed.get(session.key)
        if computed is None or computed.gen < session.gen:
            computed = self._computed[session.key] = _Computed(session.gen)
            if len(self._computed) > self._most:
                self._computed.popitem(last=False)
        # A request still under way with an older generation gets headers of its own.
        return computed if computed.gen == session.gen else _Computed(session.gen)


def _built(request: Request, session: Session, url: str, site: Site) -> CIMultiDict[str]:
    if request.websocket is not None:
        # What Chromium sends with an upgrade, beside the headers of the WebSocket itself.
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


def by_path(cookies: list[Cookie]) -> list[Cookie]:
    """Longer paths first, as browsers send them (RFC 6265, section 5.4)."""
    return sorted(cookies, key=lambda cookie: -len(cookie.path))


class Conversation:
    """The small jar of one conversation: cookies its answers set, thrown away at its end, never the session's.

    Sites have put a whole conversation into a cookie of the answer: on a shared jar two callers read each other's text.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._cookies: dict[tuple[str, str, str], Cookie] = {}

    @property
    def cookies(self) -> tuple[Cookie, ...]:
        return tuple(self._cookies.values())

    def keep(self, url: str, answered: SimpleCookie, sliding: tuple[str, ...] = ()) -> dict[str, str]:
        """Take the cookies of the answer at *url*; returns the values of the *sliding* ones among them.

        One that is deleted is deleted for this conversation only: others learn of it from the site's refusal.
        """
        slid: dict[str, str] = {}
        wall = self._clock.wall()
        for name, morsel in answered.items():
            cookie = set_by(url, morsel, wall)
            if cookie is None:
                continue
            if name in sliding and reaches(cookie, url, wall):
                slid[name] = cookie.value
            else:
                self._cookies[cookie.domain, cookie.path, name] = cookie
        return slid

    def take(self, cookies: Iterable[Cookie]) -> None:
        """Take cookies that a browser's jar had from an answer."""
        for cookie in cookies:
            self._cookies[cookie.domain, cookie.path, cookie.name] = cookie

    def header(self, url: str, cookie: str | None) -> str | None:
        """The Cookie header with this conversation's cookies added; those that go to *url* win over the session's
        of the same name."""
        if not self._cookies:
            return cookie
        wall = self._clock.wall()
        # One that has expired counts: it was deleted here.
        own = {held.name for held in self._cookies.values() if replace(held, expires=None).goes_to(url, wall)}
        kept = [pair for pair in (cookie or "").split("; ") if pair and pair.partition("=")[0] not in own]
        sent = by_path([held for held in self._cookies.values() if held.goes_to(url, wall)])
        return "; ".join([*kept, *(f"{held.name}={held.value}" for held in sent)]) or None


def reaches(cookie: Cookie, url: str, wall: float) -> bool:
    """Whether *cookie* goes to some path of *url*'s origin."""
    return replace(cookie, path="/").goes_to(url, wall)


def set_by(url: str, morsel: Morsel[str], wall: float) -> Cookie | None:
    """A Set-Cookie of the answer at *url* (RFC 6265, section 5.3); None where its domain is not one of that host's."""
    host = urlsplit(url).hostname or ""
    domain = morsel["domain"].lstrip(".").lower()
    if domain and host != domain and not host.endswith("." + domain):
        return None
    path = morsel["path"] if morsel["path"].startswith("/") else urlsplit(url).path.rpartition("/")[0] or "/"
    return Cookie(
        name=morsel.key,
        value=morsel.value,
        domain=domain or host,
        path=path,
        host_only=not domain,
        secure=bool(morsel["secure"]),
        http_only=bool(morsel["httponly"]),
        same_site=morsel["samesite"],
        expires=_expiry(morsel, wall),
    )


def _expiry(morsel: Morsel[str], wall: float) -> float | None:
    try:
        if morsel["max-age"]:
            return wall + int(morsel["max-age"])
        if morsel["expires"]:
            return parsedate_to_datetime(morsel["expires"]).timestamp()
    except ValueError:
        return None
    return None


def merged(held: tuple[Cookie, ...], new: tuple[Cookie, ...]) -> tuple[Cookie, ...]:
    """*held* with *new* in place of those of the same name, domain and path."""
    by_name = {(cookie.domain.lstrip("."), cookie.path, cookie.name): cookie for cookie in (*held, *new)}
    return tuple(by_name.values())
