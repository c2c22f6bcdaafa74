"""Who may see the dashboard: one-time links, and the browsers that came in by one."""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import TypeVar

from aiohttp import web

from doorkey.clock import Clock
from doorkey.service.access import ACCESS, Access, KeyRing, apply_access
from doorkey.service.failure import Refusal
from doorkey.service.key import matches
from doorkey.service.workers.shared_text import SharedText

T = TypeVar("T")
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


@dataclass(slots=True)
class Guests:
    """The links and browsers of a service, by digests of what they show.

    `links` hold the name of the key whose rights they give, empty for all rights, and until when they can be opened
    (the clock's `now`); `viewers` the same and their form token. `keys` tells which keys the names belong to.
    `form_token` is for requests that need no cookie: they show a key, or none is asked for.
    """

    keys: str = ""
    form_token: str = field(default="", repr=False)
    links: dict[str, tuple[str, float]] = field(default_factory=dict)
    viewers: dict[str, tuple[str, str, float]] = field(default_factory=dict)


VIEWER = web.RequestKey("VIEWER", Viewer)
"""Set for a request that was let in by its cookie."""


class Viewers:
    """The links and browsers of one service. They are kept by digests only, in the memory *kept* of its processes."""

    def __init__(self, clock: Clock, kept: SharedText) -> None:
        self._clock = clock
        self._kept = kept
        self._keys: KeyRing | None = None
        self._text, self._guests = "", Guests()

    def adopt(self, keys: KeyRing | None) -> None:
        """Take over other keys. If they differ, everybody has to come in anew."""
        self._keys = keys

        def change(guests: Guests) -> None:
            if guests.keys != self._name_of_keys(guests):
                guests.links.clear()
                guests.viewers.clear()
            guests.form_token = guests.form_token or secrets.token_urlsafe(32)
            guests.keys = self._name_of_keys(guests)

        self._change(change)

    @property
    def needed(self) -> bool:
        """Whether a browser has to come in by a link: not where the service asks for no key."""
        return self._keys is not None

    def make_link(self, access: Access | None) -> str:
        """Return the path of a new link, which gives the rights *access* once."""
        code = secrets.token_urlsafe(32)
        link = ("" if access is None else access.name, self._clock.now() + LINK_LIFE)
        self._change(lambda guests: _put(guests.links, _digest(code), link))
        return f"{ENTER}{code}"

    def redeem(self, code: str) -> str | None:
        """Use the link with *code* up. Return the cookie of a new viewer, or None if there is no such link now."""
        cookie = secrets.token_urlsafe(32)

        def redeem(guests: Guests) -> bool:
            name, until = guests.links.pop(_digest(code), ("", 0.0))
            if until <= self._clock.now():
                return False
            viewer = (name, secrets.token_urlsafe(32), self._clock.now() + VIEWER_LIFE)
            _put(guests.viewers, _digest(cookie), viewer)
            return True

        return cookie if self._change(redeem) else None

    def forget(self, request: web.Request) -> None:
        """End the stay of the browser that sent *request*."""
        cookie = _digest(request.cookies.get(cookie_name(request), ""))
        self._change(lambda guests: guests.viewers.pop(cookie, None))

    def admit(self, request: web.Request, path: str) -> bool:
        """Return whether a request for one of the dashboard's paths may come in without a key.

        A viewer's cookie lets it in, or a link. Raises Refusal for what the viewer's rights do not allow.
        """
        if path.startswith(ENTER):
            _, until = self._read().links.get(_digest(path.removeprefix(ENTER)), ("", 0.0))
            return request.method == "GET" and until > self._clock.now()
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
        return request[VIEWER].form_token if VIEWER in request else self._read().form_token

    def check_form(self, request: web.Request, token: str) -> None:
        """Raise Refusal unless a change was asked for by the dashboard's own page, whose forms carry *token*.

        The guard has refused foreign origins already. Browsers name the origin with each POST, so none is foreign, too.
        """
        if "Origin" not in request.headers:
            raise Refusal(403, "origin_not_allowed", "a browser's Origin header was expected, none came")
        if not matches(token, self.token_of(request)):
            raise Refusal(403, "form_outdated", "this page is outdated: load the dashboard again, then repeat the step")

    def _find(self, request: web.Request) -> Viewer | None:
        guests = self._read()
        found = guests.viewers.get(_digest(request.cookies.get(cookie_name(request), "")))
        if found is None or found[2] <= self._clock.now() or self._keys is None:
            return None
        name, form_token, until = found
        if guests.keys != self._name_of_keys(guests):
            return None  # another worker has taken other keys over, and this one is about to
        return Viewer(self._keys.access_of(name), form_token, until)

    def _name_of_keys(self, guests: Guests) -> str:
        """Name the keys that hold here, without telling them."""
        return "none" if self._keys is None else self._keys.digest(guests.form_token)

    def _read(self) -> Guests:
        text = self._kept.read()
        if text is not self._text:
            self._text, self._guests = text, _load(text)
        return self._guests

    def _change(self, change: Callable[[Guests], T]) -> T:
        def step(text: str) -> tuple[str, T]:
            guests = _load(text)
            result = change(guests)
            return json.dumps(asdict(guests)), result

        return self._kept.update(step)


def may_administer(request: web.Request) -> bool:
    """Return whether the rights behind *request* allow to renew and pause sites."""
    access = request.get(ACCESS)
    return access is None or access.admin


def may_add(request: web.Request) -> bool:
    """Return whether the rights behind *request* allow to add sites."""
    access = request.get(ACCESS)
    return access is None or (access.admin and access.sites is None)


def cookie_name(request: web.Request) -> str:
    """Return the cookie's name. It has the port: browsers share cookies among all ports of a host."""
    port = re.search(r":(\d{1,5})$", request.host)
    return f"doorkey-{port[1]}" if port else "doorkey"


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def _load(text: str) -> Guests:
    return Guests(**json.loads(text)) if text else Guests()


def _put(kept: dict[str, T], name: str, value: T) -> None:
    while len(kept) >= MOST:
        del kept[next(iter(kept))]
    kept[name] = value
