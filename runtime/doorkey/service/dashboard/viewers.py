"""Who may see the dashboard: one-time links, and the browsers that came in by one."""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass, field

from aiohttp import web

from doorkey.clock import Clock
from doorkey.service.access import ACCESS, Access, KeyRing, apply_access
from doorkey.service.failure import Refusal
from doorkey.service.key import matches

LINK_LIFE = 600.0
"""Seconds in which a one-time link has to be opened."""
VIEWER_LIFE = 12 * 3600.0
"""Seconds for which a browser that came in may look."""
MOST = 200
"""The most links, and the most browsers, that are remembered at a time; the oldest are forgotten."""
PAGE = "/"
INNER = "/dashboard/"
"""The path below which the parts of the dashboard lie. The cookie is accepted there and at PAGE, nowhere else."""
ENTER = "/dashboard/enter/"
FORM_HEADER = "x-doorkey-form"
FORM_FIELD = "form_token"


@dataclass(frozen=True, slots=True)
class Viewer:
    """A browser that came in. `access` are its rights, None for all of them.

    `form_token` stands in its page, and comes back with each change that it asks for. `until` is the clock's `now`.
    """

    access: Access | None
    form_token: str = field(repr=False)
    until: float


@dataclass(frozen=True, slots=True)
class Link:
    """The rights that a one-time link gives, and until when it can be opened (the clock's `now`)."""

    access: Access | None
    until: float


VIEWER = web.RequestKey("VIEWER", Viewer)
"""Set for a request that was let in by its cookie."""


class Viewers:
    """The links and browsers of one service. They are kept by digests only, and end with the process.

    `form_token` is for requests that need no cookie: they show a key, or none is asked for.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._keys: KeyRing | None = None
        self._links: dict[str, Link] = {}
        self._viewers: dict[str, Viewer] = {}
        self.form_token = secrets.token_urlsafe(32)

    def adopt(self, keys: KeyRing | None) -> None:
        """Take over other keys. If they differ, everybody has to come in anew."""
        if keys is None or not keys.equals(self._keys):
            self._links.clear()
            self._viewers.clear()
        self._keys = keys

    @property
    def needed(self) -> bool:
        """Whether a browser has to come in by a link: not where the service asks for no key."""
        return self._keys is not None

    def make_link(self, access: Access | None) -> str:
        """Return the path of a new link, which gives the rights *access* once."""
        code = secrets.token_urlsafe(32)
        _put(self._links, _digest(code), Link(access, self._clock.now() + LINK_LIFE))
        return f"{ENTER}{code}"

    def redeem(self, code: str) -> str | None:
        """Use the link with *code* up. Return the cookie of a new viewer, or None if there is no such link now."""
        link = self._links.pop(_digest(code), None)
        if link is None or link.until <= self._clock.now():
            return None
        cookie = secrets.token_urlsafe(32)
        viewer = Viewer(link.access, secrets.token_urlsafe(32), self._clock.now() + VIEWER_LIFE)
        _put(self._viewers, _digest(cookie), viewer)
        return cookie

    def forget(self, request: web.Request) -> None:
        """End the stay of the browser that sent *request*."""
        self._viewers.pop(_digest(request.cookies.get(cookie_name(request), "")), None)

    def admit(self, request: web.Request) -> bool:
        """Return whether *request* may come in without a key: with a viewer's cookie, or by a link.

        Raises Refusal for what the viewer's rights do not allow.
        """
        if request.path != PAGE and not request.path.startswith(INNER):
            return False
        if request.path.startswith(ENTER):
            link = self._links.get(_digest(request.path.removeprefix(ENTER)))
            return request.method == "GET" and link is not None and link.until > self._clock.now()
        viewer = self._find(request)
        if viewer is None:
            return False
        request[VIEWER] = viewer
        if viewer.access is not None:
            apply_access(request, viewer.access)
        return True

    def is_watching(self, request: web.Request) -> bool:
        """Return whether the browser of a long request may still look: it may have left, or its time may be over."""
        return VIEWER not in request or self._find(request) is not None

    def token_of(self, request: web.Request) -> str:
        """Return the token that stands in the forms of the page for *request*."""
        return request[VIEWER].form_token if VIEWER in request else self.form_token

    def check_form(self, request: web.Request, token: str) -> None:
        """Raise Refusal unless a change was asked for by the dashboard's own page, whose forms carry *token*.

        The guard has refused foreign origins already. Browsers name the origin with each POST, so none is foreign, too.
        """
        if "Origin" not in request.headers:
            raise Refusal(403, "origin_not_allowed", "a browser's Origin header was expected, none came")
        if not matches(token, self.token_of(request)):
            raise Refusal(403, "form_outdated", "this page is outdated: load the dashboard again, then repeat the step")

    def _find(self, request: web.Request) -> Viewer | None:
        viewer = self._viewers.get(_digest(request.cookies.get(cookie_name(request), "")))
        return viewer if viewer is not None and viewer.until > self._clock.now() else None


def may_administer(request: web.Request) -> bool:
    """Return whether the rights behind *request* allow to renew and pause sites."""
    access = request.get(ACCESS)
    return access is None or access.admin


def cookie_name(request: web.Request) -> str:
    """Return the cookie's name. It has the port: browsers share cookies among all ports of a host."""
    port = re.search(r":(\d{1,5})$", request.host)
    return f"doorkey-{port[1]}" if port else "doorkey"


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def _put(kept: dict[str, Link] | dict[str, Viewer], name: str, value: Link | Viewer) -> None:
    while len(kept) >= MOST:
        del kept[next(iter(kept))]
    kept[name] = value  # type: ignore[assignment]  # each dict gets what it holds
